"""Numbers come back out of our own reports as they went in, and out of nobody else's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from models.findings import Reading
from tests.readings import (
    LABELS,
    NODULE,
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    classified,
    detections_reading,
    load,
)
from worker.case.case import Case
from worker.case.prior import EarlierRead, Method
from worker.gate.bundle import MEASUREMENT_GROUP, content_items, name_of
from worker.gate.output_gate import check
from worker.instances.depicted import of_the_same
from worker.instances.instance_hierarchy import hierarchy_of
from worker.planar_testing import a_chest, write_planar_image
from worker.priors.earlier_report import KINDS, earlier_read
from worker.priors.prior_changes import compare
from worker.results import build
from worker.series.series_depicted import depicted
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings
from worker.testing import write_mr_series

METHOD = Method(model_version="1.2", serial_number="ab" * 8)


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """A small head MR of 2024-01-02."""
    write_mr_series(tmp_path)
    return load(tmp_path)


def reports_of(case: Case) -> list[bytes]:
    """Return the reports that hold numbers."""
    return [made.data for made in build(case) if made.kind in KINDS]


def taken(case: Case, reports: list[bytes], *, known: bool = True, **changes: Any) -> EarlierRead | None:
    """Take the read back, by the model of the case unless another card is given."""
    return earlier_read(
        reports,
        changes.get("card", case.provenance.card),
        lambda _: known,
        study_instance_uid=str(case.head.StudyInstanceUID),
    )


def test_structures_come_back(series: LoadedSeries) -> None:
    """Compared with itself, a read has not changed, structure for structure."""
    case = case_of(series, a_reading(series), a_card())
    found = taken(case, reports_of(case))
    assert found is not None
    assert (found.studied_on, found.method) == (date(2024, 1, 2), METHOD)
    prior = compare(case.reading, found, studied_on=date(2024, 1, 3), method=METHOD)
    assert prior is not None
    assert [change.label for change in prior.changes] == list(LABELS[:2])
    assert all(change.now == pytest.approx(change.earlier, rel=1e-9) for change in prior.changes)
    assert prior.days == 1


@pytest.mark.parametrize("masks", [True, False])
def test_detections_come_back(series: LoadedSeries, masks: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """With a mask they stand in two reports, by segment and by region, and are one thing each all the same."""
    case = case_of(series, detections_reading(series, masks=masks), a_nodule_card())
    found = taken(case, reports_of(case))
    assert found is not None
    nodules = [thing for thing in found.things if thing.concept == ("27925004", "SCT")]
    assert len(nodules) == 2
    prior = compare(case.reading, found, studied_on=date(2024, 1, 3), method=METHOD)
    assert prior is not None
    assert {change.number for change in prior.changes if change.label == NODULE} == {1, 2}
    assert all(change.now == pytest.approx(change.earlier, rel=1e-6) for change in prior.changes)
    assert prior.unpaired == ()


def test_the_sites_thresholds_come_back(series: LoadedSeries) -> None:
    """As parameters of the algorithm (TID 4019); a report without any was made without."""
    report = ReportSettings(min_certainty_percent=12.5, min_diameter_mm=4, language="de")
    case = case_of(series, detections_reading(series), a_nodule_card(), report=report)
    check(build(case), case)
    found = taken(case, reports_of(case))
    assert found is not None
    assert found.method.thresholds == report.thresholds == ("min_certainty_percent=12.5", "min_diameter_mm=4")
    assert ReportSettings(language="de").thresholds == ()


def test_answers_are_no_things(series: LoadedSeries) -> None:
    """The group of "pneumonia: present, 94 %" holds nothing to compare; a number of the whole image does."""
    case = case_of(series, classified(series), a_card())
    found = taken(case, reports_of(case))
    assert found is not None
    assert found.things == ()
    assert [(measured.name.meaning, measured.value) for measured in found.whole] == [("Calcium score", 43.75)]


def test_numbers_of_an_ecg_come_back() -> None:
    """With method and unit, so that they match today's."""
    case = case_of(an_ecg(), an_ecg_reading(), an_ecg_card())
    found = taken(case, reports_of(case))
    assert found is not None
    assert [(m.name.value, m.value, m.unit.value, m.method and m.method.value) for m in found.whole] == [
        (m.name.value, m.value, m.unit.value, m.method and m.method.value) for m in case.reading.measurements
    ]


def _without_uid(report: Dataset) -> None:
    report.ContributingEquipmentSequence[0].DeviceUID = "1.2.3"


def _other_version(report: Dataset) -> None:
    report.ContributingEquipmentSequence[0].SoftwareVersions = "1.3"


