"""A value told from its bytes is the one that pydicom tells, or is pydicom's own."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from worker.instances.plain_values import value_of

PYDICOMS = Path(get_testdata_file("CT_small.dcm") or "").parent

#: One attribute of each VR that is told here, and one that is pydicom's.
_KEYWORDS = {
    "Rows": "US",
    "AcquisitionNumber": "IS",
    "RescaleSlope": "DS",
    "PhotometricInterpretation": "CS",
    "SOPInstanceUID": "UI",
    "DiffusionBValue": "FD",
}
_MANY = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel", "NumberOfFrames",
         "PhotometricInterpretation", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID",
         "RescaleSlope", "RescaleIntercept", "SliceThickness", "EchoTime", "EchoNumbers", "AcquisitionNumber",
         "TriggerTime", "DiffusionBValue", "ModalityLUTSequence")  # fmt: skip


def told(ask: Callable[[], Any]) -> Any:
    """Return what is told, without pydicom's types, or that it is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = ask()
        except PARSE_ERRORS as error:
            return type(error)
    if value is None or value == "":
        return None
    if isinstance(value, MultiValue):
        return list(value)
    plain = next((kind for kind in (int, float, str) if isinstance(value, kind)), list)
    return plain(value)


def raw(keyword: str, value: bytes, *, implicit: bool, little: bool = True) -> Dataset:
    """Return a dataset with a value as it was read, before anybody asked for it."""
    tag = Tag(keyword)
    representation = None if implicit else _KEYWORDS[keyword]
    return Dataset({tag: RawDataElement(tag, representation, len(value), value, 0, implicit, little)})


plausible = st.one_of(
    st.binary(max_size=20),
    st.from_regex(rb"[ +\-]?[0-9]{0,12}\.?[0-9]{0,6}([eE][+\-]?[0-9]{1,3})?[ \0]{0,2}", fullmatch=True),
    st.from_regex(rb"[A-Z0-9_. \\]{0,20}[ \0]{0,2}", fullmatch=True),
)


@given(keyword=st.sampled_from(sorted(_KEYWORDS)), value=plausible, encoding=st.tuples(st.booleans(), st.booleans()))
def test_whatever_the_bytes_pydicom_says_the_same(keyword: str, value: bytes, encoding: tuple[bool, bool]) -> None:
    """Numbers, codes and UIDs, well formed or not: the same value, or the same refusal."""
    implicit, little = encoding
    dataset = raw(keyword, value, implicit=implicit, little=little)
    ours = told(partial(value_of, deepcopy(dataset), keyword))
    assert ours == told(partial(dataset.get, keyword))


def test_pydicoms_own_files_say_the_same() -> None:
    """Real headers, explicit and implicit, big-endian ones too."""
    compared = 0
    for file in sorted(PYDICOMS.rglob("*.dcm")):
        try:
            ours, theirs = (dcmread(file, stop_before_pixels=True) for _ in range(2))
        except PARSE_ERRORS:
            continue
        for keyword in _MANY:
            mine, pydicoms = told(partial(value_of, ours, keyword)), told(partial(theirs.get, keyword))
            assert mine == pydicoms, (file.name, keyword)
        compared += 1
    assert compared > 50


def test_a_plain_value_stays_raw() -> None:
    """Nothing is made of what is told from bytes; else nothing would be gained."""
    dataset = raw("Rows", b"\x00\x02", implicit=False)
    assert value_of(dataset, "Rows") == 512
    assert isinstance(dataset.get_item(Tag("Rows")), RawDataElement)


def test_a_value_that_was_set_is_told() -> None:
    """Datasets made here have no bytes."""
    dataset = Dataset()
    dataset.Rows = 7
    assert value_of(dataset, "Rows") == 7
    assert value_of(dataset, "Columns") is None


def test_a_number_is_one_text_in_every_order_of_bytes() -> None:
    """Pydicom writes a Decimal String as it came; two files of one image would differ in what they say of it."""
    little, big = (raw("RescaleSlope", b"22.0000 ", implicit=False, little=order) for order in (True, False))
    assert str(value_of(little, "RescaleSlope")) == str(value_of(big, "RescaleSlope")) == "22.0"
    assert type(value_of(raw("AcquisitionNumber", b"7 ", implicit=False, little=False), "AcquisitionNumber")) is int
