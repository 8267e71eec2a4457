"""The head of a dataset."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.errors import HeadUnreadable
from dicom_node.head import read_head
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