_CHANGES: dict[str, Callable[[Dataset], object]] = {
    "another maker": lambda report: setattr(report, "Manufacturer", "Other"),
    "another device": _without_uid,
    "a version that its Device UID does not prove": _other_version,
    "no equipment": lambda report: delattr(report, "ContributingEquipmentSequence"),
    "another study": lambda report: setattr(report, "StudyInstanceUID", "1.2.3"),
    "no date": lambda report: setattr(report, "StudyDate", ""),
    "a date that is none": lambda report: setattr(report, "StudyDate", "20240230"),
    "not complete": lambda report: setattr(report, "CompletionFlag", "PARTIAL"),
    "another class": lambda report: setattr(report, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.11"),
    "a UID that is none": lambda report: setattr(report, "SOPInstanceUID", "1.02.x"),
    "no content": lambda report: delattr(report, "ContentSequence"),
    "no time of its own": lambda report: delattr(report, "ContentDate"),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_what_is_not_ours_is_not_taken(series: LoadedSeries, change: str) -> None:
    """Nothing of such a report is compared with."""
    case = case_of(series, a_reading(series), a_card())
    (data,) = reports_of(case)
    report = dcmread(BytesIO(data))
    _CHANGES[change](report)
    stream = BytesIO()
    dcmwrite(stream, report)
    found = taken(case, [stream.getvalue()])
    assert found is None or found.things == ()


def test_another_patient_or_model_is_not_taken(series: LoadedSeries) -> None:
    """The report itself must say today's patient and today's model."""
    case = case_of(series, a_reading(series), a_card())
    reports = reports_of(case)
    assert taken(case, reports, known=False) is None
    assert taken(case, reports, card=a_card(id="other-model")) is None
    assert taken(case, reports, card=a_card(version="2.0")) is not None
    assert taken(case, []) is None


def test_the_latest_of_two_reads_counts(series: LoadedSeries) -> None:
    """A study that was read again is compared with its latest read."""
    card = a_card()
    early = case_of(series, a_reading(series), card)
    late = case_of(
        series,
        Reading(),
        card,
        recipe_digest="ef" * 32,
        read_at=early.provenance.read_at.replace(year=2027),
    )
    late = replace(late, reading=replace(a_reading(series), structures=a_reading(series).structures[:1]))
    found = taken(early, [*reports_of(early), *reports_of(late)])
    assert found is not None
    assert len(found.things) == 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_bytes_are_no_report(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut or altered anywhere: nothing but "no report" or the numbers come out, never another exception."""
    content = bytearray(_a_report(tmp_path_factory))
    for place in data.draw(st.lists(st.integers(132, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(100, len(content)))
    case = _CASES[0]
    taken(case, [bytes(content[:cut])])


_CASES: list[Case] = []
_REPORTS: list[bytes] = []


def _a_report(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if not _REPORTS:
        folder = tmp_path_factory.mktemp("series")
        write_mr_series(folder)
        series = load(folder)
        _CASES.append(case_of(series, a_reading(series), a_card()))
        _REPORTS.extend(reports_of(_CASES[0]))
    return _REPORTS[0]


def test_the_same_comparison_gives_the_same_bytes_and_passes_the_gate(series: LoadedSeries) -> None:
    """A case with an earlier read is built twice into the same bytes, and the gate finds its evidence."""
    case = case_of(series, a_reading(series), a_card())
    found = taken(case, reports_of(case))
    assert found is not None
    elsewhere = replace(
        found, references=tuple(replace(reference, study_instance_uid="1.2.9") for reference in found.references)
    )
    prior = compare(case.reading, elsewhere, studied_on=date(2024, 2, 2), method=METHOD)
    compared = replace(case, prior=prior)
    one, two = build(compared), build(compared)
    assert [made.data for made in one] == [made.data for made in two]
    check(one, compared)
    text = dcmread(BytesIO(next(made.data for made in one if made.kind == "TEXT-SR")))
    assert text.PertinentOtherEvidenceSequence[0].StudyInstanceUID == "1.2.9"


@pytest.mark.parametrize("value", ["1e300", "-1e300", "inf", "nan"])
def test_an_absurd_number_is_left_out(series: LoadedSeries, value: str) -> None:
    """It would make nonsense of a percentage."""
    case = case_of(series, a_reading(series), a_card())
    (data,) = reports_of(case)
    report = dcmread(BytesIO(data))
    groups = [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]
    numbers = [item for group in groups for item in content_items(group) if item.ValueType == "NUM"]
    element = numbers[0].MeasuredValueSequence[0]
    element["NumericValue"]._value = value
    stream = BytesIO()
    dcmwrite(stream, report)
    found = taken(case, [stream.getvalue()])
    assert found is not None
    assert len(found.things) == 1


@pytest.mark.parametrize(("side", "view", "alike"), [("R", "MLO", True), ("L", "MLO", False), ("R", "CC", False)])
def test_side_and_view_of_a_mammogram_come_back(tmp_path: Path, *, side: str, view: str, alike: bool) -> None:
    """The image library says which breast was read in which view, so that no other is compared with it."""
    then, now = (
        _mammogram(tmp_path / str(seed), seed, ImageLaterality=one, ViewPosition=other, BodyPartExamined="BREAST")
        for seed, one, other in ((1, "R", "MLO"), (2, side, view))
    )
    case = case_of(then, detections_reading(then, masks=False), a_nodule_card())
    check(build(case), case)
    found = taken(case, reports_of(case))
    assert found is not None
    assert found.depicted == tuple(depicted(then))
    assert of_the_same(tuple(depicted(now)), found.depicted, planar=True) == alike


def test_a_report_that_does_not_say_its_view_is_of_no_known_one(tmp_path: Path) -> None:
    """Without the library, as earlier releases wrote it, nothing contradicts and nothing is certain."""
    series = _mammogram(tmp_path, 1, ImageLaterality="R", ViewPosition="MLO")
    case = case_of(series, detections_reading(series, masks=False), a_nodule_card())
    (report,) = (dcmread(BytesIO(data)) for data in reports_of(case))
    report.ContentSequence = [item for item in report.ContentSequence if name_of(item) != ("111028", "DCM")]
    found = taken(case, [_written(report)])
    assert found is not None
    assert found.depicted == ()
    assert not of_the_same(tuple(depicted(series)), found.depicted, planar=True)


def _mammogram(folder: Path, seed: int, **attributes: str) -> LoadedSeries:
    write_planar_image(folder / "image.dcm", a_chest(), kind="MG", seed=seed, attributes=attributes)
    return load(folder)


def _written(report: Dataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, report, enforce_file_format=True)
    return buffer.getvalue()


def test_a_read_whose_place_another_takes_does_not_count(series: LoadedSeries) -> None:
    """Both say the same time: of one job that was read twice only the last is compared with, whatever the first had."""
    withdrawn = _files(series, detections_reading(series), "cd" * 32)
    standing = _files(series, a_reading(series), "ef" * 32)
    case = case_of(series, a_reading(series), a_nodule_card())
    report, earlier = dcmread(BytesIO(standing[0])), taken(case, withdrawn[:1])
    assert earlier is not None
    report.PredecessorDocumentsSequence = hierarchy_of(earlier.references[-1:])
    found = taken(case, [*withdrawn, _written(report)])
    assert found is not None
    assert [reference.sop_instance_uid for reference in found.references] == [report.SOPInstanceUID]
    assert found.things == taken(case, standing).things  # type: ignore[union-attr]


def test_two_reads_of_one_moment_that_do_not_name_each_other_are_doubtful(series: LoadedSeries) -> None:
    """Nobody can tell which of them counts; the same file twice is one."""
    one, two = (_files(series, a_reading(series), digest * 32) for digest in ("cd", "ef"))
    case = case_of(series, a_reading(series), a_nodule_card())
    assert taken(case, [*one, *two]) is None
    assert taken(case, [*one, *one]) == taken(case, one)


def test_versions_are_ordered_by_their_numbers(series: LoadedSeries) -> None:
    """1.10 is newer than 1.9."""
    cards = [a_card(version=version) for version in ("1.9", "1.10")]
    reports = [data for card in cards for data in reports_of(case_of(series, a_reading(series), card))]
    found = taken(case_of(series, a_reading(series), cards[0]), reports)
    assert found is not None
    assert found.method.model_version == "1.10"


def _files(series: LoadedSeries, reading: Reading, recipe_digest: str) -> list[bytes]:
    return reports_of(case_of(series, reading, a_nodule_card(), recipe_digest=recipe_digest))


def test_what_was_cut_by_the_edge_comes_back(series: LoadedSeries) -> None:
    """Of structures by their segments, of detections by segment and region; the text SR then tells it."""
    reading = detections_reading(series)
    cut = replace(
        reading,
        structures=(replace(reading.structures[0], cut=True), reading.structures[1]),
        detections=(replace(reading.detections[0], cut=True), *reading.detections[1:]),
    )
    case = case_of(series, cut, a_nodule_card())
    check(build(case), case)
    found = taken(case, reports_of(case))
    assert found is not None
    assert [thing.concept[0] for thing in found.things if thing.cut] == [LABELS[0].concept.value, NODULE.concept.value]
    prior = compare(reading, found, studied_on=date(2024, 5, 1), method=METHOD)
    assert prior is not None
    assert LABELS[0] in prior.cut
