"""How many there are on images is one number, whoever tells it: text, SR and critical rule."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.card.manifest import Card
from models.interpreting.critical import critical_reasons
from models.reading import read
from models.volume import Image
from tests.readings import NODULE, a_card, case_of, load
from tests.unit.models.interpreting.test_detection import answering
from worker.case.finding_sentences import summary_of
from worker.case.site_filter import for_site
from worker.gate.output_gate import check
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings

THREE = [[1, 1, 5, 5], [10, 20, 15, 30], [1, 20, 5, 30]]
IMAGE = {"kind": "image", "size": [20, 40], "normalisation": "min-max", "fit": "stretch"}


def a_counting_card() -> Card:
    """Return the card of a detector that counts fractures; four are critical."""
    label = NODULE.model_dump() | {"number": 1, "name": "Fracture", "instances": False, "measurements": ("count",)}
    return a_card(
        labels=[label],
        preparation=IMAGE,
        interpretation={"kind": "boxes"},
        critical=[{"when": "count", "label": "Fracture", "at_least": 4}],
    )


def images(folder: Path, *attributes: dict[str, Any]) -> LoadedSeries:
    """Write an X-ray with each of these attributes, load them as one series."""
    for number, each in enumerate(attributes, start=1):
        write_planar_image(folder / f"{number}.dcm", a_chest(), number=number, attributes=each)
    return load(folder)


def told(series: LoadedSeries, settings: ReportSettings | None = None) -> tuple[str, float, bool]:
    """Return what the text says of three fractures in each image, what the SR counts, and whether it is critical."""
    card, report = a_counting_card(), settings or ReportSettings()
    assert isinstance(series.source, Image)
    found = read(card, series.source, answering(THREE, [0.9, 0.8, 0.7], [1, 1, 1]))
    assert len(found.detections) == 3 * len(series.source.array)
    reading = for_site(found, report, series.source)
    case = case_of(series, reading, card, report=report)
    check(build(case, ("SR", "REGION-SR", "TEXT-SR")), case)
    return summary_of(case), reading.counts[0].measurement.value, bool(critical_reasons(card.critical, reading))


def test_left_and_right_are_counted_together(tmp_path: Path) -> None:
    """Three fractures of each hand are six, and four are critical."""
    series = images(tmp_path, {"ImageLaterality": "L"}, {"ImageLaterality": "R"})
    assert told(series) == ("Fracture: 6 found.", 6, True)


def test_views_of_one_side_show_the_same_again(tmp_path: Path) -> None:
    """Two views of each hand: the most in one view of each."""
    sides = ({"ImageLaterality": side, "Laterality": ""} for side in "LRLR")
    assert told(images(tmp_path, *sides)) == ("Fracture: 6 found.", 6, True)


@pytest.mark.parametrize(
    "attributes",
    [
        ({"ViewPosition": "PA"}, {"ViewPosition": "LL"}),
        ({"ImageLaterality": "L"}, {"ImageLaterality": "L"}),
        ({"Laterality": "R"}, {"Laterality": "R"}),
        ({"ImageLaterality": "L"}, {"ImageLaterality": ""}),
        ({"ImageLaterality": "L"}, {"ImageLaterality": "B"}),
        ({"ImageLaterality": "U", "Laterality": "L"}, {"ImageLaterality": "R"}),
    ],
)
def test_without_both_sides_the_most_in_one_image_counts(attributes: tuple[Any, ...], tmp_path: Path) -> None:
    """Two views of one chest show each thing twice; so may images of which one does not say its side."""
    assert told(images(tmp_path, *attributes)) == ("Fracture: 3 found.", 3, False)


def test_frames_of_a_clip_show_the_same_again(tmp_path: Path) -> None:
    """The text too tells those of the frame that has most, not of all frames together."""
    clip = np.repeat(a_chest().astype(np.uint8)[np.newaxis], 5, axis=0)
    write_planar_image(tmp_path / "clip.dcm", clip, kind="US multi-frame", attributes={"Laterality": "L"})
    assert told(load(tmp_path)) == ("Fracture: 3 found.", 3, False)


def test_what_the_site_leaves_is_counted_in_the_same_way(tmp_path: Path) -> None:
    """Of both hands two are certain enough on each."""
    series = images(tmp_path, {"ImageLaterality": "L"}, {"ImageLaterality": "R"})
    assert told(series, ReportSettings(min_certainty_percent=75)) == ("Fracture: 4 found.", 4, True)
