"""What a detector found without a mask becomes objects that pass the gate, on volumes and on images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.card.card_critical import DiameterRule
from models.card.manifest import Card
from models.findings import Reading
from models.interpreting.critical import critical_reasons
from models.reading import read
from models.runtimes.runtime import Arrays
from models.volume import Image, Volume
from tests.readings import NODULE, a_card, a_reading, case_of, load
from worker.case.case import Case
from worker.case.finding_sentences import findings_of, found_of, summary_of
from worker.case.notification_words import reason_sentence
from worker.case.sentences import words_in
from worker.gate import output_gate
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of, parsed
from worker.languages import LANGUAGES, Language
from worker.object_kinds import Kind
from worker.planar_testing import write_planar_image
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings
from worker.testing import write_mr_series

_PREPARATIONS: dict[str, dict[str, Any]] = {
    "volume": {"kind": "volume", "orientation": "LPS", "fit": "resize", "size": [16, 16, 16]},
    "image": {"kind": "image", "size": [16, 16]},
}


_WIDE = DiameterRule(when="diameter", label="Nodule", at_least=0.1)


def a_detector(kind: str, diameter: str = "longer-side", **label: Any) -> Card:
    """Return the card of a detector of nodules; keywords change its label."""
    return a_card(
        preparation=_PREPARATIONS[kind] | {"normalisation": "min-max"},
        interpretation={"kind": "boxes", "diameter": diameter},
        labels=[NODULE.model_dump() | {"number": 1, "instances": False} | label],
    )


def two_boxes(network: str, inputs: Arrays) -> Arrays:
    """Answer two boxes of different scores, of as many axes as the input has."""
    del network
    axes = next(iter(inputs.values())).ndim - 2
    return {
        "boxes": np.array([[6.0] * axes + [9.0] * axes, [10.0] * axes + [14.0] * axes], np.float32),
        "scores": np.array([0.625, 0.875], np.float32),
        "classes": np.array([1, 1]),
    }


def no_box(network: str, inputs: Arrays) -> Arrays:
    """Answer nothing."""
    return {name: array[:0] for name, array in two_boxes(network, inputs).items()}


def a_series(kind: str, folder: Path) -> LoadedSeries:
    """Return an oblique MR series, or one X-ray."""
    folder.mkdir()
    if kind == "volume":
        write_mr_series(folder, oblique=True)
    else:
        write_planar_image(folder / "1.dcm", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    return load(folder)


@pytest.mark.parametrize("kind", ["volume", "image"])
def test_boxes_become_regions(kind: str, tmp_path: Path) -> None:
    """Each box is one region on its image, with diameter and certainty; nothing is segmented; the gate passes all."""
    series, card = a_series(kind, tmp_path / kind), a_detector(kind)
    assert isinstance(series.source, Volume | Image)
    reading = read(card, series.source, two_boxes)
    case = case_of(series, reading, card)
    made = build(case)
    output_gate.check(made, case)
    objects = {each.kind: parsed(each.data) for each in made}
    assert "SEG" not in objects
    groups = [item for item in content_items(objects["REGION-SR"]) if name_of(item) == MEASUREMENT_GROUP]
    assert [_numbers(group) for group in groups] == [
        [measurement.value for measurement in detection.measurements] for detection in reading.detections
    ]
    for group, detection in zip(groups, reading.detections, strict=True):
        (region,) = children(group, "111030", "DCM")
        points = np.array(region.GraphicData).reshape(-1, 2)
        np.testing.assert_allclose(points[:-1, ::-1] - 0.5, detection.outline, atol=1e-4)


@pytest.mark.parametrize("kind", ["volume", "image"])
def test_no_box_is_a_negative(kind: str, tmp_path: Path) -> None:
    """A detector that finds nothing gives objects too, and they say what was looked for."""
    series, card = a_series(kind, tmp_path / kind), a_detector(kind)
    assert isinstance(series.source, Volume | Image)
    case = case_of(series, read(card, series.source, no_box), card)
    made = build(case)
    output_gate.check(made, case)
    assert "REGION-SR" not in {each.kind for each in made}
    assert "TEXT-SR" in {each.kind for each in made}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_certainty_is_never_told_as_a_size(language: Language, tmp_path: Path) -> None:
    """Where it is the only number, its name stands beside it: in the text SR, in the picture's words and over images.

    A bare "stenosis: 87.5 %" would be a narrowing by as much.
    """
    series, card = a_series("image", tmp_path / "image"), a_detector("image", "none", name="Stenosis", names={})
    assert isinstance(series.source, Image)
    reading = read(card, series.source, two_boxes)
    case = case_of(series, reading, card, report=ReportSettings(language=language))
    named = [case.words.named(detection.measurements[0]) for detection in reading.detections]
    assert case.words.within(reading.detections[0].measurements[0].name) in named[0]
    texts = [str(item.TextValue) for item in content_items(_made(case, "TEXT-SR")) if item.ValueType == "TEXT"]
    told = [text for text in (*texts, *findings_of(case), *_drawn_names(_made(case, "GSPS"))) if "%" in text]
    assert len(told) == 6
    assert all(any(number in text for number in named) for text in told)
    assert summary_of(case) == case.words.say("{name}: {count} found.", name="Stenosis", count=2)


def test_the_largest_is_the_largest_size(tmp_path: Path) -> None:
    """Not the most certain one."""
    series, card = a_series("image", tmp_path / "image"), a_detector("image")
    assert isinstance(series.source, Image)
    reading = read(card, series.source, two_boxes)
    turned = tuple(replace(one, measurements=one.measurements[::-1]) for one in reading.detections)
    size = words_in("en").measured(max((one.measurements[0] for one in reading.detections), key=lambda m: m.value))
    for detections in (reading.detections, turned):
        case = case_of(series, replace(reading, detections=detections), card)
        assert summary_of(case) == f"Nodule: 2 found, the largest {size}."


@pytest.mark.parametrize("kind", ["volume", "image"])
def test_a_box_at_the_edge_is_told_as_cut(kind: str, tmp_path: Path) -> None:
    """In the sentences, which stand in the picture too, over the images and in an alert; the other one is whole."""

    def at_the_edge(network: str, inputs: Arrays) -> Arrays:
        answer = two_boxes(network, inputs)
        answer["boxes"][1, answer["boxes"].shape[1] // 2 :] = 40.0
        return answer

    series, card = a_series(kind, tmp_path / kind), a_detector(kind)
    assert isinstance(series.source, Volume | Image)
    case = case_of(series, read(card, series.source, at_the_edge), card)
    told = "; cut off, may be larger"
    assert [sentence.endswith(told) for sentence in found_of(case)] == [True, False]
    size = words_in("en").measured(case.reading.detections[0].measurements[0])
    assert summary_of(case) == f"Nodule: 2 found, the largest at least {size}."
    names = _drawn_names(_made(case, "GSPS"))
    assert f"Nodule 1: at least {size}" in names
    assert not any("Nodule 2: at least" in name for name in names)
    rules = a_detector(kind).model_copy(update={"critical": (_WIDE,)}).critical
    alerts = [reason_sentence(reason, words_in("en")) for reason in critical_reasons(rules, case.reading)]
    assert [alert.endswith(told) for alert in alerts] == [True, False]


def test_an_area_at_the_edge_is_told_as_cut(tmp_path: Path) -> None:
    """As that of one structure: the other has no such words."""
    write_planar_image(tmp_path / "1.dcm", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    series = load(tmp_path)
    first, second = a_reading(series).structures
    reading = Reading(structures=(replace(first, cut=True), replace(second, cut=False)))
    cut, whole = found_of(case_of(series, reading, a_card()))
    (told,) = found_of(case_of(series, Reading(structures=(replace(first, cut=False),)), a_card()))
    assert cut == f"{told}; cut off, may be larger"
    assert "cut" not in whole


def _made(case: Case, kind: Kind) -> Dataset:
    return parsed(next(made.data for made in build(case, (kind,)) if made.kind == kind))


def _drawn_names(state: Dataset) -> list[str]:
    return [
        str(text.UnformattedTextValue)
        for annotation in state.GraphicAnnotationSequence
        for text in annotation.get("TextObjectSequence", ())
    ]


def _numbers(group: Dataset) -> list[float]:
    numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
    return [item.MeasuredValueSequence[0].FloatingPointValue for item in numbers]
