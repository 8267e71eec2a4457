"""Whether a folder is ours alone: sockets and settings in it would else be anybody's."""

import os
import stat
from pathlib import Path


def fault_of(folder: Path, *, of_anybody: bool = False) -> str:
    """Return what makes a folder unfit for what is private, as the end of a sentence; empty where nothing does.

    Not through a link, which whoever made it can lead elsewhere later. Raises OSError.

    Args:
        folder: Where it is.
        of_anybody: Whether it may belong to another user, whom a superuser does work for.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return "is a link or a file, not a directory"
    if found.st_uid != os.geteuid() and not of_anybody:
        return f"belongs to another user (uid {found.st_uid}, and we are {os.geteuid()})"
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""
