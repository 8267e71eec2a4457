"""The head of a dataset."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.datasets.elements import MOST_ELEMENTS
from dicom_node.datasets.head import read_head
from dicom_node.datasets.modesty import require_modest
from dicom_node.errors import HeadUnreadable
from tests.unit.dicom_node.instances import CT, SERIES, SOP, STUDY, dataset, encode

EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)


def _nested(*, undefined: bool) -> Dataset:
    inner = Dataset()
    inner.StudyInstanceUID = "9.9.9"
    middle = Dataset()
    middle.ReferencedSeriesSequence = Sequence([inner])
    content = dataset()
    content.ReferencedStudySequence = Sequence([middle, middle])
    content["ReferencedStudySequence"].is_undefined_length = undefined
    middle["ReferencedSeriesSequence"].is_undefined_length = undefined
    middle.is_undefined_length_sequence_item = undefined
    inner.is_undefined_length_sequence_item = undefined
    return content


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize(
    ("syntax", "options"),
    [(EXPLICIT, {}), (IMPLICIT, {"implicit": True}), (BIG_ENDIAN, {"big_endian": True})],
)
def test_uids_are_found_in_every_encoding(syntax: str, options: dict[str, bool], *, undefined: bool) -> None:
    """The UIDs are the dataset's own, not those inside its sequences, whatever the encoding and the kind of length."""
    head = read_head(encode(_nested(undefined=undefined), **options), syntax)
    assert (head.sop_class_uid, head.sop_instance_uid) == (CT, SOP)
    assert (head.study_instance_uid, head.series_instance_uid) == (STUDY, SERIES)
    assert not head.own


def test_deflated_datasets_are_inflated() -> None:
    """A deflated dataset gives its UIDs, and only as much of it as a head needs is inflated."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflate.compress(encode(dataset()) + bytes(64 << 20)) + deflate.flush()
    assert read_head(data, DEFLATED).series_instance_uid == SERIES
    with pytest.raises(HeadUnreadable):
        read_head(b"\xff" * 100, DEFLATED)


def test_own_results_are_known_by_their_equipment() -> None:
    """Our name as Manufacturer with Contributing Equipment marks our own; either alone does not."""
    equipment = Sequence([Dataset()])
    own = dataset(Manufacturer="wetread", ContributingEquipmentSequence=equipment)
    assert read_head(encode(own), EXPLICIT).own
    assert not read_head(encode(dataset(Manufacturer="wetread")), EXPLICIT).own
    assert not read_head(encode(dataset(ContributingEquipmentSequence=equipment)), EXPLICIT).own


def test_absent_and_empty_are_told_apart() -> None:
    """An absent UID is None and an empty one is an empty string."""
    head = read_head(encode(dataset(StudyInstanceUID=None, SeriesInstanceUID="")), EXPLICIT)
    assert head.study_instance_uid is None
    assert head.series_instance_uid == ""


def test_deep_nesting_costs_no_stack() -> None:
    """A hundred thousand sequences inside each other end in a named error or a head, not in a crash."""
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(HeadUnreadable):
        read_head(opening * 100_000, EXPLICIT)


def test_truncated_head_is_named() -> None:
    """A dataset that ends before its UIDs is unreadable, by name."""
    with pytest.raises(HeadUnreadable):
        read_head(encode(dataset())[:20], EXPLICIT)


@given(st.binary(max_size=300), st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED]))
def test_random_bytes_give_a_head_or_a_named_error(data: bytes, syntax: str) -> None:
    """Whatever the bytes are, reading them ends in a head or in HeadUnreadable."""
    try:
        read_head(data, syntax)
    except HeadUnreadable:
        return


@given(st.data())
def test_mutated_instances_give_a_head_or_a_named_error(data: st.DataObject) -> None:
    """A real head with any byte changed and any end cut off still ends in a head or in HeadUnreadable."""
    original = bytearray(encode(_nested(undefined=True)))
    original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_head(bytes(original[: data.draw(st.integers(0, len(original)))]), EXPLICIT)
    except HeadUnreadable:
        return


def _empty_items(count: int) -> bytes:
    return b"\xfe\xff\x00\xe0\0\0\0\0" * count


def _sequence(tag: bytes, content: bytes, *, undefined: bool) -> bytes:
    if undefined:
        return tag + b"SQ\0\0\xff\xff\xff\xff" + content + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return tag + b"SQ\0\0" + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_what_would_be_millions_of_objects_is_refused(*, undefined: bool, nested: bool) -> None:
    """Eight bytes an item become a kilobyte in a parser; what nobody looks into, and is not parsed, may be as it is."""
    content = _empty_items(MOST_ELEMENTS + 1)
    if nested:
        inner = _sequence(b"\x40\x00\x30\xa7", content, undefined=undefined)
        content = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
    data = encode(dataset()) + _sequence(b"\x40\x00\x30\xa7", content, undefined=undefined)
    with pytest.raises(HeadUnreadable, match="elements"):
        require_modest(data, EXPLICIT)
    with pytest.raises(HeadUnreadable, match="elements"):
        require_modest(data, EXPLICIT, {(0x0040, 0xA730)})
    if not undefined:
        require_modest(data, EXPLICIT, {(0x0008, 0x0060)})


def test_pixels_and_long_values_that_nobody_looks_into_are_not_looked_at() -> None:
    """A text of megabytes that is wanted is refused."""
    long = b"\x20\x00\x00\x40UT\0\0" + struct.pack("<I", 6_000_000) + b"x" * 6_000_000
    pixels = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + _empty_items(MOST_ELEMENTS + 1)
    data = encode(dataset()) + long + pixels
    require_modest(data, EXPLICIT)
    require_modest(data, EXPLICIT, {(0x0008, 0x0060)})
    with pytest.raises(HeadUnreadable, match="6000000 bytes"):
        require_modest(data, EXPLICIT, {(0x0020, 0x4000)})


def test_a_head_ends_somewhere() -> None:
    """However many elements come before the UIDs, and whatever is inside of one."""
    element = b"\x08\x00\x01\x00LO\0\0"
    with pytest.raises(HeadUnreadable, match="elements come before"):
        read_head(element * (MOST_ELEMENTS + 1), EXPLICIT)
    with pytest.raises(HeadUnreadable, match="elements"):
        read_head(_sequence(b"\x08\x00\x40\x11", _empty_items(MOST_ELEMENTS + 1), undefined=True), EXPLICIT)
