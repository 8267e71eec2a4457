"""Which version of an image is read, and when nobody knows."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from worker.selecting.image_versions import first_version, newest_versions
from worker.testing import write_mr_series

FIRST, SECOND = f"{'0' * 32}.dcm", f"{'0' * 32}~{'1' * 16}.dcm"


@pytest.fixture
def versions(tmp_path: Path) -> Callable[[Callable[[Dataset], None]], list[str]]:
    """Return a function that writes an image and a version of it in which something is changed."""

    def write(change: Callable[[Dataset], None]) -> list[str]:
        (source,) = write_mr_series(tmp_path / "in", slices=1)
        source.rename(tmp_path / FIRST)
        content = dcmread(tmp_path / FIRST)
        change(content)
        content.save_as(tmp_path / SECOND)
        os.utime(tmp_path / FIRST, ns=(1, 1))
        return [FIRST, SECOND]

    return write


def put(**values: object) -> Callable[[Dataset], None]:
    """Return what sets attributes."""

    def change(content: Dataset) -> None:
        for keyword, value in values.items():
            setattr(content, keyword, value)

    return change


def reencode(content: Dataset) -> None:
    """Correct a name, in the other encoding."""
    content.PatientName = "Corrected"
    content.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


@pytest.mark.parametrize(
    "change", [put(PatientName="Corrected"), put(AccessionNumber="7", StudyDescription="x" * 99), reencode]
)
def test_a_corrected_header_is_the_newest(
    versions: Callable[..., list[str]], tmp_path: Path, change: Callable[[Dataset], None]
) -> None:
    """Whatever a read does not depend on may change, also where it moves the pixels in the file."""
    found = newest_versions(tmp_path, versions(change))
    assert (found.files, found.disputed) == ((SECOND,), ())


def test_the_newest_is_the_one_that_arrived_last(versions: Callable[..., list[str]], tmp_path: Path) -> None:
    """Not the one whose name is longer."""
    names = versions(put(PatientName="Corrected"))
    os.utime(tmp_path / SECOND, ns=(0, 0))
    assert newest_versions(tmp_path, names).files == (FIRST,)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: put(PixelData=bytes(len(content.PixelData)))(content),
        put(PixelSpacing=[3, 3]),
        put(ImagePositionPatient=[0, 0, 7]),
        put(RescaleSlope=2),
        put(PixelRepresentation=1),
        put(RescaleType="MGML"),
        put(Units="BQML"),
        put(SUVType="LBM"),
        put(PixelAspectRatio=[2, 1]),
        put(RealWorldValueMappingSequence=[Dataset()]),
        lambda content: content.__delitem__("PixelData"),
    ],
)
def test_what_a_read_depends_on_is_a_contradiction(
    versions: Callable[..., list[str]], tmp_path: Path, change: Callable[[Dataset], None]
) -> None:
    """Pixels, what they mean, and where they lie."""
    assert newest_versions(tmp_path, versions(change)).disputed == (SECOND,)


@pytest.mark.parametrize(
    ("before", "after", "disputed"),
    [
        (put(ImageLaterality="L"), put(ImageLaterality="R"), (SECOND,)),
        (put(Laterality="L"), put(Laterality="R"), (SECOND,)),
        (put(Laterality="L"), put(ImageLaterality="R"), (SECOND,)),
        (put(Laterality="L"), put(ImageLaterality="L"), ()),
        (put(Laterality=""), put(Laterality="R"), ()),
        (put(Laterality="R"), put(Laterality=""), ()),
    ],
)
def test_another_side_of_the_body_is_a_contradiction(
    versions: Callable[..., list[str]],
    tmp_path: Path,
    before: Callable[[Dataset], None],
    after: Callable[[Dataset], None],
    disputed: tuple[str, ...],
) -> None:
    """What was found is told, and counted, by side; one that was not known, and is now, contradicts nothing."""
    names = versions(after)
    content = dcmread(tmp_path / FIRST)
    before(content)
    content.save_as(tmp_path / FIRST)
    os.utime(tmp_path / FIRST, ns=(1, 1))
    assert newest_versions(tmp_path, names).disputed == disputed


def test_zeros_in_the_earlier_one_are_told_from_other_pixels(
    versions: Callable[..., list[str]], tmp_path: Path
) -> None:
    """A page of a file that a power cut has emptied here; zeros in the newer one may be a sender's own."""
    names = versions(put(PatientName="Corrected"))
    whole = (tmp_path / FIRST).read_bytes()
    (tmp_path / SECOND).write_bytes(whole)
    (tmp_path / FIRST).write_bytes(whole[:-900] + bytes(600) + whole[-300:])
    os.utime(tmp_path / FIRST, ns=(1, 1))
    found = newest_versions(tmp_path, names)
    assert (found.disputed, found.zeroed) == ((SECOND,), True)
    os.utime(tmp_path / SECOND, ns=(0, 0))
    found = newest_versions(tmp_path, names)
    assert (found.disputed, found.zeroed) == ((FIRST,), False)


def test_other_pixels_are_no_zeros(versions: Callable[..., list[str]], tmp_path: Path) -> None:
    """Nor is another length."""
    assert not newest_versions(tmp_path, versions(lambda content: content.__delitem__("PixelData"))).zeroed
    names = versions(lambda content: put(PixelData=content.PixelData[:-2] + b"\x07\x07")(content))
    assert not newest_versions(tmp_path, names).zeroed


def test_what_cannot_be_parsed_is_a_contradiction(versions: Callable[..., list[str]], tmp_path: Path) -> None:
    """Nobody can say that it is the same."""
    names = versions(put(PatientName="Corrected"))
    (tmp_path / SECOND).write_bytes((tmp_path / SECOND).read_bytes()[:400])
    assert newest_versions(tmp_path, names).disputed == (SECOND,)


def test_images_that_came_once_are_as_they_are(tmp_path: Path) -> None:
    """Nothing of them is read."""
    for name in ("b.dcm", "a.dcm"):
        (tmp_path / name).write_bytes(b"no DICOM")
    found = newest_versions(tmp_path, ["b.dcm", "a.dcm"])
    assert (found.files, found.disputed) == (("b.dcm", "a.dcm"), ())


def test_names_of_versions_are_known() -> None:
    """As the spool gives them."""
    assert first_version(f"a/b/{SECOND}") == f"a/b/{FIRST}"
    assert first_version(f"a/b/{FIRST}") == f"a/b/{FIRST}"
