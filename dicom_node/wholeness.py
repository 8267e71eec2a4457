"""Whether a dataset is all there: its elements end where its bytes do. A file that was not synced may have been cut."""

import zlib
from pathlib import Path

from dicom_node.elements import Buffer, encoding_of, read_element, skip_undefined
from dicom_node.errors import HeadUnreadable
from dicom_node.head import is_deflated
from dicom_node.part10 import FileMeta, mapped

_PIECE = 1 << 20


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


def require_whole(file: str, path: Path, meta: FileMeta) -> None:
    """Raise HeadUnreadable, naming the spool's file, for one whose dataset is cut short. Raises NotDicom, OSError."""
    with mapped(path) as view, view[meta.dataset_start :] as dataset:
        if not is_whole(dataset, meta.transfer_syntax_uid):
            raise HeadUnreadable(f"{file}: cut short; a power cut before it was synced (node.fsync)?")


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
