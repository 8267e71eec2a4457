"""What no network was asked about, a blank image or frame, is no source of an answer, and is told by its number."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.card.card_preparation import ImagePreparation
from models.card.manifest import Card
from models.interpreting.image_reading import PART
from models.reading import read
from models.runtimes.runtime import Arrays
from tests.readings import NODULE, a_card, case_of, load
from worker.case.case import Case
from worker.case.finding_sentences import findings_of, scope_of
from worker.case.sentences import words_in
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of, parsed
from worker.languages import LANGUAGES, Language
from worker.planar_testing import a_chest, groups_at, write_planar_image
from worker.results import build
from worker.selecting.tag_rules import TagRule
from worker.series.series_volume import load_series
from worker.settings import ReportSettings

SOURCE_IMAGE, COMMENT = ("121112", "DCM"), ("121106", "DCM")


def a_counter(**preparation: Any) -> Card:
    """Return the card of a detector that counts nodules."""
    return a_card(
        preparation={"kind": "image", "size": [16, 16], "normalisation": "min-max"} | preparation,
        interpretation={"kind": "boxes"},
        labels=[NODULE.model_dump() | {"number": 1, "instances": False, "measurements": ("count",)}],
    )


def nothing(network: str, inputs: Arrays) -> Arrays:
    """Answer no box."""
    del network, inputs
    return {"boxes": np.empty((0, 4), np.float32), "scores": np.empty(0, np.float32), "classes": np.empty(0, np.intp)}


def two_chests(folder: Path, language: Language = "en", card: Card | None = None) -> Case:
    """Return the read of two images of one series, of which the second, number 7, is blank."""
    write_planar_image(folder / "a.dcm", a_chest(), number=3)
    write_planar_image(folder / "b.dcm", np.full_like(a_chest(), 100), number=7)
    series, card = load(folder), card or a_counter()
    reading = read(card, series.source, nothing)
    return case_of(series, reading, card, report=ReportSettings(language=language))


def report_of(case: Case) -> Dataset:
    """Return the SR of a case that passes the gate."""
    objects = build(case)
    output_gate.check(objects, case)
    return next(parsed(made.data) for made in objects if made.kind == "SR")


def sources_in(report: Dataset) -> list[list[Dataset]]:
    """Return the source images of each group."""
    groups = [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]
    return [[item.ReferencedSOPSequence[0] for item in children(group, *SOURCE_IMAGE)] for group in groups]


def comments_in(report: Dataset) -> list[str]:
    """Return the sentences beside the groups."""
    return [str(item.TextValue) for item in content_items(report) if name_of(item) == COMMENT]


def test_a_negative_is_of_the_image_that_was_read(tmp_path: Path) -> None:
    """Absent, and a count of 0, name the first image alone; SR and text say which was not read."""
    case = two_chests(tmp_path)
    assert case.reading.unread == (1,)
    report, seen = report_of(case), str(case.series.datasets[0].SOPInstanceUID)
    groups = sources_in(report)
    assert len(groups) == 2  # absent, and how many
    assert [[str(one.ReferencedSOPInstanceUID) for one in group] for group in groups] == [[seen], [seen]]
    told = "Not read, by their image numbers: 7."
    assert told in comments_in(report)
    assert told in findings_of(case)
    assert "Images without any contrast, which were not read: 1." in comments_in(report)
    assert "It read 1 of 2 images of one DX series." in scope_of(case)


def test_a_negative_is_of_the_frames_that_were_read(tmp_path: Path) -> None:
    """Of a clip the frames are named; where they are many, the evidence has the clip and the sentence the others."""
    chest = np.stack([a_chest()]).astype(np.uint8)
    dark = np.zeros_like(chest)
    card = a_counter()
    for order, frames, told in (
        ((chest, dark, chest), [1, 3], "2"),
        ((dark, dark, *[chest] * 5, dark), None, "1-2, 8"),
    ):
        folder = tmp_path / str(len(order))
        write_planar_image(folder / "clip.dcm", np.concatenate(order), kind="US multi-frame", bits=8)
        series = load(folder)
        case = case_of(series, read(card, series.source, nothing), card)
        report = report_of(case)
        named = [[list(one.ReferencedFrameNumber) for one in group] for group in sources_in(report)]
        assert named == [[frames]] * 2 if frames else named == [[], []]
        assert f"Not read, by their image numbers: {told}." in comments_in(report)


def test_an_answer_is_of_the_frames_that_the_card_reads(tmp_path: Path) -> None:
    """Of the others no network was asked, and the gate refuses an answer that names the whole clip."""
    clip = write_planar_image(
        tmp_path / "clip.dcm",
        np.stack([a_chest()] * 3),
        kind="XA",
        attributes={"PerFrameFunctionalGroupsSequence": groups_at(1, 2, 2)},
    )
    rule = TagRule.model_validate({"tag": "TemporalPositionIndex", "equals": "2"})
    series, card = load_series([clip], max_voxels=10**6, images=rule), a_counter()
    case = case_of(series, read(card, series.source, nothing), card)
    assert [[one.ReferencedFrameNumber for one in group] for group in sources_in(report_of(case))] == [[[2, 3]]] * 2
    of_all = replace(case, series=replace(series, frame_numbers=(1, 2, 3)))
    with pytest.raises(OutputRefused, match="an answer names an image that was not read"):
        output_gate.check(build(of_all), case)


def test_what_was_read_whole_is_told_as_before(tmp_path: Path) -> None:
    """Both images are sources, and nothing is said of images that were not read."""
    case = two_chests(tmp_path)
    write_planar_image(tmp_path / "b.dcm", a_chest(), number=7)
    series = load(tmp_path)
    whole = replace(case, series=series, reading=read(a_counter(), series.source, nothing))
    report = report_of(whole)
    assert [len(group) for group in sources_in(report)] == [2, 2]
    assert comments_in(report) == []
    assert "It read one DX series of 2 images." in scope_of(whole)


def test_what_a_crop_leaves_out_is_told_beside_the_numbers(tmp_path: Path) -> None:
    """Who reads SR-B alone learns that a part of the images only was looked at."""
    card = a_counter(fit="crop", size=[16, 8])
    assert isinstance(card.preparation, ImagePreparation)
    assert PART in comments_in(report_of(two_chests(tmp_path, card=card)))


def test_the_gate_refuses_an_answer_of_an_image_that_was_not_read(tmp_path: Path) -> None:
    """As an SR would have that names all images of the series."""
    case = two_chests(tmp_path)
    objects = build(replace(case, reading=replace(case.reading, unread=())))
    with pytest.raises(OutputRefused, match="an answer names an image that was not read"):
        output_gate.check(objects, case)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_which(tmp_path: Path, language: Language) -> None:
    """The number of the image, and how many of how many."""
    case = two_chests(tmp_path, language)
    assert case.words is words_in(language)
    assert any("7" in sentence for sentence in comments_in(report_of(case)))
    assert any("1" in sentence and "2" in sentence and "DX" in sentence for sentence in scope_of(case))
