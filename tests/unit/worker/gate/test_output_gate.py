"""What the gate lets out, and what it holds back."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from models.card.card_parts import Range
from models.findings import Reading
from tests.readings import (
    a_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    load,
    nothing_found,
)
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import children, content_items, name_of, parsed
from worker.objects.object_encoding import ResultObject
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series

SEG, SR, TEXT = 0, 1, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An oblique series."""
    write_mr_series(tmp_path / "source", oblique=True)
    return tmp_path / "source"


@pytest.fixture
def series(folder: Path) -> LoadedSeries:
    """The same, read."""
    return load(folder)


def bundle(series: LoadedSeries) -> tuple[ResultObject, ...]:
    """Return the results of the known reading."""
    return build(case_of(series, a_reading(series), a_card()))


def changed(made: ResultObject, change: Callable[[Dataset], None]) -> ResultObject:
    """Return the object after a change to its dataset."""
    dataset = parsed(made.data)
    change(dataset)
    buffer = BytesIO()
    dcmwrite(buffer, dataset)
    return replace(made, data=buffer.getvalue())


def test_good_results_pass(series: LoadedSeries) -> None:
    """A volume's bundle, a negative and an ECG's bundle pass."""
    card = a_card()
    output_gate.check(bundle(series), case_of(series, a_reading(series), card))
    negative = nothing_found(series)
    output_gate.check(build(case_of(series, negative, card)), case_of(series, negative, card))
    ecg, ecg_card = an_ecg(), an_ecg_card()
    objects = build(case_of(ecg, an_ecg_reading(), ecg_card))
    output_gate.check(objects, case_of(ecg, an_ecg_reading(), ecg_card))


def first_group(report: Dataset) -> Dataset:
    """Return the first measurement group."""
    return next(item for item in content_items(report) if name_of(item) == ("125007", "DCM"))


def drop_first_voxel(seg: Dataset) -> None:
    """Clear the first voxel that is set."""
    bits = np.frombuffer(seg.PixelData, np.uint8).copy()
    first = int(np.flatnonzero(bits)[0])
    bits[first] &= bits[first] - 1
    seg.PixelData = bits.tobytes()


def empty_pixels(seg: Dataset) -> None:
    """Clear all voxels."""
    seg.PixelData = bytes(len(seg.PixelData))


def move_a_frame(seg: Dataset) -> None:
    """Put a frame elsewhere."""
    seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [0, 0, 0]


def drop_evidence(report: Dataset) -> None:
    """Forget one image that was read."""
    del report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[3]


def invent_evidence(report: Dataset) -> None:
    """List an image that nobody read."""
    item = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[3]
    item.ReferencedSOPInstanceUID = "1.2.3"


def other_tracking(report: Dataset) -> None:
    """Track a structure under another UID than its segment."""
    children(first_group(report), "112040", "DCM")[0].UID = "1.2.3"


def missing_segment(report: Dataset) -> None:
    """Refer to a segment that is not there."""
    children(first_group(report), "121191", "DCM")[0].ReferencedSOPSequence[0].ReferencedSegmentNumber = 7


def other_volume(report: Dataset) -> None:
    """Tell another number than was read."""
    item = children(first_group(report), "118565006", "SCT")[0].MeasuredValueSequence[0]
    item.NumericValue = "1"


def coordinates(report: Dataset) -> None:
    """Give one group a coordinate."""
    children(first_group(report), "118565006", "SCT")[0].ValueType = "SCOORD"


def other_device(made: Dataset) -> None:
    """Name another device in the equipment."""
    made.ContributingEquipmentSequence[0].DeviceUID = "1.2.3"


def no_device(made: Dataset) -> None:
    """Name no device in the equipment."""
    del made.ContributingEquipmentSequence[0].DeviceUID


def blank_uid(seg: Dataset) -> None:
    """Leave a UID without a value."""
    seg.DimensionOrganizationSequence[0].DimensionOrganizationUID = ""


@pytest.mark.parametrize(
    ("place", "change", "named"),
    [
        (SEG, blank_uid, "valid UIDs: not a UID: DimensionOrganizationUID"),
        (
            SEG,
            lambda seg: setattr(seg, "PatientID", "OTHER"),
            "patient and study: differs from the source in PatientID",
        ),
        (TEXT, lambda sr: setattr(sr, "StudyInstanceUID", "1.2.3"), "patient and study: .*StudyInstanceUID"),
        (SEG, lambda seg: setattr(seg, "FrameOfReferenceUID", "1.2.3"), "geometry: another frame of reference"),
        (SEG, move_a_frame, "geometry: a frame lies elsewhere"),
        (SEG, drop_first_voxel, "segments: 1 voxels differ"),
        (SEG, empty_pixels, "segments: a segment is empty"),
        (SR, drop_evidence, "evidence: does not list every instance"),
        (TEXT, invent_evidence, "evidence: lists an instance that was not read"),
        (SR, other_tracking, "tracking: a group and its segment are tracked differently"),
        (SR, missing_segment, "tracking: a group refers to a segment that does not exist"),
        (SR, other_volume, "numbers: the numbers of Cerebral cortex differ"),
        (SR, coordinates, "kinds of group"),
        (TEXT, lambda sr: setattr(sr, "VerificationFlag", "VERIFIED"), "flags: wrong VerificationFlag"),
        (SR, lambda sr: setattr(sr, "PreliminaryFlag", "FINAL"), "flags: wrong PreliminaryFlag"),
        (SR, other_device, "equipment: 2 different Device UIDs"),
        (SEG, no_device, "equipment: no processing equipment"),
        (TEXT, lambda sr: setattr(sr, "SeriesDescription", "AI Test"), "own series: .*whether the model is cleared"),
        (SEG, lambda seg: setattr(seg, "SeriesNumber", 3), "own series: series number 3"),
        (SEG, lambda seg: setattr(seg, "SOPInstanceUID", "1.2.3"), "file meta: the file meta names another instance"),
        (SEG, lambda seg: delattr(seg, "PerFrameFunctionalGroupsSequence"), "geometry: not all of it is there"),
    ],
)
def test_a_defect_is_named(series: LoadedSeries, place: int, change: Callable[[Dataset], None], named: str) -> None:
    """Each defect is held back, and the refusal names the check."""
    objects = list(bundle(series))
    objects[place] = changed(objects[place], change)
    with pytest.raises(OutputRefused, match=named) as refused:
        output_gate.check(objects, case_of(series, a_reading(series), a_card()))
    assert "Test^Head" not in str(refused.value)


