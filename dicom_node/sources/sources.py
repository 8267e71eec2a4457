"""What a person names to be sent (files, folders, zip files, media directories), and the DICOM files in it."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicom_node.contexts import MEDIA_STORAGE_DIRECTORY
from dicom_node.datasets.origin import require_uid
from dicom_node.datasets.part10 import FileMeta
from dicom_node.errors import InvalidUid, MediaUnreadable, MetaUnreadable, NotDicom
from dicom_node.sources.folder_entries import FolderEntry, entries_below
from dicom_node.sources.foreign_file import read_meta_to_send
from dicom_node.sources.media_directory import is_media_directory, references_of
from dicom_node.sources.zip_entries import ZipOfDicom

_MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers from 1 to 255
_FILES_A_BATCH = 1000
_PASSING_BYTES_A_BATCH = 1 << 30
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file that was found in what somebody named.

    Attributes:
        name: As a person finds it; ``a.zip:entry`` in a zip file.
        meta: Of the DICOM file; None where it is none, or none that can be sent.
        why: Why there is none.
        damaged: Whether it should have been one, so that leaving it out is no success.
        passing: Whether `meta.file` is a copy, to be removed once it is sent.
    """

    name: Path
    meta: FileMeta | None = None
    why: str = ""
    damaged: bool = False
    passing: bool = False


class Source(Protocol):
    """Something that holds files."""

    def __len__(self) -> int:
        """Return how many files `files` will yield."""

    def files(self, passing: Path, /) -> Iterator[Found]:
        """Yield its files; copies of what is packed go to the folder `passing`. Raises OSError."""


@dataclass(frozen=True)
class _File:
    path: Path

    def __len__(self) -> int:
        return 1

    def files(self, _passing: Path, /) -> Iterator[Found]:
        yield _read(self.path, self.path)


@dataclass(frozen=True)
class _Zip:
    path: Path
    content: ZipOfDicom

    def __len__(self) -> int:
        return len(self.content)

    def files(self, passing: Path, /) -> Iterator[Found]:
        try:
            # One of its own: entries are named by their numbers, and several zip files are sent together.
            yield from self._files(Path(tempfile.mkdtemp(dir=passing)))
        except (MediaUnreadable, OSError) as error:  # it was readable when it was opened
            yield Found(name=self.path, why=_without(self.path, error), damaged=True)

    def _files(self, passing: Path) -> Iterator[Found]:
        for entry in self.content.unpacked(passing):
            name = Path(f"{self.path}:{entry.name}")
            if entry.file is None:
                yield Found(name=name, why=entry.why, damaged=entry.damaged)
                continue
            found = _read(entry.file, name, passing=True)
            if found.meta is None:
                entry.file.unlink()
            yield found


@dataclass(frozen=True)
class _Listed:
    """What is known before anything is read: of a media directory, or of what cannot be opened."""

    found: Sequence[Found | tuple[Path, Path]]

    def __len__(self) -> int:
        return len(self.found)

    def files(self, _passing: Path, /) -> Iterator[Found]:
        for item in self.found:
            yield item if isinstance(item, Found) else _read(*item)


def sources_of(paths: Iterable[Path]) -> list[Source]:
    """Return the sources that paths name: a file, a zip file, a media directory, a folder with everything below it.

    In a folder, zip files are opened, and what a media directory lists is found without it; a folder below it that
    cannot be read is told like a file that cannot. Raises OSError for what is not there.
    """
    sources: list[Source] = []
    for path in paths:
        if path.is_dir():
            sources += map(_below, entries_below(path))
        else:
            sources += [_named(entry.path) for entry in entries_of([path])]
    return sources


def entries_of(paths: Iterable[Path]) -> Iterator[FolderEntry]:
    """Yield files as given and, of folders, what lies below them, sorted. Raises OSError for what is not there."""
    for path in paths:
        if path.is_dir():
            yield from entries_below(path)
        elif path.exists():
            yield FolderEntry(path, "")
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")


def batches(found: Iterable[Found]) -> Iterator[list[Found]]:
    """Group files so that one association can carry a group, and copies of packed files stay within a bound."""
    batch: list[Found] = []
    kinds: set[tuple[str, str]] = set()
    passing_bytes = 0
    for item in found:
        kind = (item.meta.sop_class_uid, item.meta.transfer_syntax_uid) if item.meta is not None else None
        if batch and (
            len(kinds | ({kind} if kind else set())) > _MOST_CONTEXTS
            or len(batch) == _FILES_A_BATCH
            or passing_bytes > _PASSING_BYTES_A_BATCH
        ):
            yield batch
            batch, kinds, passing_bytes = [], set(), 0
        batch.append(item)
        if kind is not None:
            kinds.add(kind)
        if item.passing and item.meta is not None:
            passing_bytes += item.meta.size_bytes
    if batch:
        yield batch


def _below(entry: FolderEntry) -> Source:
    if entry.why:
        return _Listed([Found(name=entry.path, why=entry.why, damaged=True)])
    return _zip(entry.path) if entry.path.suffix.lower() == ".zip" else _File(entry.path)


def _named(path: Path) -> Source:
    """Return the source of a file that was named, told by what is in it."""
    if not path.is_file():
        return _Listed([Found(name=path, why="is neither a file nor a folder", damaged=True)])
    try:
        with path.open("rb") as stream:
            if stream.read(len(_ZIP)) == _ZIP:
                return _zip(path)
        return _media_directory(path) if is_media_directory(path) else _File(path)
    except OSError as error:
        return _Listed([Found(name=path, why=f"cannot be read ({error.strerror})", damaged=True)])


def _zip(path: Path) -> Source:
    try:
        return _Zip(path, ZipOfDicom(path))
    except MediaUnreadable as error:
        return _Listed([Found(name=path, why=_without(path, error), damaged=True)])
    except OSError as error:
        return _Listed([Found(name=path, why=f"cannot be read ({error.strerror})", damaged=True)])


def _media_directory(path: Path) -> Source:
    try:
        references = references_of(path)
    except MediaUnreadable as error:
        return _Listed([Found(name=path, why=_without(path, error), damaged=True)])
    return _Listed(
        [
            (reference.path, reference.path)
            if reference.path is not None
            else Found(name=path.parent / reference.name, why=reference.why, damaged=True)
            for reference in references
        ]
    )


def _read(file: Path, name: Path, *, passing: bool = False) -> Found:
    try:
        meta = read_meta_to_send(file)
    except NotDicom as error:
        return Found(name=name, why=_without(file, error), damaged=isinstance(error, MetaUnreadable))
    except OSError as error:
        return Found(name=name, why=f"cannot be read ({error.strerror})", damaged=True)
    try:
        # They make the presentation context: one that can be none would end the association, and all that goes over it.
        require_uid("its SOP Class UID", meta.sop_class_uid)
        require_uid("its Transfer Syntax UID", meta.transfer_syntax_uid)
    except InvalidUid as error:
        return Found(name=name, why=str(error), damaged=True)
    if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        return Found(name=name, why="a media directory (DICOMDIR): name it by itself to send what it lists")
    return Found(name=name, meta=meta, passing=passing)


def _without(path: Path, error: Exception) -> str:
    """Return an error's words without the file's name, which is told beside them."""
    return str(error).removeprefix(f"{path}: ")
