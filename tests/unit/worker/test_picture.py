"""Pictures for people."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from models.findings import Reading
from models.volume import Volume
from tests.readings import (
    LABELS,
    a_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    load,
    nothing_found,
)
from worker.picture import banner, key_slices, orientation_letters, render
from worker.testing import write_mr_series


def pixels_of(png: bytes) -> np.ndarray:
    """Decode a PNG to ``(rows, columns, 3)``."""
    with Image.open(BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_contours_are_drawn_in_the_colours_of_the_card(tmp_path: Path) -> None:
    """Both structures are drawn in their colours, outside the legend; a picture of nothing found has neither."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    drawn, empty = (
        pixels_of(render(case_of(series, reading, a_card())))[:, :900]
        for reading in (a_reading(series), nothing_found(series))
    )
    for label in LABELS[:2]:
        assert (drawn == label.colour_rgb).all(axis=2).sum() > 50
        assert not (empty == label.colour_rgb).all(axis=2).any()


def test_the_same_reading_gives_the_same_picture(tmp_path: Path) -> None:
    """Nothing random and no time is in a picture."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    assert render(case_of(series, a_reading(series), a_card())) == render(case_of(series, a_reading(series), a_card()))


def test_an_ecg_is_drawn_with_its_marks() -> None:
    """The stretches of the marks are tinted."""
    series = an_ecg()
    marked, plain = (
        pixels_of(render(case_of(series, reading, an_ecg_card()))) for reading in (an_ecg_reading(), Reading())
    )
    assert (marked != plain).any(axis=2).sum() > 5000


def test_key_slices_are_labelled_and_apart() -> None:
    """The slices lie where the label is, in order, at most six; without a label the middle one is shown."""
    labels = np.zeros((40, 8, 8), np.uint8)
    assert key_slices(labels) == [20]
    labels[10:30, 2:6, 2:6] = 1
    chosen = key_slices(labels)
    assert len(chosen) == 6
    assert chosen == sorted(chosen)
    assert all(labels[k].any() for k in chosen)
    assert min(np.diff(chosen)) > 1
    labels[:] = 0
    labels[7] = 1
    assert key_slices(labels) == [7]


def test_letters_say_what_lies_where(tmp_path: Path) -> None:
    """An axial slice shows the right on the left and the front on top; an oblique one has two letters."""
    write_mr_series(tmp_path / "straight")
    write_mr_series(tmp_path / "oblique", oblique=True)
    straight, oblique = (load(tmp_path / name).source for name in ("straight", "oblique"))
    assert isinstance(straight, Volume)
    assert isinstance(oblique, Volume)
    assert orientation_letters(straight) == ("R", "L", "A", "P")
    assert orientation_letters(oblique)[2:] == ("AF", "PH")


def test_the_banner_says_research_unless_cleared() -> None:
    """Every picture says AI and not verified; only a research model's says RESEARCH."""
    series = an_ecg()
    assert banner(case_of(series, Reading(), a_card())).startswith("RESEARCH")
    approved = a_card(regulatory={"status": "cleared", "udi": "x", "regions": ["EU"]})
    cleared = banner(case_of(series, Reading(), approved))
    assert cleared.startswith("AI, not verified")
