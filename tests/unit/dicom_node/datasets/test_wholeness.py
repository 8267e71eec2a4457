"""Whether a dataset is all there."""

import zlib

import pytest
from pydicom.dataset import Dataset

from dicom_node.datasets.wholeness import is_whole
from tests.unit.dicom_node.instances import dataset, encode

EXPLICIT, IMPLICIT, BIG, DEFLATED, JPEG = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.70",
)
SECOND_ITEM = b"\xfe\xff\x00\xe0\x08\x00\x00\x00encoded!"
ENCAPSULATED = (
    b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00"
    + SECOND_ITEM
    + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
)


def with_a_sequence() -> Dataset:
    """An instance that has a sequence of undefined length."""
    made, item = dataset(), Dataset()
    item.CodeValue = "1"
    made.ReferencedImageSequence = [item]
    made["ReferencedImageSequence"].is_undefined_length = True
    return made


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED, JPEG])
def test_every_cut_is_seen(syntax: str) -> None:
    """Whole is whole in every encoding; what ends inside an element is not, nor is a compressed frame without end."""
    data = encode(with_a_sequence(), implicit=syntax == IMPLICIT, big_endian=syntax == BIG)
    if syntax == JPEG:
        data += ENCAPSULATED
    if syntax == DEFLATED:
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = compressor.compress(data) + compressor.flush()
    assert is_whole(data, syntax)
    between = {0}
    if syntax not in (DEFLATED, JPEG):
        between |= {length for length in range(len(data)) if is_whole(data[:length], syntax)}
    assert len(between) < 12, "only the places between elements look whole"
    for length in range(1, len(data)):
        if length not in between and syntax != JPEG:
            assert not is_whole(data[:length], syntax), length
    if syntax == JPEG:
        for length in range(len(data) - len(ENCAPSULATED) + 1, len(data)):
            assert not is_whole(data[:length], syntax), length


def test_nonsense_is_not_whole() -> None:
    """Zeros, as a file has them whose blocks never reached the disk."""
    assert not is_whole(bytes(4096), EXPLICIT)
    assert not is_whole(b"\xff" * 100, DEFLATED)
