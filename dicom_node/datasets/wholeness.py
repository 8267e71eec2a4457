"""Whether a dataset is all there: its elements end where its bytes do. A file that was not synced may have been cut."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dicom_node.datasets.elements import Buffer, Tag, encoding_of, read_element, skip_undefined
from dicom_node.datasets.head import is_deflated
from dicom_node.datasets.part10 import FileMeta, mapped
from dicom_node.errors import HeadUnreadable

_PIECE = 1 << 20
_PIXEL_DATA: Tag = (0x7FE0, 0x0010)


def is_whole(dataset: Buffer, transfer_syntax_uid: str) -> bool:
    """Say whether the last element ends with the last byte; nothing is said of what is in them."""
    if is_deflated(transfer_syntax_uid):
        return _inflates_to_its_end(dataset)
    encoding = encoding_of(transfer_syntax_uid)
    position = 0
    try:
        while position < len(dataset):
            element = read_element(dataset, position, encoding)
            if element.length is None:
                position = skip_undefined(dataset, element, encoding)
            else:
                position = element.start + element.length
    except HeadUnreadable:
        return False
    return position == len(dataset)


def begins(dataset: Buffer, other: memoryview, transfer_syntax_uid: str) -> bool:
    """Say whether a dataset is the other's beginning up to an element that is its pixels, or comes before them.

    So a cut leaves it that falls between two elements. What somebody adds behind the pixels (a signature, padding)
    makes another version.
    """
    length = len(dataset)
    if is_deflated(transfer_syntax_uid) or length >= len(other) or other[:length] != dataset:
        return False
    try:
        return read_element(other, length, encoding_of(transfer_syntax_uid)).tag <= _PIXEL_DATA
    except HeadUnreadable:
        return False


def require_whole(file: str, path: Path, meta: FileMeta) -> None:
    """Raise HeadUnreadable, naming the spool's file, for one whose dataset is cut short. Raises NotDicom, OSError."""
    with mapped(path) as view, view[meta.dataset_start :] as dataset:
        if not is_whole(dataset, meta.transfer_syntax_uid):
            raise HeadUnreadable(f"{file}: cut short; a power cut before it was synced (node.fsync)?")


@dataclass(kw_only=True)
class Again:
    """An instance that has come again: what the kept file of its name is measured by.

    Attributes:
        dataset: Its bytes.
        transfer_syntax_uid: How they are encoded.
    """

    dataset: memoryview
    transfer_syntax_uid: str

    @cached_property
    def whole(self) -> bool:
        """Whether it is whole itself; else nothing says that the one which is here is worse."""
        return is_whole(self.dataset, self.transfer_syntax_uid)

    def require_no_torso(self, file: str, path: Path, meta: FileMeta) -> None:
        """Raise HeadUnreadable, naming the spool's file, for one that is cut short. Raises NotDicom, OSError."""
        if not self.whole:
            return
        require_whole(file, path, meta)
        if meta.transfer_syntax_uid == self.transfer_syntax_uid:
            with mapped(path) as view, view[meta.dataset_start :] as dataset:
                if begins(dataset, self.dataset, self.transfer_syntax_uid):
                    raise HeadUnreadable(f"{file}: only the beginning of what its sender has sent again")


def _inflates_to_its_end(dataset: Buffer) -> bool:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    view = memoryview(dataset)
    try:
        for start in range(0, len(view), _PIECE):
            rest: Buffer = view[start : start + _PIECE]
            while rest and not inflating.eof:
                inflating.decompress(rest, _PIECE)
                rest = inflating.unconsumed_tail
    except zlib.error:
        return False
    return inflating.eof
