"""The same instance in another encoding is the same instance."""

import struct
import tracemalloc
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_node.spooling.reencoding import same_when_reencoded
from dicom_node.spooling.spool import Spool
from dicom_node.study import Arrival
from tests.unit.dicom_node.instances import dataset, encode, incoming

IMPLICIT = str(ImplicitVRLittleEndian)


def rich(**values: object) -> Dataset:
    """Return an instance with a nested sequence, a private element and pixels."""
    item = Dataset()
    item.CodeValue = "1"
    inner = Dataset()
    inner.TextValue = "deep"
    item.ContentSequence = [inner]
    content = dataset(
        **{"Rows": 2, "Columns": 2, "BitsAllocated": 16, "PixelData": bytes(range(8)), **values},
        ReferencedImageSequence=[item],
    )
    content["PixelData"].VR = "OW"
    block = content.private_block(0x0029, "somebody's", create=True)
    block.add_new(0x10, "UN", b"\1\2\3\4")
    return content


def arrivals(spool: Spool, first: Dataset, second: Dataset) -> list[Arrival]:
    """Store one instance in explicit and one in implicit encoding."""
    return [
        spool.store(*incoming(encode(first))).arrival,
        spool.store(*incoming(encode(second, implicit=True), transfer_syntax_uid=IMPLICIT)).arrival,
    ]


def test_another_encoding_is_the_same_again(tmp_path: Path) -> None:
    """Sent explicit by one program and implicit by another, an instance is kept once, as it came first."""
    spool = Spool(tmp_path)
    assert arrivals(spool, rich(), rich()) == [Arrival.NEW, Arrival.SAME]
    assert len(list(tmp_path.rglob("*.dcm"))) == 1


@pytest.mark.parametrize(
    "changed",
    [rich(PatientID="another"), rich(SeriesDescription="more"), dataset()],
    ids=["value", "element", "without pixels"],
)
def test_other_values_are_a_variant(tmp_path: Path, changed: Dataset) -> None:
    """A difference in any value, element or pixel keeps both."""
    assert arrivals(Spool(tmp_path), rich(), changed) == [Arrival.NEW, Arrival.VARIANT]


@pytest.mark.parametrize("at", [0, 3 << 20, -1], ids=str)
def test_a_difference_in_one_pixel_is_a_variant(tmp_path: Path, at: int) -> None:
    """Wherever it is in them."""
    pixels = bytearray(5 << 20)
    first = rich(PixelData=bytes(pixels))
    pixels[at] = 1
    assert arrivals(Spool(tmp_path), first, rich(PixelData=bytes(pixels))) == [Arrival.NEW, Arrival.VARIANT]


@pytest.mark.parametrize("changed", [False, True], ids=["the same", "changed"])
def test_what_is_behind_the_pixels_is_compared(tmp_path: Path, changed: bool) -> None:  # noqa: FBT001 - a parameter
    """Few write anything there."""
    behind = [dataset(), dataset()]
    for number, content in enumerate(behind):
        content.add_new(0x7FE00010, "OW", bytes(8))
        content.add_new(0x7FE10010, "LO", f"somebody {number * changed}")
    assert arrivals(Spool(tmp_path), *behind) == [Arrival.NEW, Arrival.VARIANT if changed else Arrival.SAME]


def test_pixels_are_not_loaded(tmp_path: Path) -> None:
    """A large instance that comes again costs its head, and a piece of the pixels at a time."""
    spool = Spool(tmp_path)
    content = rich(PixelData=bytes(32 << 20))
    explicit, implicit = incoming(encode(content)), encode(content, implicit=True)
    stored = spool.store(*explicit)
    tracemalloc.start()
    try:
        assert same_when_reencoded(spool.root / stored.file, implicit, IMPLICIT)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 << 20


def test_a_difference_deep_in_a_sequence_is_a_variant(tmp_path: Path) -> None:
    """Sequences are compared down to their last item."""
    changed = rich()
    changed.ReferencedImageSequence[0].ContentSequence[0].TextValue = "deeper"
    assert arrivals(Spool(tmp_path), rich(), changed) == [Arrival.NEW, Arrival.VARIANT]


def test_big_endian_is_kept_as_it_came(tmp_path: Path) -> None:
    """Swapped bytes are not compared: both are kept."""
    spool = Spool(tmp_path)
    spool.store(*incoming(encode(dataset())))
    swapped = incoming(encode(dataset(), big_endian=True), transfer_syntax_uid=str(ExplicitVRBigEndian))
    assert spool.store(*swapped).arrival is Arrival.VARIANT


def test_what_cannot_be_parsed_is_a_variant(tmp_path: Path) -> None:
    """Bytes that end in the middle of an element are not the same as anything."""
    spool = Spool(tmp_path)
    spool.store(*incoming(encode(rich())))
    broken = encode(rich(), implicit=True)[:-3]
    assert spool.store(*incoming(broken, transfer_syntax_uid=IMPLICIT)).arrival is Arrival.VARIANT


@pytest.mark.parametrize("ending", ["081140115351000000ffffffff", "feff00e0ffffffff", "290010105351"], ids=str)
def test_bytes_that_break_off_are_not_the_same_and_no_fault_of_the_disk(tmp_path: Path, ending: str) -> None:
    """The parser calls them an error of the system; the instance is kept beside the other, and the disk is trusted."""
    spool = Spool(tmp_path)
    spool.store(*incoming(encode(rich())))
    broken = encode(dataset(), implicit=True) + b"\x08\x00\x40\x11\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    broken += bytes.fromhex(ending)
    assert spool.store(*incoming(broken, transfer_syntax_uid=IMPLICIT)).arrival is Arrival.VARIANT
    spool.require_room()


@pytest.mark.parametrize("number", [b"1e400 ", b"inf ", b"-1e99999999 "], ids=repr)
def test_a_number_that_is_none_is_a_variant(tmp_path: Path, number: bytes) -> None:
    """Instance Number, an integer string: the parser trips over it, and the instance is kept."""
    spool = Spool(tmp_path)
    explicit = encode(dataset()) + struct.pack("<HH2sH", 0x0020, 0x0013, b"IS", len(number)) + number
    implicit = encode(dataset(), implicit=True) + struct.pack("<HHI", 0x0020, 0x0013, len(number)) + number
    assert spool.store(*incoming(explicit)).arrival is Arrival.NEW
    assert spool.store(*incoming(implicit, transfer_syntax_uid=IMPLICIT)).arrival is Arrival.VARIANT
