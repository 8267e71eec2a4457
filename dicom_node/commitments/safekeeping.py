"""What must be known of kept files before somebody is told that they are safe here: where, whole, and on the disk."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from dicom_node.datasets.part10 import FileMeta, read_file_head
from dicom_node.datasets.wholeness import require_whole
from dicom_node.spooling.disk import sync_folder
from dicom_node.spooling.kept_files import require_place
from dicom_node.spooling.spool import Spool
from dicom_node.spooling.spool_layout import instance_of, name_of

_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A kept file that was read whole.

    Attributes:
        meta: What it is.
        identity: Of the file itself: another one under its name has another.
    """

    meta: FileMeta
    identity: tuple[int, int]


def find(spool: Spool, sop_instance_uids: Iterable[str]) -> dict[str, list[str]]:
    """Return the files, relative to the spool, that lie under each of these UIDs; none for one that is not here.

    In every study: where two have an instance of one UID, nobody knows which of them was meant. Raises OSError.
    """
    names = {name_of(uid): uid for uid in sop_instance_uids}
    found: dict[str, list[str]] = {uid: [] for uid in names.values()}
    for file in spool.files_named(names):
        found[names[instance_of(file)]].append(file)
    return found


def look_at(spool: Spool, file: str) -> Looked:
    """Bring a file to the disk, whatever `node.fsync` says, and read all of it.

    Its name is brought there by `sync_names`. Raises NotDicom, HeadUnreadable, OSError.
    """
    path = spool.root / file
    with path.open("rb") as stream:
        identity = identity_of(os.fstat(stream.fileno()))
        os.fsync(stream.fileno())
        # Before it is mapped: a disk that fails under a mapping ends the process.
        while stream.read(_PIECE):
            pass
    meta, head = read_file_head(path)
    require_place(file, head)
    require_whole(file, path, meta)
    return Looked(meta=meta, identity=identity)


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from another that has its name later."""
    return status.st_ino, status.st_mtime_ns


def sync_names(spool: Spool, files: Iterable[str]) -> None:
    """Bring the names of files to the disk, whatever `node.fsync` says; of those that are gone, nothing.

    Raises OSError.
    """
    series = {(spool.root / file).parent for file in files}
    for folder in (*series, *{folder.parent for folder in series}, spool.root):
        with contextlib.suppress(FileNotFoundError):
            sync_folder(folder)