def test_every_failed_check_is_named(series: LoadedSeries) -> None:
    """Two defects in two objects are both told."""
    objects = list(bundle(series))
    objects[SEG] = changed(objects[SEG], empty_pixels)
    objects[TEXT] = changed(objects[TEXT], lambda sr: setattr(sr, "CompletionFlag", "PARTIAL"))
    with pytest.raises(OutputRefused, match=r"flags: .*segments: "):
        output_gate.check(objects, case_of(series, a_reading(series), a_card()))


def test_an_implausible_volume_is_held_back(series: LoadedSeries) -> None:
    """A structure outside the card's range is not sent."""
    card = a_card()
    narrow = card.labels[0].model_copy(update={"plausible_volume_ml": Range(max=0.1)})
    card = card.model_copy(update={"labels": (narrow, *card.labels[1:])})
    with pytest.raises(OutputRefused, match="numbers: the volume of Cerebral cortex is not plausible"):
        output_gate.check(bundle(series), case_of(series, a_reading(series), card))


def test_an_ecg_tells_the_numbers_of_its_reading() -> None:
    """Another number than was read is held back, and so is a heart rate outside the card's range."""
    series, card = an_ecg(), an_ecg_card()
    objects = list(build(case_of(series, an_ecg_reading(), card)))
    fast = card.interpretation.model_copy(update={"plausible_heart_rate_bpm": Range(min=90)})
    with pytest.raises(OutputRefused, match="numbers: Heart rate is not plausible"):
        output_gate.check(objects, case_of(series, an_ecg_reading(), card.model_copy(update={"interpretation": fast})))
    objects[0] = changed(objects[0], other_rate)
    with pytest.raises(OutputRefused, match="numbers: the numbers of the recording differ"):
        output_gate.check(objects, case_of(series, an_ecg_reading(), card))


def other_rate(report: Dataset) -> None:
    """Tell another heart rate."""
    (item,) = [item for item in content_items(report) if name_of(item) == ("8867-4", "LN")]
    item.MeasuredValueSequence[0].NumericValue = "75"


def test_a_missing_segmentation_is_noticed(series: LoadedSeries) -> None:
    """A reading with structures does not pass without its SEG; nor does one without any report."""
    with pytest.raises(OutputRefused, match="completeness"):
        output_gate.check(bundle(series)[TEXT:], case_of(series, a_reading(series), a_card()))
    with pytest.raises(OutputRefused, match="completeness: no report"):
        output_gate.check((), case_of(series, Reading(), a_card()))


def test_results_of_another_patient_do_not_pass(tmp_path: Path, series: LoadedSeries) -> None:
    """The bundle of one study against the source of another is refused."""
    write_mr_series(tmp_path / "other", seed=9, oblique=True, patient_id="TEST-9")
    other = load(tmp_path / "other")
    with pytest.raises(OutputRefused, match=r"patient and study.*evidence"):
        output_gate.check(bundle(series), case_of(other, a_reading(other), a_card()))


def test_files_are_checked_the_same_way(tmp_path: Path, folder: Path, series: LoadedSeries) -> None:
    """Results read back pass against the source files, with and without the card; a changed one is refused."""
    out = tmp_path / "out"
    out.mkdir()
    paths = [out / f"{made.kind}.dcm" for made in bundle(series)]
    for path, made in zip(paths, bundle(series), strict=True):
        path.write_bytes(made.data)
    sources = sorted(folder.iterdir())
    output_gate.check_files(paths, sources)
    output_gate.check_files(paths, sources, a_card())
    paths[SR].write_bytes(changed(bundle(series)[SR], other_tracking).data)
    with pytest.raises(OutputRefused, match="tracking"):
        output_gate.check_files(paths, sources)
    paths[SEG].write_bytes(b"no DICOM")
    with pytest.raises(OutputRefused, match="no DICOM"):
        output_gate.check_files(paths, sources)
    with pytest.raises(OutputRefused, match="nothing to pass"):
        output_gate.check_files([], sources)
