"""The picture as an object that every viewer shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from tests.readings import (
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
)
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import parsed
from worker.objects.key_slices import key_slices
from worker.objects.object_encoding import encoded
from worker.pictures.summary_image import build_summary_image
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build
from worker.testing import write_mr_series


def test_it_is_the_picture_in_true_colour(tmp_path: Path) -> None:
    """Pixels, size and colour are what the image says; no patient is burnt in, and it names the slices it shows."""
    write_mr_series(tmp_path, slices=20)
    series = load(tmp_path)
    case = case_of(series, a_reading(series), a_card())
    image = build_summary_image(case)
    pixels = np.frombuffer(image.PixelData, np.uint8).reshape(image.Rows, image.Columns, 3)
    assert (image.PhotometricInterpretation, image.BurnedInAnnotation, image.Modality) == ("RGB", "NO", "OT")
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    shown = [item.ReferencedSOPInstanceUID for item in image.SourceImageSequence]
    assert shown == [series.datasets[k].SOPInstanceUID for k in key_slices(case.reading, 20)]


@pytest.mark.parametrize("keyword", ["BurnedInAnnotation", "RecognizableVisualFeatures"])
@pytest.mark.parametrize(
    ("shown", "others", "told"), [("YES", "NO", "YES"), ("NO", "YES", "NO"), ("", "YES", "NO"), ("NO", "NO", "NO")]
)
def test_what_is_burnt_into_what_it_shows_is_said(
    tmp_path: Path, keyword: str, shown: str, others: str, told: str
) -> None:
    """Picture and document say YES where an image that they show does, and NO whatever the others say; the gate agrees.

    Said otherwise, it is refused.
    """
    other = "BurnedInAnnotation" if keyword == "RecognizableVisualFeatures" else "RecognizableVisualFeatures"
    for number in (1, 2, 3):
        attributes = {keyword: shown if number == 2 else others}
        write_planar_image(tmp_path / f"{number}.dcm", a_chest(), number=number, attributes=attributes)
    series = load(tmp_path)
    reading = detections_reading(series, masks=False)
    case = case_of(series, replace(reading, detections=reading.detections[:1]), a_nodule_card())
    assert case.reading.detections[0].slice_index == 1
    objects = build(case, ("TEXT-SR", "SC", "PDF"))
    output_gate.check(objects, case)
    _, *pictures = objects
    for made in pictures:
        dataset = parsed(made.data)
        assert (dataset[keyword].value, dataset[other].value) == (told, "NO")
        setattr(dataset, keyword, "NO" if told == "YES" else "YES")
        wrong = [encoded(dataset, made.kind) if each is made else each for each in objects]
        with pytest.raises(OutputRefused, match=f"burnt in: .* does not say of {keyword}"):
            output_gate.check(wrong, case)


def test_files_of_results_are_asked_too(tmp_path: Path) -> None:
    """A picture names what it shows; a document does not say what of its sources it shows, so it may say either."""
    for number in (1, 2):
        attributes = {"BurnedInAnnotation": "YES" if number == 1 else "NO"}
        write_planar_image(tmp_path / f"{number}.dcm", a_chest(), number=number, attributes=attributes)
    series = load(tmp_path)
    reading = detections_reading(series, masks=False)
    case = case_of(series, replace(reading, detections=reading.detections[1:]), a_nodule_card())
    sources = sorted(tmp_path.iterdir())
    files = []
    for made in build(case, ("TEXT-SR", "SC", "PDF")):
        files.append(tmp_path / f"{made.kind}.result")
        files[-1].write_bytes(made.data)
    output_gate.check_files(files, sources)
    for kind, passes in (("PDF", True), ("SC", False)):
        dataset = dcmread(tmp_path / f"{kind}.result")
        assert dataset.BurnedInAnnotation == "NO"
        dataset.BurnedInAnnotation = "YES"
        dataset.save_as(tmp_path / f"{kind}.result")
        if passes:
            output_gate.check_files(files, sources)
        else:
            with pytest.raises(OutputRefused, match="burnt in: OT does not say of BurnedInAnnotation"):
                output_gate.check_files(files, sources)


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing random and no time of now is in it."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    first, second = (
        encoded(build_summary_image(case_of(series, a_reading(series), a_card())), "SC").data for _ in range(2)
    )
    assert first == second


def test_a_waveform_has_one_too() -> None:
    """An ECG's picture refers to no image."""
    image = build_summary_image(case_of(an_ecg(), an_ecg_reading(), an_ecg_card()))
    assert "SourceImageSequence" not in image
    assert image.Rows * image.Columns * 3 == len(image.PixelData)


def test_detections_decide_which_slices_are_shown(tmp_path: Path) -> None:
    """Where something was found, its slice is in the picture, whatever else is segmented."""
    write_mr_series(tmp_path, slices=20)
    series = load(tmp_path)
    reading = detections_reading(series)
    assert key_slices(reading, 20) == sorted({one.slice_index for one in reading.detections})
