"""Zip files from outside: the DICOM files in one, unpacked one after the other under names of ours, within limits."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from dicom_node.errors import MediaUnreadable
from dicom_node.sources.foreign_file import may_be_dicom

_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1 << 20
_ZIP = b"PK\x03\x04"
_MAGIC_END = 132  # preamble and DICM
#: The list of entries is read in one piece, before anything is known of it; an entry takes 46 bytes and its name.
_LONGEST_LIST = 16 << 20


@dataclass(frozen=True, kw_only=True)
class ZipLimits:
    """What a zip file may make of us.

    Attributes:
        entries: In it.
        entry_bytes: Of one DICOM file, unpacked.
        all_bytes: Of all its DICOM files, unpacked.
    """

    entries: int = 100_000
    entry_bytes: int = 8 << 30
    all_bytes: int = 256 << 30


class Entry(NamedTuple):
    """An entry of a zip file.

    Attributes:
        name: As it stands there; never used as a path.
        file: The unpacked DICOM file; None where it is none, or could not be unpacked.
        why: Why there is none.
        damaged: Whether it may have been a DICOM file and could not be unpacked.
    """

    name: str
    file: Path | None
    why: str = ""
    damaged: bool = False


class ZipOfDicom:
    """An opened zip file."""

    def __init__(self, file: Path, limits: ZipLimits | None = None) -> None:
        """Read its list of entries. Raises MediaUnreadable, OSError."""
        self._file = file
        self._limits = limits or ZipLimits()
        with _opened(file) as archive:
            self._entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
        if len(self._entries) > self._limits.entries:
            raise MediaUnreadable(f"{file}: has more than {self._limits.entries} entries; unpack it, send the folder")

    def __len__(self) -> int:
        """Return how many entries it has."""
        return len(self._entries)

    def unpacked(self, folder: Path) -> Iterator[Entry]:
        """Yield every entry, those that are DICOM files unpacked into a folder; whoever takes one removes it.

        Raises MediaUnreadable, OSError.
        """
        left = self._limits.all_bytes
        with _opened(self._file) as archive:
            for number, info in enumerate(self._entries):
                target = folder / f"{number}.dcm"
                entry = self._unpack(archive, info, target, min(left, self._limits.entry_bytes))
                if entry.file is not None:
                    left -= entry.file.stat().st_size
                yield entry

    def _unpack(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int) -> Entry:
        if info.compress_type not in _BOUNDED:
            # Of these zipfile unpacks all that a piece of the file holds at once: kilobytes become gigabytes.
            return Entry(
                info.filename, None, "is packed in a way that is not unpacked here: not deflated", damaged=True
            )
        try:
            with _open(archive, info) as source:
                head = _read(source, _MAGIC_END)
                if not may_be_dicom(head):
                    return _no_dicom(info.filename, head)
                with target.open("xb") as copy:
                    copy.write(head)
                    self._copy(source, copy, most - len(head))
        except MediaUnreadable as error:
            target.unlink(missing_ok=True)
            return Entry(info.filename, None, str(error), damaged=True)
        # What zipfile raises: an encrypted entry, a method that it lacks, damage.
        except (RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
            target.unlink(missing_ok=True)
            why = f"cannot be unpacked ({type(error).__name__}): encrypted, damaged, or packed in a way not known here"
            return Entry(info.filename, None, why, damaged=True)
        except OSError as error:  # of the copy: what reading the file raises is among those above
            target.unlink(missing_ok=True)
            why = f"cannot be unpacked ({error.strerror}); is there room in TMPDIR?"
            return Entry(info.filename, None, why, damaged=True)
        return Entry(info.filename, target)

    def _copy(self, source: IO[bytes], copy: BinaryIO, most: int) -> None:
        while piece := _read(source, _PIECE):
            most -= len(piece)
            if most < 0:
                raise MediaUnreadable(
                    f"unpacks to more than is allowed ({self._limits.entry_bytes >> 20} MiB a file, "
                    f"{self._limits.all_bytes >> 20} MiB in all); unpack it and send the folder"
                )
            copy.write(piece)


def _no_dicom(name: str, head: bytes) -> Entry:
    if head.startswith(_ZIP) and name.lower().endswith(".zip"):
        # As of an export of several studies: among texts and pictures it would be missed.
        return Entry(name, None, "a zip file inside, which is not opened: unpack it by itself", damaged=True)
    return Entry(name, None, "no DICM at byte 128; is it a DICOM file (PS3.10)?")


class _Guarded(io.FileIO):
    """A file of which nobody reads more than the longest list of entries at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LONGEST_LIST:
            raise zipfile.BadZipFile("its list of entries is too long")
        return super().read(-1 if size is None else size) or b""


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    with _Guarded(file) as stream:
        try:
            archive = zipfile.ZipFile(stream)
        # A list that names places where nothing can be: OSError, OverflowError.
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, OverflowError) as error:
            raise MediaUnreadable(f"{file}: is no zip file that can be read ({error})") from error
        with archive:
            yield archive


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(info)
    except (OSError, OverflowError) as error:  # the list of entries says that it begins where nothing can
        raise zipfile.BadZipFile(str(error)) from error


def _read(source: IO[bytes], count: int) -> bytes:
    try:
        return source.read(count)
    except OSError as error:  # bz2's word for damage, and not to be taken for a full disk
        raise zipfile.BadZipFile(str(error)) from error
