"""SR-B: segments and answers, for machines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.card.card_parts import Concept
from models.card.manifest import Card
from models.findings import Finding, Reading
from models.interpreting.counting import counts_of
from tests.readings import (
    ABSENT,
    LABELS,
    NODULE,
    PRESENT,
    a_card,
    a_nodule_card,
    a_reading,
    case_of,
    classified,
    detections_reading,
    load,
    nothing_found,
)
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of, parsed
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series

FINDING, CERTAINTY, PRESENCE = ("121071", "DCM"), ("111012", "DCM"), ("121052", "DCM")
LATERALITY = ("272741003", "SCT")
SOURCE_IMAGE, SOURCE_SERIES = ("121112", "DCM"), ("121232", "DCM")


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """A series of a dozen images."""
    write_mr_series(tmp_path)
    return load(tmp_path)


@pytest.fixture
def one_image(tmp_path: Path) -> LoadedSeries:
    """A series of one image."""
    write_mr_series(tmp_path / "one", slices=1)
    return load(tmp_path / "one")


def report_of(series: LoadedSeries, reading: Reading, card: Card | None = None) -> Dataset | None:
    """Return the SR-B of a reading, read back from its bytes; None where there is none."""
    objects = build(case_of(series, reading, card or a_nodule_card()))
    return next((parsed(made.data) for made in objects if made.kind == "SR"), None)


def groups_of(report: Dataset | None) -> list[Dataset]:
    """Return the measurement groups."""
    assert report is not None
    return [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]


def coded(group: Dataset, name: tuple[str, str]) -> list[str]:
    """Return the meanings of a group's codes of this name."""
    return [item.ConceptCodeSequence[0].CodeMeaning for item in children(group, *name)]


def number(group: Dataset, name: tuple[str, str]) -> tuple[float, str]:
    """Return the group's number of this name and its unit."""
    (item,) = children(group, *name)
    value = item.MeasuredValueSequence[0]
    return float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue


def test_an_answer_about_the_whole_image_is_a_group(one_image: LoadedSeries) -> None:
    """Finding, present or absent, certainty in percent and the image, without any segmentation."""
    kinds = [made.kind for made in build(case_of(one_image, classified(one_image), a_nodule_card()))]
    assert "SEG" not in kinds
    present, absent, whole = groups_of(report_of(one_image, classified(one_image)))
    assert {group.ContentTemplateSequence[0].TemplateIdentifier for group in (present, absent, whole)} == {"1501"}
    assert (coded(present, FINDING), coded(present, PRESENCE)) == (["Pneumonia"], ["Present"])
    assert number(present, CERTAINTY) == (93.75, "%")
    assert (coded(absent, FINDING), coded(absent, PRESENCE)) == (["Pneumothorax"], ["Absent"])
    assert number(whole, ("112058", "DCM")) == (43.75, "1")
    for group in (present, absent, whole):
        (image,) = children(group, *SOURCE_IMAGE)
        assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == one_image.datasets[0].SOPInstanceUID


def test_the_evidence_names_the_images_of_a_volume_once(series: LoadedSeries) -> None:
    """No group of a volume repeats its images; a segment names the series, an answer leaves it to the evidence."""
    reading = replace(classified(series), labels=a_reading(series).labels, structures=a_reading(series).structures)
    report = report_of(series, reading)
    groups = groups_of(report)
    assert [len(children(group, *SOURCE_SERIES)) for group in groups] == [1, 1, 0, 0, 0]
    assert [item.UID for item in children(groups[0], *SOURCE_SERIES)] == [series.datasets[0].SeriesInstanceUID]
    assert not any(children(group, *SOURCE_IMAGE) for group in groups)
    assert report is not None
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    sources, segmentation = study.ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in sources.ReferencedSOPSequence] == [
        dataset.SOPInstanceUID for dataset in series.datasets
    ]
    assert len(segmentation.ReferencedSOPSequence) == 1


def test_an_answer_that_is_no_condition_is_told_under_its_question(series: LoadedSeries) -> None:
    """Where the answer is neither present nor absent, the question names it."""
    density = Concept(value="129715009", scheme="SCT", meaning="Breast composition")
    dense = Concept(value="129718006", scheme="SCT", meaning="Heterogeneously dense")
    (group,) = groups_of(report_of(series, Reading(findings=(Finding(name=density, value=dense),))))
    assert coded(group, ("129715009", "SCT")) == ["Heterogeneously dense"]
    assert not children(group, *CERTAINTY)


def test_a_detection_without_a_mask_is_left_to_the_report_of_regions(series: LoadedSeries) -> None:
    """SR-B has a group for what has a segment alone; where nothing has one, there is no SR-B."""
    groups = groups_of(report_of(series, detections_reading(series)))
    assert [group.ContentTemplateSequence[0].TemplateIdentifier for group in groups] == ["1411"] * 4
    assert report_of(series, detections_reading(series, masks=False)) is None


def test_that_no_lesion_was_found_is_an_answer(series: LoadedSeries) -> None:
    """A label of which parts are counted is told absent where there is none; an organ outside the images is not."""
    nothing = replace(nothing_found(series), missing=(*nothing_found(series).missing, NODULE))
    (group,) = groups_of(report_of(series, nothing))
    assert (coded(group, FINDING), coded(group, PRESENCE)) == (["Nodule"], ["Absent"])
    assert report_of(series, nothing_found(series), a_card()) is None


