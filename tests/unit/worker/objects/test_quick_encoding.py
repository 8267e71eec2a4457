"""Elements written fast are the bytes that pydicom writes."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from worker.objects.quick_encoding import encoded_element, encoded_item

_UTF8 = ["utf_8"]

decimals = st.floats(min_value=-1e6, max_value=1e6).map(lambda number: f"{number:.6g}")
texts = st.text(st.characters(codec="ascii", exclude_characters="\\", categories=["L", "Nd"]), max_size=12)
#: Keyword to values that a dataset may hold of it: of every VR that is written fast, and of some that are not.
_VALUES = {
    "ReferencedSOPInstanceUID": st.sampled_from(["1.2.3", "1.2.34", ""]),
    "CodeValue": texts,
    "CodeMeaning": st.one_of(texts, st.just("Müller")),
    "FrameType": st.lists(st.sampled_from(["DERIVED", "PRIMARY", "M"]), min_size=1, max_size=4),
    "ImagePositionPatient": st.lists(decimals, min_size=3, max_size=3),
    "SliceThickness": st.one_of(decimals, st.none()),
    "ReferencedFrameNumber": st.one_of(st.integers(1, 999), st.lists(st.integers(1, 999), min_size=1, max_size=3)),
    "ReferencedSegmentNumber": st.integers(0, 65535),
    "DimensionIndexValues": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4),
    "RealWorldValueSlope": st.floats(allow_nan=False, allow_infinity=False),
    "PatientName": st.just("Müller^Jürgen"),
    "TextValue": texts,
    "ICCProfile": st.just(b"\x00\x01"),
}


@st.composite
def items(draw: st.DrawFn, deep: int = 2) -> Dataset:
    """Draw an item with some attributes, and items within it."""
    item = Dataset()
    for keyword in draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=5, unique=True)):
        setattr(item, keyword, draw(_VALUES[keyword]))
    if deep:
        item.DerivationImageSequence = draw(st.lists(items(deep - 1), max_size=2))
    return item


def by_pydicom(element: DataElement) -> bytes:
    """Write an element with pydicom alone."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_data_element(buffer, element, _UTF8)
    return bytes(buffer.getvalue())


@given(st.lists(items(), max_size=3))
def test_any_sequence_is_pydicoms_own_bytes(drawn: list[Dataset]) -> None:
    """Whatever VRs, values, and sequences within sequences."""
    element = DataElement(Tag("DerivationImageSequence"), "SQ", Sequence(drawn))
    assert encoded_element(element, _UTF8) == by_pydicom(element)


def test_what_is_too_long_for_a_short_length_is_pydicoms() -> None:
    """65 kB of numbers do not fit; pydicom says UN and writes them."""
    element = DataElement(Tag("DimensionIndexValues"), "UL", [1] * 20_000)
    assert encoded_element(element, _UTF8) == by_pydicom(element)


def test_a_sequence_may_be_longer_than_a_short_length() -> None:
    """Hundreds of items are the rule."""
    many = []
    for number in range(3000):
        item = Dataset()
        item.ReferencedSOPInstanceUID = f"1.2.826.0.{number}"
        many.append(item)
    element = DataElement(Tag("DerivationImageSequence"), "SQ", Sequence(many))
    assert encoded_element(element, _UTF8) == by_pydicom(element)
    assert len(encoded_element(element, _UTF8)) > 65535


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ReferencedSegmentNumber", np.uint16(4)),
        ("DimensionIndexValues", np.int64(7)),
        ("DimensionIndexValues", [np.int64(7), np.int64(8)]),
        ("RealWorldValueSlope", np.float32(0.5)),
        ("RealWorldValueSlope", Decimal("0.5")),
        ("PerFrameFunctionalGroupsSequence", []),
    ],
)
def test_numbers_of_any_type_are_pydicoms_own_bytes(keyword: str, value: object) -> None:
    """Frames are counted with numpy, whose integers are not Python's."""
    item = Dataset()
    setattr(item, keyword, value)
    element = DataElement(Tag("DerivationImageSequence"), "SQ", Sequence([item]))
    assert encoded_element(element, _UTF8) == by_pydicom(element)


@pytest.mark.parametrize("value", [65536, -1, "3", b"ab", 1.5])
def test_what_is_no_number_of_its_vr_is_refused_by_pydicom(value: object) -> None:
    """With its error, which names the attribute."""
    element = DataElement(Tag("ReferencedSegmentNumber"), "US", value)
    with pytest.raises(OSError, match="Referenced Segment Number"):
        encoded_element(element, _UTF8)


def test_a_group_length_within_an_item_is_left_out() -> None:
    """As pydicom leaves it out (PS3.5 7.2: retired); an item that a source gave may hold one, of a length that was."""
    item = Dataset()
    item.add_new(0x00200000, "UL", 999)
    item.ImagePositionPatient = ["1", "2", "3"]
    element = DataElement(Tag("PlanePositionSequence"), "SQ", Sequence([item]))
    assert encoded_element(element, _UTF8) == by_pydicom(element)


def test_an_item_has_its_length() -> None:
    """PS3.5 7.5.1."""
    assert encoded_item([b"ab", b"cd"]) == b"\xfe\xff\x00\xe0\x04\x00\x00\x00abcd"
