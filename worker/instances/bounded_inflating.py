"""Headers read with a bound: what is deflated (PS3.5 A.5), or has millions of items, may claim any amount of memory."""

import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from dicom_node.datasets.modesty import require_modest
from dicom_node.datasets.part10 import FileMeta, mapped, read_meta

#: More than the header of any object needs.
HEADER_BYTES = 16 << 20
_PIXEL_DATA_GROUP = 0x7FE0


def is_deflated(meta: FileMeta) -> bool:
    """Say whether the file's dataset is deflated."""
    return bool(meta.transfer_syntax_uid == DeflatedExplicitVRLittleEndian)


def inflates_within(data: bytes, start: int, limit: int) -> bool:
    """Say whether the dataset from byte ``start`` on inflates to at most ``limit`` bytes. Raises zlib.error."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    rest = data[start:]
    size = 0
    while rest and size <= limit:
        size += len(inflating.decompress(rest, 1 << 20))
        rest = inflating.unconsumed_tail
    return size <= limit


def read_header(file: Path, tags: Sequence[str | int] | None = None) -> Any:
    """Read these elements (all, where left out) before the pixels, at most `HEADER_BYTES` of what inflates.

    Raises NodeError, also for what has too many elements, pydicom's and zlib's errors, EOFError for a deflated header
    that does not end within them.
    """
    meta = read_meta(file)
    wanted = None if tags is None else {(tag.group, tag.element) for tag in map(Tag, tags)}
    if not is_deflated(meta):
        with mapped(file) as view, view[meta.dataset_start :] as dataset:
            require_modest(dataset, meta.transfer_syntax_uid, wanted)
        return dcmread(file, stop_before_pixels=True, specific_tags=None if tags is None else list(tags))
    header = _deflated_header(file, meta.dataset_start, tags, wanted)
    header.file_meta = read_file_meta_info(file)
    return header


def _deflated_header(
    file: Path, start: int, tags: Sequence[str | int] | None, wanted: set[tuple[int, int]] | None
) -> Any:
    with file.open("rb") as stream:
        stream.seek(start)
        head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.read(HEADER_BYTES), HEADER_BYTES)
    require_modest(head, ExplicitVRLittleEndian, wanted)
    at_pixels = False

    def stop(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal at_pixels
        at_pixels = tag >> 16 >= _PIXEL_DATA_GROUP
        return at_pixels

    header = read_dataset(
        BytesIO(head),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=stop,
        specific_tags=None if tags is None else [Tag(tag) for tag in tags],
    )
    if not at_pixels and len(head) == HEADER_BYTES:
        raise EOFError(f"the header is longer than {HEADER_BYTES} bytes")
    return header
