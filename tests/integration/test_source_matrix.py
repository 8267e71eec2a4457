"""Every kind of source: a known reading becomes objects that pass the gate, are valid, and come back voxel for voxel.

Independent readers of SEG: dcmqi's `segimage2itkimage`, whose code 3D Slicer's QuantitativeReporting runs to load a SEG
(no package has a reader of Slicer's own), and highdicom. dcmqi refuses a SEG without Plane Orientation, so
segmentations of images without a place in space come back through highdicom and through DCMTK's bits.
"""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture
from pydicom import dcmread
from pydicom.data import get_testdata_file

from models.catalog import read_entry
from models.findings import Reading
from models.interpreting.classification import ABSENT, PRESENT
from models.loaded import LoadedModel
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.testing_classifier import write_image_classifier
from models.volume import Image, Volume
from ops.commands.validators import VALIDATORS, run
from tests.integration.test_result_objects import Written, assert_read_back, written
from tests.readings import (
    PNEUMONIA,
    PNEUMOTHORAX,
    a_card,
    a_reading,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    classified,
    load,
)
from worker.gate import output_gate
from worker.gate.bundle import children, content_items, name_of
from worker.object_kinds import KINDS
from worker.objects.segments import mask_of
from worker.pictures import picture
from worker.planar_testing import a_chest, write_planar_image
from worker.provenance import derived_uid
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series

_SPACING_MM = (3.1, 0.7, 1.3)
#: Real series below the shared data.
_REAL = {
    "CT": "chest-ct/series-2",
    "MR, sagittal": "odd-series/generic/anatomical/001",
    "MR, oblique": "odd-series/hitachi/anatomical/001",
    "MR, anisotropic": "odd-series/generic/anatomical/002_non_isotropic",
    "enhanced MR, sagittal": "odd-series/philips_enhanced/anatomical/001",
    "enhanced MR, axial": "odd-series/siemens_multiframe/anatomical/001",
    "enhanced MR, oblique": "odd-series/philips_enhanced/anatomical/001_implicit",
}
_PLACED = (*_REAL, "enhanced CT", "MR, oblique and anisotropic")
#: pydicom's own files.
_FILES = {
    "CR, MONOCHROME1": "RG3_J2KR.dcm",
    "CR, MONOCHROME1, spacing of zero": "RG1_UNCR.dcm",
    "US, clip in colour": "examples_ybr_color.dcm",
    "US, clip with a palette": "OBXXXX1A_rle_2frame.dcm",
    "US, colour": "US1_UNCR.dcm",
    "SC, lookup table": "mlut_18.dcm",
    "SC, JPEG": "SC_rgb_jpeg_dcmtk.dcm",
}
_MADE = ("DX, a real chest", "DX, MONOCHROME1", "DX, two views", "MG", "XA")
_PLANAR = (*_FILES, *_MADE)


def assert_valid(files: Mapping[str, Path], *tools: str) -> None:
    """Fail where a validator finds a defect in one of the files by kind; where it is missing, fail too."""
    for validator in VALIDATORS:
        if validator.tool in tools:
            assert validator.command() is not None, f"install {validator.install}"
            for kind, file in files.items():
                if not validator.reports_only or kind.endswith("SR"):
                    assert run(validator, [file], ()).problems == (), kind


def placed(kind: str, folder: Path, shared_data: Callable[[], Path]) -> list[Path]:
    """Write the files of a source that lies in patient space."""
    if kind == "MR, oblique and anisotropic":
        return write_mr_series(folder, oblique=True, slices=9, rows=40, columns=28, spacing_mm=_SPACING_MM)
    folder.mkdir()
    originals = (
        [Path(str(get_testdata_file("eCT_Supplemental.dcm")))]
        if kind == "enhanced CT"
        else sorted(file for file in (shared_data() / _REAL[kind]).iterdir() if file.is_file())
    )
    files = []
    for number, original in enumerate(originals):
        dataset = dcmread(original)
        if not dataset.get("FrameOfReferenceUID"):
            # Anonymisers have removed it; that a source without one is refused is another test's.
            dataset.FrameOfReferenceUID = derived_uid("test", kind)
        files.append(folder / f"{number:03d}.dcm")
        dataset.save_as(files[-1])
    return files


