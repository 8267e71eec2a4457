"""Who acts: the user of the operating system, as the timeline and the audit trail name them."""

import os
import pwd

_LONGEST = 64


def acting_user() -> str:
    """Return the user's name, by the user id and not by the environment, which anybody can set.

    Where root acts through sudo, the name of who called it is told too.
    """
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user may have no entry
        name = f"user {uid}"
    called_by = os.environ.get("SUDO_USER", "")
    told = f"{called_by} as {name}" if uid == 0 and called_by and called_by.isprintable() else name
    return told[:_LONGEST]
