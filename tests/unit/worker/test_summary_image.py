"""The picture as an object that every viewer shows."""

from pathlib import Path

import numpy as np

from tests.readings import (
    a_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
)
from worker.key_slices import key_slices
from worker.object_encoding import encoded
from worker.summary_image import build_summary_image
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
