"""DICOM files (PS3.10): our file meta information before a dataset that stays as it is, and other people's read."""

import functools
import hashlib
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_node.contexts import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    PRIVATE_INFORMATION_CREATOR_UID,
)
from dicom_node.datasets.elements import Encoding, Tag, read_element
from dicom_node.datasets.head import Head, read_head
from dicom_node.errors import HeadUnreadable, MetaUnreadable, NotDicom
from dicom_node.study import Requested

_PREAMBLE = bytes(128) + b"DICM"
_META = 0x0002
_EXPLICIT = Encoding(implicit=False, big_endian=False)
_SOP_CLASS_UID: Tag = (_META, 0x0002)
_SOP_INSTANCE_UID: Tag = (_META, 0x0003)
_TRANSFER_SYNTAX_UID: Tag = (_META, 0x0010)
_SOURCE_AE_TITLE: Tag = (_META, 0x0016)
_RECEIVING_AE_TITLE: Tag = (_META, 0x0018)
_PRIVATE_CREATOR: Tag = (_META, 0x0100)
_PRIVATE: Tag = (_META, 0x0102)
#: All but one of an instance's are those of the one before.
_REMEMBERED_ELEMENTS = 512


@dataclass(frozen=True, kw_only=True)
class FileMeta:
    """A file's meta information.

    Attributes:
        file: Where it lies.
        sop_class_uid: (0002,0002).
        sop_instance_uid: (0002,0003).
        transfer_syntax_uid: (0002,0010).
        source_ae_title: (0002,0016), empty where absent.
        receiving_ae_title: (0002,0018), empty where absent.
        requested: Priority of the request that brought it, where we received it.
        dataset_start: Byte at which the dataset begins.
        size_bytes: Of the file.
        corrected: Whether the UIDs are the dataset's, because the file's meta information has others, or is not there.
    """

    file: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    source_ae_title: str
    dataset_start: int
    size_bytes: int
    corrected: bool = False
    receiving_ae_title: str = ""
    requested: Requested = Requested.MEDIUM


def encode_meta(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    calling_ae_title: str,
    called_ae_title: str,
    requested: Requested = Requested.MEDIUM,
) -> bytes:
    """Return preamble and file meta information (PS3.10 7.1) for a dataset that came over an association.

    A priority that is not the usual one is kept as Private Information (0002,0102), so that it survives a crash.
    """
    elements = b"".join(
        (
            struct.pack("<HH2sHI2s", _META, 0x0001, b"OB", 0, 2, b"\0\1"),
            _encode(0x0002, b"UI", sop_class_uid),
            _encode(0x0003, b"UI", sop_instance_uid),
            _encode(0x0010, b"UI", transfer_syntax_uid),
            _encode(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _encode(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _encode(0x0016, b"AE", calling_ae_title),
            _encode(0x0017, b"AE", calling_ae_title),
            _encode(0x0018, b"AE", called_ae_title),
            *([] if requested is Requested.MEDIUM else _private(requested)),
        )
    )
    return _PREAMBLE + struct.pack("<HH2sHI", _META, 0x0000, b"UL", 4, len(elements)) + elements


@functools.lru_cache(maxsize=_REMEMBERED_ELEMENTS)
def _encode(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", _META, number, vr, len(value)) + value


def _private(requested: Requested) -> list[bytes]:
    value = struct.pack("<H", requested)
    return [
        _encode(0x0100, b"UI", PRIVATE_INFORMATION_CREATOR_UID),
        struct.pack("<HH2sHI", _META, 0x0102, b"OB", 0, len(value)) + value,
    ]


@contextmanager
def mapped(file: Path) -> Iterator[memoryview]:
    """Give a file's bytes without reading them all. Raises NotDicom when it is empty, OSError."""
    with file.open("rb") as stream:
        try:
            mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise NotDicom(f"{file}: is empty") from error
        with mapping, memoryview(mapping) as view:
            yield view


def read_meta(file: Path) -> FileMeta:
    """Read a file's meta information. Raises NotDicom, OSError."""
    with mapped(file) as view:
        return meta_in(file, view)


def read_file_head(file: Path) -> tuple[FileMeta, Head]:
    """Read a file's meta information and the head of its dataset. Raises NotDicom, HeadUnreadable, OSError."""
    with mapped(file) as view:
        meta = meta_in(file, view)
        with view[meta.dataset_start :] as dataset:
            return meta, read_head(dataset, meta.transfer_syntax_uid)


def dataset_digest(file: Path) -> str:
    """Return the SHA-256 of a file's dataset, hex. Raises NotDicom, OSError."""
    with mapped(file) as view, view[meta_in(file, view).dataset_start :] as dataset:
        return hashlib.sha256(dataset).hexdigest()


def meta_in(file: Path, view: memoryview) -> FileMeta:
    """Read the meta information of a file whose bytes, or first bytes, are here already. Raises NotDicom."""
    if bytes(view[128:132]) != b"DICM":
        raise NotDicom(f"{file}: no DICM at byte 128; is it a DICOM file (PS3.10)?")
    values: dict[Tag, str] = {}
    position = len(_PREAMBLE)
    try:
        while position < len(view):
            element = read_element(view, position, _EXPLICIT)
            if element.tag[0] != _META:
                break
            end = element.start + (element.length or 0)
            values[element.tag] = bytes(view[element.start : end]).decode("latin-1").rstrip(" \0")
            position = end
    except HeadUnreadable as error:
        # The dataset's own first element may be implicit; the meta information ends before it all the same.
        if not _dataset_begins(view, position):
            raise MetaUnreadable(f"{file}: its meta information cannot be read ({error})") from error
    missing = [tag for tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID, _TRANSFER_SYNTAX_UID) if not values.get(tag)]
    if missing:
        names = ", ".join(f"({group:04X},{number:04X})" for group, number in missing)
        raise MetaUnreadable(f"{file}: its meta information lacks {names}; write the file anew with a DICOM tool")
    return FileMeta(
        file=file,
        sop_class_uid=values[_SOP_CLASS_UID],
        sop_instance_uid=values[_SOP_INSTANCE_UID],
        transfer_syntax_uid=values[_TRANSFER_SYNTAX_UID],
        source_ae_title=values.get(_SOURCE_AE_TITLE, ""),
        dataset_start=position,
        size_bytes=len(view),
        receiving_ae_title=values.get(_RECEIVING_AE_TITLE, ""),
        requested=_requested(values),
    )


def _requested(values: dict[Tag, str]) -> Requested:
    if values.get(_PRIVATE_CREATOR) != PRIVATE_INFORMATION_CREATOR_UID:
        return Requested.MEDIUM
    return Requested.of(int.from_bytes(values.get(_PRIVATE, "").encode("latin-1"), "little"))


def _dataset_begins(view: memoryview, position: int) -> bool:
    return bytes(view[position : position + 2]) != struct.pack("<H", _META)
