"""A few values of a dataset and of its sequences, whoever wrote it, and HeadUnreadable for anything else."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.datasets.elements import Encoding
from dicom_node.datasets.wanted_elements import Item, Wanted, read_wanted
from dicom_node.errors import HeadUnreadable
from tests.unit.dicom_node.instances import encode

EXPLICIT, IMPLICIT = Encoding(implicit=False, big_endian=False), Encoding(implicit=True, big_endian=False)
TRANSACTION, SEQUENCE, SOP_CLASS, INSTANCE = (0x0008, 0x1195), (0x0008, 0x1199), (0x0008, 0x1150), (0x0008, 0x1155)
WANTED: Wanted = {TRANSACTION: None, SEQUENCE: {INSTANCE: None}}

uids = st.lists(st.integers(0, 10**9), min_size=1, max_size=5).map(lambda parts: ".".join(map(str, parts)))


def request(instances: list[str], *, undefined: bool = False, transaction: str = "1.2.3") -> Dataset:
    """Return a dataset with a patient, a sequence that is wanted and one that is not."""
    result = Dataset()
    result.PatientName = "Canary^Bird"
    result.TransactionUID = transaction
    for keyword in ("ReferencedSOPSequence", "RequestAttributesSequence"):
        items = []
        for uid in instances:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2", uid
            item.is_undefined_length_sequence_item = undefined
            items.append(item)
        setattr(result, keyword, items)
        result[keyword].is_undefined_length = undefined
    return result


def instances_of(item: Item) -> list[str]:
    """Return what the sequence refers to."""
    return [each.texts[INSTANCE] for each in item.sequences[SEQUENCE]]


@given(st.lists(uids, max_size=6), st.booleans(), st.booleans())
def test_what_others_write_is_read(instances: list[str], implicit: bool, undefined: bool) -> None:  # noqa: FBT001
    """In both encodings, with defined and undefined lengths; what is not wanted is not there."""
    data = encode(request(instances, undefined=undefined), implicit=implicit)
    found = read_wanted(memoryview(data), IMPLICIT if implicit else EXPLICIT, WANTED)
    assert (found.texts, instances_of(found)) == ({TRANSACTION: "1.2.3"}, instances)
    assert all(set(each.texts) == {INSTANCE} for each in found.sequences[SEQUENCE])


def test_a_sequence_that_came_as_unknown_is_read_as_implicit() -> None:
    """PS3.5 6.2.2: who did not know the sequence sent it as UN, and everything in it implicit."""
    inner = encode(request(["1.2.9"]), implicit=True)
    start = inner.index(struct.pack("<HH", *SEQUENCE))
    (length,) = struct.unpack_from("<I", inner, start + 4)
    data = struct.pack("<HH2sHI", *SEQUENCE, b"UN", 0, length) + inner[start + 8 : start + 8 + length]
    assert instances_of(read_wanted(memoryview(data), EXPLICIT, WANTED)) == ["1.2.9"]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, implicit: bool) -> None:  # noqa: FBT001
    """Nothing else is raised, whatever comes."""
    try:
        read_wanted(memoryview(data), IMPLICIT if implicit else EXPLICIT, WANTED)
    except HeadUnreadable:
        return


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4), st.booleans())
def test_a_dataset_that_was_damaged_is_read_or_refused(at: int, damage: bytes, undefined: bool) -> None:  # noqa: FBT001
    """The same for what begins as a right one."""
    data = bytearray(encode(request(["1.2.9", "1.2.10"], undefined=undefined)))
    at %= len(data)
    data[at : at + len(damage)] = damage
    try:
        read_wanted(memoryview(bytes(data)), EXPLICIT, WANTED)
    except HeadUnreadable:
        return


@pytest.mark.parametrize("undefined", [False, True])
def test_a_dataset_that_breaks_off_is_refused(undefined: bool) -> None:  # noqa: FBT001
    """Wherever it does inside the last sequence: half a list is no list."""
    wanted: Wanted = {(0x0040, 0x0275): {INSTANCE: None}}
    data = encode(request(["1.2.9", "1.2.10"], undefined=undefined))
    start = data.index(struct.pack("<HH", 0x0040, 0x0275)) + 1
    for end in range(start, len(data)):
        with pytest.raises(HeadUnreadable):
            read_wanted(memoryview(data[:end]), EXPLICIT, wanted)


def test_depth_and_number_are_bounded() -> None:
    """Sequences in each other are stepped over without a stack; more items than anybody has are refused."""
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    deep = (sequence + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)) * 20_000
    with pytest.raises(HeadUnreadable):
        read_wanted(memoryview(deep), EXPLICIT, WANTED)
    many = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 70_000
    data = struct.pack("<HH2sHI", *SEQUENCE, b"SQ", 0, len(many)) + many
    with pytest.raises(HeadUnreadable, match="more than"):
        read_wanted(memoryview(data), EXPLICIT, WANTED)


def test_what_is_there_twice_or_no_sequence_is_refused() -> None:
    """Which of two values counts nobody can say; a text where items are wanted has none."""
    data = encode(request(["1.2"]))
    with pytest.raises(HeadUnreadable, match="twice"):
        read_wanted(memoryview(data + data), EXPLICIT, WANTED)
    with pytest.raises(HeadUnreadable, match="sequence"):
        read_wanted(memoryview(data), EXPLICIT, {TRANSACTION: {INSTANCE: None}})
