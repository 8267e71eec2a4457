"""Writing that survives a power cut, and a disk that is asked again after it failed."""

import contextlib
import errno
import itertools
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from dicom_node.datasets.elements import Buffer
from dicom_node.errors import SpoolUnfit

_log = structlog.get_logger()

#: In the names of what is being written: machines that share a spool leave each other's alone.
HOST = re.sub("[^A-Za-z0-9.-]", "-", socket.gethostname())

#: What a file system answers that knows no such thing.
_LACKING = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL))
#: Folders whose names are known to be on the disk; a spool has more, and then they are synced once more.
_REMEMBERED_FOLDERS = 10_000


class Disk:
    """What the spool asks of its file system. Every method raises OSError, and two of them SpoolUnfit."""

    def __init__(self, root: Path, *, syncing: bool = True) -> None:
        """Make the root, durably. Raises SpoolUnfit.

        Without `syncing` nothing more is synced until `sync_tree` is called.
        """
        self._root = root
        self._syncing = True
        self._serial = itertools.count()
        # Names as text: a Path for each of them would cost an instance as much as its system calls.
        self._durable: set[str] = {str(root)}
        self._suspect = threading.Event()
        root.mkdir(parents=True, exist_ok=True)
        _required("syncing a folder", lambda: self.sync_folder(root.parent), root)
        self._syncing = syncing

    def make_folder(self, folder: Path | str) -> None:
        """Make a folder below the root with its parents, and sync the parent of each."""
        name = str(folder)
        if name in self._durable:
            return
        parent = Path(name).parent
        self.make_folder(parent)
        Path(name).mkdir(exist_ok=True)
        # Also where it existed already: whoever made it may have died, or not come so far yet.
        self.sync_folder(parent)
        if len(self._durable) >= _REMEMBERED_FOLDERS:
            self.forget_folders()
        self._durable.add(name)

    def forget_folders(self) -> None:
        """Look at every folder anew: somebody has removed one."""
        self._durable = {str(self._root)}

    def begin_part(self, *pieces: Buffer) -> "Part":
        """Begin a file in the root, its name ends in ``.part``, with these bytes; nothing is left on failure."""
        part = Part(f"{self._root}/{os.getpid()}-{next(self._serial)}@{HOST}.part")
        try:
            for piece in pieces:
                part.write(piece)
        except BaseException:
            part.close()
            raise
        part.start = part.size
        return part

    def free_bytes(self) -> int:
        """Return how much a process without privileges may still write."""
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def move(self, file: Path, target: Path) -> None:
        """Rename within the file system and sync both folders."""
        file.rename(target)
        self.sync_folder(target.parent)
        self.sync_folder(file.parent)

    def sync(self, part: "Part") -> None:
        """Bring all of a file to the disk, where this disk syncs."""
        if self._syncing:
            part.sync()

    def sync_folder(self, folder: Path | str) -> None:
        """Make the names in a folder durable, where this disk syncs."""
        if self._syncing:
            _sync(folder)

    def sync_tree(self, folder: Path) -> None:
        """Bring a folder of the root, and all that is in it, to the disk; what is removed meanwhile is left out."""
        for parent, _, names in os.walk(folder, onerror=_unless_gone):
            for path in (*(Path(parent) / name for name in names), Path(parent)):
                with contextlib.suppress(FileNotFoundError):
                    _sync(path)
        _sync(self._root)

    def require_fitness(self) -> None:
        """Do once what each instance needs of its disk. Raises SpoolUnfit; what a disk fails to do is no lack."""
        with contextlib.suppress(OSError):  # full, or failing: instances are refused, and it is tried again
            part = self.begin_part(b"wetread")
            # Of this process as well, so that what a crash leaves of it is removed.
            second = f"{self._root}/{os.getpid()}-{next(self._serial)}@{HOST}.part"
            try:
                _required("hard links", lambda: part.named(second), self._root)
            finally:
                part.close()
                Path(second).unlink(missing_ok=True)

    def suspect(self) -> None:
        """Note that the disk failed: nothing more is trusted to it until it takes a test file."""
        if not self._suspect.is_set():
            _log.error("spool disk failed", spool=str(self._root))
        self._suspect.set()

    def require_health(self) -> None:
        """After a failure, write, sync and remove a test file."""
        if self._suspect.is_set():
            part = self.begin_part(b"wetread")
            try:
                part.sync()
            finally:
                part.close()
            self._suspect.clear()
            _log.info("spool disk recovered", spool=str(self._root))


class Part:
    """A file that is being written under a name that ends in ``.part``. Every method but `close` raises OSError.

    Attributes:
        name: Where it is written.
        size: Bytes written.
        start: Where what follows its first bytes begins; for an instance its dataset.
    """

    def __init__(self, name: Path | str) -> None:
        """Make the file, which must be new."""
        self.name = str(name)
        self.size = 0
        self.start = 0
        self._descriptor = os.open(self.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def write(self, piece: Buffer) -> None:
        """Append."""
        _write_all(self._descriptor, piece)
        self.size += len(piece)

    def sync(self) -> None:
        """Bring all of it to the disk."""
        os.fsync(self._descriptor)

    def named(self, target: Path | str) -> bool:
        """Give the file its name; False where another file has it.

        A link, not a rename: rename would overwrite what another association, or another process, was faster to name.
        """
        try:
            os.link(self.name, target)
        except FileExistsError:
            return False
        return True

    def takes_place_of(self, target: Path) -> None:
        """Give the file its name, which another file has had until then."""
        # A second name first: this one is still needed where the folder has gone and is made anew.
        name = Path(self.name)
        aside = name.with_name(name.name.replace("@", "-again@", 1))
        aside.hardlink_to(self.name)
        try:
            aside.rename(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Close it and remove the name it was written under."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.name)  # noqa: PTH108 - once an instance, and a Path costs more than the call


def _required(what: str, action: Callable[[], object], root: Path) -> None:
    try:
        action()
    except OSError as error:
        if error.errno not in _LACKING:
            raise
        raise SpoolUnfit(
            f"{root}: its file system does not take {what} ({error.strerror}), and without it no instance can be kept "
            "so that nothing is overwritten or lost. FAT, exFAT, most SMB shares and some FUSE mounts are so: put the "
            "data directory on a local disk (ext4, XFS, Btrfs, ZFS) or on NFS"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    _sync(folder)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync(path: Path | str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, piece: Buffer) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