@pytest.mark.parametrize("kind", _PLACED)
def test_a_source_in_patient_space(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Objects pass the gate, dciodvfy finds no defect, and each voxel lies where the reading has it, by two readers."""
    files = placed(kind, tmp_path / "source", lambda: request.getfixturevalue("shared_data"))
    bundle = written(tmp_path / "results", files, a_reading, a_card())
    assert_valid(bundle.results, "dciodvfy")
    assert_read_back(bundle, tmp_path / "dcmqi")
    assert_highdicom_places_every_voxel(bundle)


def assert_highdicom_places_every_voxel(bundle: Written) -> None:
    """Fail where highdicom, which builds a volume from the SEG's own positions, finds a voxel elsewhere."""
    volume, labels = bundle.series.source, bundle.reading.labels
    assert isinstance(volume, Volume)
    assert labels is not None
    found = hd.seg.segread(bundle.results["SEG"]).get_volume(combine_segments=True)
    for place, structure in enumerate(bundle.reading.structures, start=1):
        expected = np.argwhere(labels == structure.label.number) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        there = np.argwhere(found.array == place) @ found.affine[:3, :3].T + found.affine[:3, 3]
        assert there.shape == expected.shape
        back = np.hstack([there, np.ones((len(there), 1))]) @ np.linalg.inv(volume.affine).T
        indices = np.rint(back[:, :3]).astype(int)
        assert np.abs(back[:, :3] - indices).max() < 0.02
        assert (labels[tuple(indices.T)] == structure.label.number).all()


def planar(kind: str, folder: Path, shared_data: Callable[[], Path]) -> list[Path]:
    """Write the files of a source without a place in patient space."""
    folder.mkdir()
    if kind in _FILES:
        file = folder / "image.dcm"
        file.write_bytes(Path(str(get_testdata_file(_FILES[kind]))).read_bytes())
        return [file]
    if kind == "DX, a real chest":
        with Picture.open(min((shared_data() / "chest-xray").glob("*.png"))) as opened:
            array: NDArray[np.generic] = np.asarray(opened.convert("L"), np.uint8)
        return [write_planar_image(folder / "image.dcm", array)]
    if kind == "DX, two views":
        return [
            write_planar_image(folder / f"{9 - n}.dcm", a_chest(), number=n, attributes={"ViewPosition": view})
            for n, view in ((1, "PA"), (2, "LL"))
        ]
    if kind == "DX, MONOCHROME1":
        inverted = np.asarray(4095 - a_chest(), np.uint16)
        return [write_planar_image(folder / "image.dcm", inverted, photometric="MONOCHROME1")]
    if kind == "XA":
        return [write_planar_image(folder / "image.dcm", np.stack([a_chest()] * 4), kind="XA")]
    return [write_planar_image(folder / "image.dcm", a_chest(), kind=kind)]


@pytest.mark.parametrize("kind", _PLANAR)
def test_a_source_without_a_place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Objects pass the gate, dciodvfy finds no defect, and each pixel comes back on its image, by two readers."""
    files = planar(kind, tmp_path / "source", lambda: request.getfixturevalue("shared_data"))
    bundle = written(tmp_path / "results", files, a_reading, a_card())
    assert isinstance(bundle.series.source, Image)
    assert_valid(bundle.results, "dciodvfy")
    assert_pixels(bundle)


def assert_pixels(bundle: Written) -> None:
    """Fail where highdicom's reader, or the bits that DCMTK dumps, are not the reading's pixels."""
    labels, reading = bundle.reading.labels, bundle.reading
    assert labels is not None
    seg = hd.seg.segread(bundle.results["SEG"])
    uids = [str(dataset.SOPInstanceUID) for dataset in bundle.series.datasets]
    numbers = bundle.series.frame_numbers
    options = {"combine_segments": True, "assert_missing_frames_are_empty": True}
    found = (
        seg.get_pixels_by_source_frame(uids[0], list(numbers), **options)
        if numbers
        else seg.get_pixels_by_source_instance(uids, **options)
    )
    bits = dumped_bits(bundle.results["SEG"]).reshape(-1, *labels.shape[1:])
    described = dcmread(bundle.results["SEG"])
    places = {key: place for place, key in enumerate([(uids[0], n) for n in numbers] or [(uid, 0) for uid in uids])}
    seen = set()
    for frame, pixels in zip(described.PerFrameFunctionalGroupsSequence, bits, strict=True):
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        key = (str(source.ReferencedSOPInstanceUID), int(source.get("ReferencedFrameNumber") or 0))
        number = int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        np.testing.assert_array_equal(pixels, mask_of(reading, reading.structures[number - 1], places[key]))
        seen.add((places[key], number))
    for number, structure in enumerate(reading.structures, start=1):
        mask = labels == structure.label.number
        np.testing.assert_array_equal(found == number, mask)
        assert {place for place, other in seen if other == number} == set(np.flatnonzero(mask.any(axis=(1, 2))))


def dumped_bits(file: Path) -> NDArray[np.uint8]:
    """Return the bits of a SEG's pixel data as DCMTK reads them."""
    subprocess.run(["dcmdump", "+W", str(file.parent), str(file)], check=True, capture_output=True)
    (raw,) = file.parent.glob(f"{file.name}.*.raw")
    bits = np.unpackbits(np.fromfile(raw, np.uint8), bitorder="little")
    described = dcmread(file, stop_before_pixels=True)
    return bits[: int(described.NumberOfFrames) * int(described.Rows) * int(described.Columns)]


def test_an_ecg(tmp_path: Path) -> None:
    """A 12-lead ECG has no SEG; its report passes the gate and two validators, and says the numbers that were read."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "ecg.dcm").write_bytes(Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes())
    bundle = written(tmp_path / "results", [source / "ecg.dcm"], lambda _: an_ecg_reading(), an_ecg_card())
    assert "SEG" not in bundle.results
    assert_valid(bundle.results, "dciodvfy", "dsrdump")
    items = content_items(dcmread(bundle.results["ECG-SR"]))
    told = [float(item.MeasuredValueSequence[0].NumericValue) for item in items if item.ValueType == "NUM"]
    for measurement in bundle.reading.measurements:
        assert any(number == pytest.approx(measurement.value, rel=1e-9) for number in told)


@pytest.mark.parametrize("kind", ["CR, MONOCHROME1", "DX, two views", "MG", "US, clip in colour"])
def test_check_20_a_flat_image_gives_seg_and_tid_1501(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A SEG without frame of reference beside a report of TID 1501 groups: condition, presence, certainty, its images.

    dciodvfy, dsrdump and PixelMed's validator of IHE's templates find no defect.
    """
    files = planar(kind, tmp_path / "source", lambda: request.getfixturevalue("shared_data"))
    answers = classified(load(tmp_path / "source"))

    def both(series: LoadedSeries) -> Reading:
        return replace(a_reading(series), findings=answers.findings, measurements=answers.measurements)

    bundle = written(tmp_path / "results", files, both, a_card())
    assert "FrameOfReferenceUID" not in dcmread(bundle.results["SEG"])
    assert_valid(bundle.results, "dciodvfy", "dsrdump", "DicomSRValidator")
    groups = [
        item
        for item in content_items(dcmread(bundle.results["SR"]))
        if name_of(item) == ("125007", "DCM") and item.ContentTemplateSequence[0].TemplateIdentifier == "1501"
    ]
    told = {}
    for group in groups:
        images = [item.ReferencedSOPSequence[0] for item in group.ContentSequence if item.ValueType == "IMAGE"]
        uids = [str(image.ReferencedSOPInstanceUID) for image in images]
        assert uids == [str(dataset.SOPInstanceUID) for dataset in bundle.series.datasets]
        for finding in children(group, "121071", "DCM"):
            (certainty,) = children(group, "111012", "DCM")
            codes = [
                item.ConceptCodeSequence[0].CodeValue for item in group.ContentSequence if item.ValueType == "CODE"
            ]
            told[finding.ConceptCodeSequence[0].CodeValue] = (
                next(code for code in codes if code in (PRESENT.value, ABSENT.value)),
                float(certainty.MeasuredValueSequence[0].NumericValue),
            )
    assert told == {PNEUMONIA.value: (PRESENT.value, 93.75), PNEUMOTHORAX.value: (ABSENT.value, 98.5)}


def test_a_network_classifies_a_real_chest(tmp_path: Path, shared_data: Path) -> None:
    """DICOM in, a real network, every kind of object out: the gate passes them, and their probability is its own."""
    planar("DX, a real chest", tmp_path / "source", lambda: shared_data)
    entry = read_entry(write_image_classifier(tmp_path / "models", fit="pad"))
    model = LoadedModel.load(entry, OnnxRuntime(), 1)
    series = load(tmp_path / "source")
    reading = read(entry.card, series.source, model.infer)
    case = case_of(series, reading, entry.card)
    objects = build(case, tuple(KINDS))
    output_gate.check(objects, case)
    files = {each.kind: tmp_path / f"{each.kind}.dcm" for each in objects}
    for each in objects:
        files[each.kind].write_bytes(each.data)
    assert {"SR", "TEXT-SR", "SC"} <= set(files)
    assert_valid(files, "dciodvfy")
    certainties = [
        float(item.MeasuredValueSequence[0].NumericValue)
        for item in content_items(dcmread(files["SR"]))
        if name_of(item) == ("111012", "DCM")
    ]
    assert certainties == [pytest.approx(finding.certainty_percent, rel=1e-9) for finding in reading.findings]
    sentences = [str(item.get("TextValue", "")) for item in content_items(dcmread(files["TEXT-SR"]))]
    assert "It looked for: Pneumonia, Pneumothorax." in sentences
    assert picture.render(case).startswith(b"\x89PNG")