@pytest.mark.parametrize("found", ["left", "right"])
def test_what_is_absent_has_its_side(series: LoadedSeries, found: str) -> None:
    """Of two labels of one concept, one of each side, the one that was not found is told absent on its side alone."""
    sides = {
        side: NODULE.model_copy(update={"number": number, "name": f"{side} effusion", "laterality": side})
        for number, side in ((11, "left"), (12, "right"))
    }
    (other,) = sides.keys() - {found}
    reading = detections_reading(series)
    detections = tuple(replace(one, label=sides[found], site=None, laterality=None) for one in reading.detections)
    reading = replace(reading, detections=detections, missing=(sides[other],))
    card = a_nodule_card(
        labels=[*(label.model_dump() for label in LABELS), *(one.model_dump() for one in sides.values())]
    )
    case = case_of(series, reading, card)
    objects = build(case)
    output_gate.check(objects, case)
    groups = groups_of(report_of(series, reading, card))
    (absent,) = [group for group in groups if coded(group, PRESENCE) == ["Absent"]]
    assert (coded(absent, FINDING), coded(absent, LATERALITY)) == (["Nodule"], [other.capitalize()])
    assert {str(coded(group, LATERALITY)) for group in groups if coded(group, FINDING) == ["Nodule"]} == {
        "['Left']",
        "['Right']",
    }


def test_another_side_of_what_is_absent_stays_in_the_house(series: LoadedSeries) -> None:
    """The gate refuses an absent thing on a side that the reading does not say, or on none."""
    label = NODULE.model_copy(update={"name": "Right effusion", "laterality": "right"})
    reading = replace(nothing_found(series), missing=(label,))
    case = case_of(series, reading, a_nodule_card(labels=[label.model_dump()]))
    left = replace(reading, missing=(label.model_copy(update={"laterality": "left"}),))
    for wrong in (left, replace(reading, missing=(label.model_copy(update={"laterality": None}),))):
        with pytest.raises(OutputRefused, match="the side on which Right effusion is absent differs"):
            output_gate.check(build(replace(case, reading=wrong)), case)
    output_gate.check(build(case), case)


@pytest.mark.parametrize("name", ["Bleeding", "Nodule"])
@pytest.mark.parametrize("certainty", [95.0, None])
@pytest.mark.parametrize("found", [True, False])
def test_a_label_and_an_answer_may_be_about_one_thing(
    series: LoadedSeries, name: str, certainty: float | None, *, found: bool
) -> None:
    """A mask and an answer of one concept, whose meaning may be the label's name: each is told once, also if negative.

    What is not there is told by the answer alone, which is more certain of it than an empty mask.
    """
    label = NODULE.model_copy(update={"name": name, "instances": False, "measurements": ("count",)})
    marked = a_reading(series)
    structure = replace(marked.structures[0], label=label)
    answer = Finding(name=label.concept, value=PRESENT if found else ABSENT, certainty_percent=certainty)
    reading = Reading(missing=(label,), counts=counts_of((), (label,)), findings=(answer,))
    if found:
        assert marked.labels is not None
        labels = np.where(marked.labels == LABELS[0].number, label.number, 0).astype(np.uint8)
        reading = Reading(labels=labels, structures=(structure,), findings=(answer,))
    case = case_of(series, reading, a_card(labels=[label.model_dump()]))
    output_gate.check(build(case), case)
    groups = groups_of(report_of(series, reading, case.provenance.card))
    assert [coded(group, PRESENCE) for group in groups if children(group, *PRESENCE)] == [
        ["Present" if found else "Absent"]
    ]
    names = [children(group, "112039", "DCM")[0].TextValue for group in groups]
    assert len(set(names)) == len(names) == 2


def test_answers_of_one_meaning_are_tracked_apart(series: LoadedSeries) -> None:
    """Two answers may have other codes and the same words, and an answer the words by which we call the whole image."""
    local = Concept(value="P1", scheme="99TEST", meaning="Pneumonia")
    whole = Concept(value="P2", scheme="99TEST", meaning="Whole image")
    answers = classified(series)
    added = tuple(Finding(name=name, value=ABSENT) for name in (local, whole))
    case = case_of(series, replace(answers, findings=(*answers.findings, *added)), a_nodule_card())
    output_gate.check(build(case), case)


def test_an_answer_on_no_side_leaves_that_of_each_side(series: LoadedSeries) -> None:
    """That there is none on the left is no more said by an answer without a side, so it stays."""
    label = NODULE.model_copy(update={"name": "Left effusion", "laterality": "left"})
    answer = Finding(name=label.concept, value=PRESENT, certainty_percent=90.0)
    reading = replace(nothing_found(series), missing=(label,), findings=(answer,))
    case = case_of(series, reading, a_nodule_card(labels=[label.model_dump()]))
    output_gate.check(build(case), case)
    groups = groups_of(report_of(series, reading, case.provenance.card))
    assert [(coded(group, PRESENCE), coded(group, LATERALITY)) for group in groups] == [
        (["Present"], []),
        (["Absent"], ["Left"]),
    ]


def test_every_group_names_the_algorithm_and_what_is_tracked(series: LoadedSeries) -> None:
    """Name, version, family and manufacturer, a tracking identifier and a tracking UID stand in each group."""
    reading = replace(detections_reading(series), findings=classified(series).findings)
    groups = groups_of(report_of(series, reading, a_nodule_card(name="Größe")))
    assert len(groups) == 6
    for group in groups:
        assert [item.TextValue for item in children(group, "111001", "DCM")] == ["Größe"]
        assert [item.TextValue for item in children(group, "111003", "DCM")] == ["1.2"]
        assert [item.TextValue for item in children(group, "122405", "DCM")] == ["Test maker"]
        assert coded(group, ("111000", "DCM")) == ["Artificial Intelligence"]
        assert len(children(group, "112039", "DCM")) == len(children(group, "112040", "DCM")) == 1
    assert len({children(group, "112040", "DCM")[0].UID for group in groups}) == 6
