"""Media directories (DICOMDIR, PS3.10 8.6, PS3.3 F): which files they name, and where those lie below them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydicom import dcmread

from dicom_node.contexts import MEDIA_STORAGE_DIRECTORY
from dicom_node.datasets.elements import Encoding
from dicom_node.datasets.head import read_texts
from dicom_node.datasets.part10 import mapped, read_meta
from dicom_node.errors import HeadUnreadable, MediaUnreadable, NotDicom

#: An image's record has 300 to 500 bytes, and pydicom makes some kilobytes of it.
_LONGEST = 128 << 20
_DIRECTORY_RECORD_SEQUENCE = (0x0004, 0x1220)
_INACTIVE = 0x0000  # PS3.3 F.3.2.2: Record In-use Flag of a record that counts as removed


class Reference(NamedTuple):
    """A file that a media directory names.

    Attributes:
        name: As it stands there, its components joined by slashes.
        path: Where it lies; None where it is not there, or not below the directory.
        why: Why there is none.
    """

    name: str
    path: Path | None
    why: str


def is_media_directory(file: Path) -> bool:
    """Say whether a file is a media directory, whatever its name. Raises OSError."""
    try:
        return read_meta(file).sop_class_uid == MEDIA_STORAGE_DIRECTORY
    except NotDicom:
        return False


def references_of(file: Path) -> list[Reference]:
    """Return the files that a media directory names, each once, in its order. Raises MediaUnreadable, OSError."""
    if file.stat().st_size > _LONGEST:
        raise MediaUnreadable(f"{file}: a DICOMDIR of more than {_LONGEST >> 20} MiB; send the folder instead")
    _require_whole(file)
    try:
        names = list(dict.fromkeys(_file_ids(dcmread(file))))
    except Exception as error:  # pydicom raises anything over a damaged file
        raise MediaUnreadable(
            f"{file}: this DICOMDIR cannot be read ({type(error).__name__}); send the folder instead"
        ) from error
    if not names:
        raise MediaUnreadable(f"{file}: this DICOMDIR names no file; send the folder instead")
    root = file.parent.resolve()
    listings: dict[Path, dict[str, str]] = {}
    return [_located(root, components, listings) for components in names]


def _require_whole(file: Path) -> None:
    """Raise MediaUnreadable where the file breaks off: pydicom would return the records that are left."""
    try:
        with mapped(file) as view, view[read_meta(file).dataset_start :] as dataset:
            read_texts(dataset, Encoding(implicit=False, big_endian=False), last=_DIRECTORY_RECORD_SEQUENCE)
    except (NotDicom, HeadUnreadable) as error:
        raise MediaUnreadable(f"{file}: this DICOMDIR is damaged ({error}); send the folder instead") from error


def _file_ids(directory: Any) -> Iterator[tuple[str, ...]]:
    """Walk the records as they stand in the file; their offsets, which may lead anywhere, are not followed."""
    for record in directory.get("DirectoryRecordSequence") or ():
        file_id = record.get("ReferencedFileID")
        if file_id and record.get("RecordInUseFlag") != _INACTIVE:
            yield (str(file_id),) if isinstance(file_id, str) else tuple(map(str, file_id))


def _located(root: Path, components: tuple[str, ...], listings: dict[Path, dict[str, str]]) -> Reference:
    name = "/".join(components)
    place = root
    for component in components:
        if component in ("", ".", "..") or "/" in component or "\0" in component:
            return Reference(name, None, "the DICOMDIR names a file outside its folder")
        place /= component if (place / component).exists() else _other_case(place, component, listings)
    # A link on the medium may lead out of it.
    if not Path(os.path.realpath(place)).is_relative_to(root):
        return Reference(name, None, "the DICOMDIR names a file outside its folder")
    if not place.is_file():
        return Reference(name, None, "the DICOMDIR names a file that is not there; is the copy of the medium complete?")
    return Reference(name, place, "")


def _other_case(folder: Path, name: str, listings: dict[Path, dict[str, str]]) -> str:
    """Return the name in a folder that differs in case only: copies of discs often have small letters."""
    if folder not in listings:
        entries = folder.iterdir() if folder.is_dir() else ()
        listings[folder] = {entry.name.casefold(): entry.name for entry in entries}
    return listings[folder].get(name.casefold(), name)
