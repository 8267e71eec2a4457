"""A header parsed quickly is the one that pydicom parses, or is left to it."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.datasets.part10 import FileMeta, meta_in, read_meta
from dicom_node.errors import NodeError
from worker.instances.quick_parsing import quickly_parsed
from worker.testing import write_mr_series

PYDICOMS = Path(pydicom.data.get_testdata_file("CT_small.dcm") or "").parent


def quick(data: bytes, meta: FileMeta) -> Any:
    """Parse what is of the plain kind."""
    return quickly_parsed(data, meta.dataset_start, meta.transfer_syntax_uid)


def assert_same(found: Any, wanted: Any) -> None:
    """Every value, those in sequences too, the meta information, and how text is to be read."""
    assert found == wanted
    assert found.file_meta == wanted.file_meta
    assert found.original_encoding == wanted.original_encoding
    assert found.original_character_set == wanted.original_character_set


@pytest.mark.filterwarnings("ignore")  # pydicom's, about its own odd files
def test_it_finds_what_pydicom_finds_in_files_of_many_makers() -> None:
    """All files that come with pydicom: implicit, explicit, compressed, enhanced, reports, character sets."""
    compared = 0
    for file in sorted(file for file in PYDICOMS.rglob("*") if file.is_file()):
        try:
            meta = read_meta(file)
        except NodeError:
            continue
        found = quick(file.read_bytes(), meta)
        if found is not None:
            assert_same(found, pydicom.dcmread(file))
            compared += 1
    assert compared > 50


def test_what_is_out_of_the_ordinary_is_left_to_pydicom() -> None:
    """Big endian, deflated, and cut files."""
    for name in ("MR_small_bigendian.dcm", "image_dfl.dcm", "rtplan_truncated.dcm"):
        file = Path(pydicom.data.get_testdata_file(name) or "")
        assert quick(file.read_bytes(), read_meta(file)) is None, name


def test_compressed_pixels_that_state_a_length_are_left_to_pydicom() -> None:
    """Theirs is undefined (PS3.5 A.4); and what is uncompressed is not copied."""
    file = Path(pydicom.data.get_testdata_file("CT_small.dcm") or "")
    data, meta = file.read_bytes(), read_meta(file)
    assert isinstance(quick(data, meta).PixelData, memoryview)
    assert quickly_parsed(data, meta.dataset_start, "1.2.840.10008.1.2.4.70") is None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One file with sequences of defined and undefined length before its pixels."""
    (file,) = write_mr_series(tmp_path_factory.mktemp("whole"), slices=1)
    dataset = pydicom.dcmread(file)
    inner = pydicom.Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "one"
    outer = pydicom.Dataset()
    outer.PurposeOfReferenceCodeSequence = [inner]
    dataset.ReferencedImageSequence = [outer, outer]
    dataset["ReferencedImageSequence"].is_undefined_length = True
    dataset.ProcedureCodeSequence = [inner]
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_a_sequence_of_undefined_length_is_read_when_asked_for(whole: bytes) -> None:
    """The file has what the mutations below are to hit."""
    found = quick(whole, meta_in(Path("whole"), memoryview(whole)))
    assert found.ReferencedImageSequence[1].PurposeOfReferenceCodeSequence[0].CodeMeaning == "one"
    assert_same(found, pydicom.dcmread(BytesIO(whole)))


def sequence_of(data: bytes) -> range:
    """Return where the sequence of undefined length lies, its header too."""
    start = data.index(b"\x08\x00\x40\x11SQ")
    return range(start, data.index(b"\xfe\xff\xdd\xe0", start) + 8)


@settings(max_examples=400, deadline=None)
@given(places=st.lists(st.tuples(st.integers(132, 1600), st.integers(0, 255)), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore")
def test_whatever_the_bytes_it_agrees_with_pydicom_or_leaves_it_alone(
    whole: bytes, places: list[tuple[int, int]]
) -> None:
    """Changed bytes never give another value than pydicom's, and never another error than pydicom's kinds.

    But for those inside a sequence of undefined length, whose end pydicom finds by reading every element of it: there
    the two may differ in what they make of a structure that is none.
    """
    data = bytearray(whole)
    for place, value in places:
        data[place % len(data)] = value
    changed = bytes(data)
    try:
        meta = meta_in(Path("changed"), memoryview(changed))
    except NodeError:
        return
    found = quick(changed, meta)
    if found is None:
        return
    if any(place % len(data) in sequence_of(whole) for place, _ in places):
        for tag in found.keys():  # noqa: SIM118
            _value(found, tag)
        return
    wanted = pydicom.dcmread(BytesIO(changed))
    assert found.keys() == wanted.keys()
    for tag in wanted.keys():  # noqa: SIM118 - over a dataset itself its elements are iterated, converted
        assert _value(found, tag) == _value(wanted, tag)


def _value(dataset: Any, tag: Any) -> object:
    try:
        element = dataset[tag]
        return element.VR, repr(element.value) if element.VR != "OW" else bytes(element.value or b"")
    except PARSE_ERRORS:
        return "not to be read"
