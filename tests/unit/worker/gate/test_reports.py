"""What the gate asks of reports of detections and of answers about the whole image."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from models.card.card_parts import Range
from models.findings import Reading
from tests.readings import NODULE, a_nodule_card, case_of, classified, detections_reading, load
from worker.case.case import Case
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of, parsed
from worker.object_kinds import Kind
from worker.objects.object_encoding import ResultObject
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series

REGION, DIAMETER, CERTAINTY = ("111030", "DCM"), ("81827009", "SCT"), ("111012", "DCM")
PRESENCE, TRACKING_UID = ("121052", "DCM"), ("112040", "DCM")


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """An oblique series."""
    write_mr_series(tmp_path / "source", oblique=True)
    return load(tmp_path / "source")


@pytest.fixture
def case(series: LoadedSeries) -> Case:
    """Structures, detections and answers in one read."""
    return case_of(series, everything(series), a_nodule_card())


def everything(series: LoadedSeries) -> Reading:
    """Return structures, detections and answers in one reading."""
    answers = classified(series)
    return replace(detections_reading(series), findings=answers.findings, measurements=answers.measurements)


def groups_of(report: Dataset) -> list[Dataset]:
    """Return the measurement groups."""
    return [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]


def region_of(report: Dataset) -> Dataset:
    """Return the region of the first group."""
    return children(groups_of(report)[0], *REGION)[0]


def changed(case: Case, kind: Kind, change: Callable[[Dataset], None]) -> list[ResultObject]:
    """Return the results of a case after a change to one of them."""
    objects = []
    for made in build(case):
        data = made.data
        if made.kind == kind:
            dataset = parsed(data)
            change(dataset)
            buffer = BytesIO()
            dcmwrite(buffer, dataset)
            data = buffer.getvalue()
        objects.append(replace(made, data=data))
    return objects


@pytest.mark.parametrize("masks", [True, False])
def test_detections_pass_with_and_without_masks(series: LoadedSeries, *, masks: bool) -> None:
    """The bundle of a detector passes, also where nothing is segmented."""
    case = case_of(series, detections_reading(series, masks=masks), a_nodule_card())
    output_gate.check(build(case), case)


def test_answers_pass_beside_everything_else_and_alone(case: Case, series: LoadedSeries) -> None:
    """All kinds of group in one read pass, and so does a read that draws nothing."""
    output_gate.check(build(case), case)
    alone = case_of(series, classified(series), a_nodule_card())
    output_gate.check(build(alone), alone)


def test_results_of_some_kinds_pass(case: Case) -> None:
    """Where no destination wants the reports, the segmentation need not be told in one."""
    output_gate.check(build(case, ("SEG", "TEXT-SR")), case)
    output_gate.check(build(case, ("SEG", "REGION-SR", "TEXT-SR")), case)


def outside(report: Dataset) -> None:
    """Draw a point beyond the last column."""
    region_of(report).GraphicData[2] = 1000.0


def opened(report: Dataset) -> None:
    """End a line elsewhere than it began."""
    del region_of(report).GraphicData[-2:]


def other_shape(report: Dataset) -> None:
    """Draw points instead of a line."""
    region_of(report).GraphicType = "MULTIPOINT"


def no_such_frame(report: Dataset) -> None:
    """Refer to the fifth frame of an image of one."""
    region_of(report).ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber = 5


def no_image(report: Dataset) -> None:
    """Forget the image of a region."""
    del region_of(report).ContentSequence


def other_image(report: Dataset) -> None:
    """Refer to an image that nobody read."""
    region_of(report).ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def no_region(report: Dataset) -> None:
    """Leave a group of a region without it."""
    group = groups_of(report)[0]
    group.ContentSequence = [item for item in group.ContentSequence if name_of(item) != REGION]


def no_group(report: Dataset) -> None:
    """Leave out the first thing."""
    del report.ContentSequence[-1].ContentSequence[0]


def other_tracking(report: Dataset) -> None:
    """Track the first thing under another UID than elsewhere."""
    children(groups_of(report)[0], *TRACKING_UID)[0].UID = "1.2.3"


def other_diameter(report: Dataset) -> None:
    """Tell another diameter in this one report."""
    children(groups_of(report)[0], *DIAMETER)[0].MeasuredValueSequence[0].NumericValue = "14.6"


def other_unit(report: Dataset) -> None:
    """Tell the diameter in another unit."""
    item = children(groups_of(report)[0], *DIAMETER)[0].MeasuredValueSequence[0]
    item.MeasurementUnitsCodeSequence[0].CodeValue = "cm"


def other_answer(report: Dataset) -> None:
    """Turn present into absent."""
    item = next(item for group in groups_of(report) for item in children(group, *PRESENCE))
    item.ConceptCodeSequence[0].CodeValue = "2667000"


def other_certainty(report: Dataset) -> None:
    """Be certain by more than a hundred percent."""
    item = next(item for group in groups_of(report) for item in children(group, *CERTAINTY))
    item.MeasuredValueSequence[0].NumericValue = "9375"


def other_whole(report: Dataset) -> None:
    """Tell another number of the whole image."""
    groups_of(report)[-1].ContentSequence[-1].MeasuredValueSequence[0].NumericValue = "1"


def other_series(report: Dataset) -> None:
    """Name another series as the source of a segment."""
    children(groups_of(report)[0], "121232", "DCM")[0].UID = "1.2.3"


@pytest.mark.parametrize(
    ("kind", "change", "named"),
    [
        ("REGION-SR", outside, "regions: a region lies outside its image"),
        ("REGION-SR", opened, "regions: a region is not a closed line"),
        ("REGION-SR", other_shape, "regions: a region is a SCOORD MULTIPOINT"),
        ("REGION-SR", no_such_frame, "regions: a region refers to a frame that its image does not have"),
        ("REGION-SR", no_image, "regions: a region refers to no image"),
        ("REGION-SR", other_image, "regions: a region refers to an image that was not read"),
        ("REGION-SR", no_region, "kinds of group: a group has not the segment or region"),
        ("REGION-SR", no_group, "numbers: a report does not tell each thing that was found once"),
        ("REGION-SR", other_tracking, "tracking: one thing is tracked under two names or UIDs"),
        ("REGION-SR", other_diameter, "numbers: the numbers of Nodule 1 differ"),
        ("REGION-SR", other_unit, "numbers: the numbers of Nodule 1 differ"),
        ("SR", no_group, "tracking: a segment has no group"),
        ("SR", other_answer, "numbers: the answer about Pneumonia differs"),
        ("SR", other_certainty, "numbers: a certainty or probability is not from 0 to 100 percent"),
        ("SR", other_whole, "numbers: the numbers of the whole image differ"),
        ("SR", other_series, "evidence: names a series as a segment's source that was not read"),
    ],
)
def test_a_defect_is_named(case: Case, kind: Kind, change: Callable[[Dataset], None], named: str) -> None:
    """Each defect is held back, and the refusal names the check."""
    with pytest.raises(OutputRefused, match=named):
        output_gate.check(changed(case, kind, change), case)


def test_each_answer_is_told(case: Case) -> None:
    """A report of numbers that leaves out an answer of the reading is held back."""

    def without_it(report: Dataset) -> None:
        measured = report.ContentSequence[-1]
        assert children(measured.ContentSequence[-3], *PRESENCE)
        del measured.ContentSequence[-3]

    with pytest.raises(OutputRefused, match="numbers: the answer about Pneumonia differs"):
        output_gate.check(changed(case, "SR", without_it), case)


def test_an_implausible_volume_of_a_detection_is_held_back(series: LoadedSeries) -> None:
    """The card's range of a label counts for each of its detections."""
    narrow = NODULE.model_copy(update={"plausible_volume_ml": Range(max=0.1)})
    card = a_nodule_card()
    card = card.model_copy(update={"labels": (*card.labels[:-1], narrow)})
    case = case_of(series, detections_reading(series), card)
    with pytest.raises(OutputRefused, match="numbers: the volume of Nodule is not plausible"):
        output_gate.check(build(case), case)


