"""Writing that survives a power cut, and a disk that is asked again after it failed."""

import itertools
import os
import threading
from pathlib import Path

import structlog

from dicom_node.head import Buffer

_log = structlog.get_logger()

#: Folders whose names are known to be on the disk; a spool has more, and then they are synced once more.
_REMEMBERED_FOLDERS = 10_000


class Disk:
    """What the spool asks of its file system. Every method raises OSError."""

    def __init__(self, root: Path) -> None:
        """Make the root, durably."""
        self._root = root
        self._serial = itertools.count()
        self._durable: set[Path] = set()
        self._suspect = threading.Event()
        root.mkdir(parents=True, exist_ok=True)
        self.sync_folder(root.parent)

    def make_folder(self, folder: Path) -> None:
        """Make a folder below the root with its parents, and sync the parent of each."""
        if folder == self._root or folder in self._durable:
            return
        self.make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        # Also where it existed already: whoever made it may have died, or not come so far yet.
        self.sync_folder(folder.parent)
        if len(self._durable) >= _REMEMBERED_FOLDERS:
            self._durable.clear()
        self._durable.add(folder)

    def write_part(self, folder: Path, *pieces: Buffer) -> Path:
        """Write and sync a file under a name of its own that ends in ``.part``; nothing is left when that fails."""
        part = folder / f"{os.getpid()}-{next(self._serial)}.part"
        try:
            with part.open("xb", buffering=0) as stream:
                for piece in pieces:
                    _write_all(stream.fileno(), piece)
                os.fsync(stream.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return part

    def move(self, file: Path, target: Path) -> None:
        """Rename within the file system and sync both folders."""
        file.rename(target)
        self.sync_folder(target.parent)
        self.sync_folder(file.parent)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def suspect(self) -> None:
        """Note that the disk failed: nothing more is trusted to it until it takes a test file."""
        if not self._suspect.is_set():
            _log.error("spool disk failed", spool=str(self._root))
        self._suspect.set()

    def require_health(self) -> None:
        """After a failure, write, sync and remove a test file."""
        if self._suspect.is_set():
            self.write_part(self._root, b"wetread").unlink()
            self._suspect.clear()
            _log.info("spool disk recovered", spool=str(self._root))


def _write_all(descriptor: int, piece: Buffer) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