def test_a_label_that_begins_alike_is_another(series: LoadedSeries) -> None:
    """The range of "Nodule with calcification" is not that of "Nodule 1", but that of its own detections."""
    calcified = NODULE.model_copy(
        update={"number": 12, "name": "Nodule with calcification", "plausible_volume_ml": Range(max=0.1)}
    )
    card = a_nodule_card()
    card = card.model_copy(update={"labels": (*card.labels, calcified)})
    reading = detections_reading(series)
    case = case_of(series, reading, card)
    output_gate.check(build(case), case)
    detections = tuple(replace(one, label=calcified) for one in reading.detections)
    case = case_of(series, replace(reading, detections=detections), card)
    with pytest.raises(OutputRefused, match="numbers: the volume of Nodule with calcification is not plausible"):
        output_gate.check(build(case), case)


def test_a_long_name_is_cut_before_its_number(series: LoadedSeries) -> None:
    """The detections of a label whose name leaves no room for a number are held against its range too."""
    long = NODULE.model_copy(update={"name": "N" * 64, "plausible_volume_ml": Range(max=0.1)})
    reading = detections_reading(series)
    detections = tuple(replace(one, label=long) for one in reading.detections)
    card = a_nodule_card()
    card = card.model_copy(update={"labels": (*card.labels[:-1], long)})
    case = case_of(series, replace(reading, detections=detections), card)
    with pytest.raises(OutputRefused, match=r"numbers: the volume of N+ is not plausible"):
        output_gate.check(build(case), case)
