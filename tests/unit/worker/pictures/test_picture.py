"""Pictures for people."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from PIL import Image
from pydicom.dataset import Dataset

from models.card.card_parts import Concept
from models.findings import Finding, HeatMap, Measurement, Reading
from models.interpreting.critical_reason import CriticalReason
from models.reading import PART
from models.volume import Image as Planar
from models.volume import Volume
from tests.readings import (
    ABSENT,
    LABELS,
    ML,
    PNEUMONIA,
    PRESENT,
    a_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
    nothing_found,
)
from worker.case.case import Case
from worker.case.finding_sentences import caveats_of
from worker.case.foremost_words import foremost_sentences
from worker.case.picture_words import banner
from worker.jobs.superseded_read import SupersededRead
from worker.languages import Language
from worker.objects.key_slices import (
    columns_of,
    key_slices,
    orientation_letters,
    scale_bar_mm,
    shown_part,
    view_of,
    window_of,
)
from worker.pictures import picture, picture_style, slice_picture
from worker.pictures.ecg_picture import draw_ecg
from worker.pictures.picture import render
from worker.pictures.picture_style import for_pictures
from worker.pictures.slice_picture import draw_slices
from worker.planar_testing import a_chest, write_planar_image
from worker.settings import ReportSettings
from worker.testing import write_mr_series

EFFUSION = Concept(value="60046008", scheme="SCT", meaning="Pleural effusion")


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


def test_dollars_are_no_formulas(tmp_path: Path) -> None:
    """Names come from cards and programs: what stands between two dollars is drawn as it is."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    card = a_card()
    named = card.labels[0].model_copy(update={"name": "A $^$ of Doe"})
    reading = a_reading(series)
    found = replace(reading.structures[0], label=named)
    assert render(case_of(series, replace(reading, structures=(found, *reading.structures[1:])), card))


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


@pytest.mark.parametrize("lead", ["II", "V1"])
def test_marks_lie_on_the_lead_that_they_were_seen_in(lead: str) -> None:
    """The large strip is the lead that was read, whichever it is: marks of V1 do not lie on II."""
    series = an_ecg()
    figure = Figure()
    draw_ecg(figure, series.source, case_of(series, an_ecg_reading(lead), an_ecg_card()))
    large, *small = figure.axes
    assert [text.get_text() for text in large.texts] == [lead]
    assert large.get_legend() is not None
    assert lead not in {text.get_text() for axes in small for text in axes.texts}


def test_key_slices_are_labelled_and_apart() -> None:
    """The slices lie where the label is, in order, at most six; without a label the middle one is shown."""
    labels = np.zeros((40, 8, 8), np.uint8)
    assert key_slices(Reading(labels=labels), 40) == [20]
    labels[10:30, 2:6, 2:6] = 1
    chosen = key_slices(Reading(labels=labels), 40)
    assert len(chosen) == 6
    assert chosen == sorted(chosen)
    assert all(labels[k].any() for k in chosen)
    assert min(np.diff(chosen)) > 1
    labels[:] = 0
    labels[7] = 1
    assert key_slices(Reading(labels=labels), 40) == [7]


def test_letters_say_what_lies_where(tmp_path: Path) -> None:
    """An axial slice shows the right on the left and the front on top; an oblique one has two letters."""
    write_mr_series(tmp_path / "straight")
    write_mr_series(tmp_path / "oblique", oblique=True)
    straight, oblique = (load(tmp_path / name).source for name in ("straight", "oblique"))
    assert isinstance(straight, Volume)
    assert isinstance(oblique, Volume)
    assert orientation_letters(straight) == ("R", "L", "A", "P")
    assert orientation_letters(oblique)[2:] == ("AF", "PH")


def test_each_x_ray_has_its_own_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The views of one series differ in what lies where; none has the letters of another, also where one has none."""
    for number, stated in enumerate((["L", "F"], ["P", "F"], None), start=1):
        write_planar_image(
            tmp_path / f"{number}.dcm", a_chest(), number=number, attributes={"PatientOrientation": stated}
        )
    series = load(tmp_path)
    assert isinstance(series.source, Planar)
    view = view_of(series.source, series.datasets)
    expected = [("R", "L", "H", "F"), ("A", "P", "H", "F"), ("", "", "", "")]
    assert [view.letters_on(k) for k in range(3)] == expected
    burnt: list[tuple[str, ...]] = []
    monkeypatch.setattr(slice_picture, "_letter", lambda _, letters: burnt.append(letters))
    detections = detections_reading(series, masks=False).detections
    reading = Reading(detections=tuple(replace(detections[0], number=k + 1, slice_index=k) for k in range(3)))
    render(case_of(series, reading, a_card()))
    assert burnt == expected


def test_pixels_that_are_no_squares_are_drawn_as_they_are(tmp_path: Path) -> None:
    """By the Pixel Aspect Ratio of each image where no spacing is stated, as the model has seen it."""
    for number, ratio in enumerate((["2", "1"], ["1", "2"], None), start=1):
        write_planar_image(
            tmp_path / f"{number}.dcm",
            a_chest(),
            kind="CR",
            number=number,
            attributes={"PixelAspectRatio": ratio} if ratio else {},
            without=("PixelSpacing", "ImagerPixelSpacing"),
        )
    series = load(tmp_path)
    assert isinstance(series.source, Planar)
    detections = detections_reading(series, masks=False).detections
    reading = Reading(detections=tuple(replace(detections[0], number=k + 1, slice_index=k) for k in range(3)))
    figure = Figure()
    draw_slices(figure, series.source, case_of(series, reading, a_card()))
    assert [axes.get_aspect() for axes in figure.axes] == [2.0, 0.5, 1.0]


def test_the_frames_of_a_clip_share_its_letters(tmp_path: Path) -> None:
    """Patient Orientation is said once for all of them."""
    clip = np.random.default_rng(1).integers(0, 255, (3, 40, 32)).astype(np.uint8)
    write_planar_image(tmp_path / "1.dcm", clip, kind="US multi-frame")
    series = load(tmp_path)
    assert isinstance(series.source, Planar)
    view = view_of(series.source, series.datasets)
    assert {view.letters_on(k) for k in range(3)} == {("R", "L", "H", "F")}


def test_the_banner_says_research_unless_cleared() -> None:
    """Every picture says AI and not verified; only a research model's says RESEARCH."""
    series = an_ecg()
    assert banner(case_of(series, Reading(), a_card())).startswith("RESEARCH")
    approved = a_card(regulatory={"status": "cleared", "udi": "x", "regions": ["EU"]})
    cleared = banner(case_of(series, Reading(), approved))
    assert cleared.startswith("AI, not verified")


def test_a_cts_own_window_is_used() -> None:
    """A CT is shown as its source says, everything else by nearly all of its values."""
    array = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
    head = Dataset()
    head.Modality, head.WindowCenter, head.WindowWidth = "CT", ["40", "400"], ["400", "1500"]
    assert window_of(array, head) == (-160.0, 240.0)
    head.Modality = "MR"
    low, high = window_of(array, head)
    assert 0 < low < 20
    assert 980 < high < 1000


@pytest.mark.parametrize(("width_mm", "bar_mm"), [(300, 50), (90, 20), (40, 10), (7, 1)])
def test_the_scale_is_a_round_number(width_mm: float, bar_mm: float) -> None:
    """1, 2 or 5 times a power of ten, at most a quarter of the picture."""
    assert scale_bar_mm(width_mm) == bar_mm


def test_a_picture_speaks_english_where_no_font_has_the_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Japanese needs a font that has it: with one the picture is Japanese, without one English, never empty boxes."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    case = case_of(series, a_reading(series), a_card(), report=ReportSettings(language="ja"))
    monkeypatch.setattr(picture_style, "_installed", frozenset)
    told, fonts = for_pictures(case)
    assert (told.report.language, fonts) == ("en", ["DejaVu Sans"])
    monkeypatch.setattr(picture_style, "_installed", lambda: frozenset({"Noto Sans CJK JP"}))
    told, fonts = for_pictures(case)
    assert (told.report.language, fonts) == ("ja", ["DejaVu Sans", "Noto Sans CJK JP"])


def test_long_legends_fit(tmp_path: Path) -> None:
    """A hundred structures do not run off the page: what does not fit is counted."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    reading = a_reading(series)
    many = replace(reading, structures=reading.structures * 50)
    pixels = pixels_of(render(case_of(series, many, a_card())))
    assert (pixels[-8:, 960:] == pixels[-1, -1]).all()


def words_drawn(case: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[Figure, list[Artist]]:
    """Return the figure of a case's picture and what is set in words beside the images, from top to bottom."""
    figures: list[Figure] = []
    monkeypatch.setattr(picture, "Figure", lambda **values: figures.append(Figure(**values)) or figures[-1])
    render(case)
    monkeypatch.undo()
    _, *texts = figures[0].texts
    set_in_words = [*(text for text in texts if text.get_text()), *figures[0].legends]
    return figures[0], sorted(set_in_words, key=lambda artist: -artist.get_window_extent().y1)


def words_of(artist: Artist) -> str:
    """Return what something that was drawn says, in one line."""
    told = [text.get_text() for text in artist.get_texts()] if isinstance(artist, Legend) else [artist.get_text()]
    return " ".join(" ".join(told).split())


CHEST_FINDINGS = tuple(
    Finding(
        name=Concept(value=f"{number}00", scheme="99TEST", meaning=f"Pleural thickening {number}"),
        value=PRESENT if number == 13 else ABSENT,
        certainty_percent=91.0,
    )
    for number in range(24)
)


@pytest.mark.parametrize("findings", [14, 18, 24])
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("urgent", [False, True])
def test_nothing_is_printed_over_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, findings: int, language: Language, *, urgent: bool
) -> None:
    """Many answers, also critical ones, leave what must be read legible: no part of the words reaches into another."""
    write_planar_image(tmp_path / "a.dcm", a_chest(), number=1)
    reading = Reading(findings=CHEST_FINDINGS[:findings], warnings=(PART,))
    case = case_of(load(tmp_path), reading, a_card(), report=ReportSettings(language=language))
    if urgent:
        reasons = [
            CriticalReason(kind="present", name=each.name.meaning, concept=each.name) for each in CHEST_FINDINGS[:4]
        ]
        case = replace(case, critical=tuple(reasons), late_after_s=600.0)
    figure, artists = words_drawn(case, monkeypatch)
    boxes = [artist.get_window_extent() for artist in artists]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
    assert boxes[0].y1 < figure.texts[0].get_window_extent().y0
    assert boxes[-1].y0 > 0
    told = words_of(artists[-1])
    for caveat in (case.words.tell(PART), *caveats_of(case)):
        assert caveat in told


def test_no_words_run_off_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where letters are wide, bold ones above all, lines are broken earlier."""
    write_mr_series(tmp_path)
    wide = Concept(value="1", scheme="99TEST", meaning="MIDMESENCEPHALIC MAMMILLARY WIDTH")
    reading = Reading(measurements=(Measurement(name=wide, value=12.0, unit=ML),) * 5)
    figure, artists = words_drawn(case_of(load(tmp_path), reading, a_card()), monkeypatch)
    summary = next(artist for artist in artists if words_of(artist).startswith(wide.meaning))
    assert summary.get_window_extent().x1 <= figure.bbox.width


def test_what_was_not_found_is_never_among_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 55 structures some are counted only; the five that are missing, and what was not read, are named."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    reading = a_reading(series)
    missing = tuple(LABELS[2].model_copy(update={"name": f"Organ {number}"}) for number in range(5))
    reading = replace(
        reading, structures=(reading.structures * 28)[:55], missing=missing, warnings=(PART, "Known before.")
    )
    _, artists = words_drawn(case_of(series, reading, a_card()), monkeypatch)
    listed, beware = map(words_of, artists[-2:])
    assert re.search(r"and \d+ more$", listed)
    assert "Looked for and not found: Organ 0, Organ 1, Organ 2, Organ 3, Organ 4." in beware
    assert str(PART) in beware
    assert "Known before." in beware


def test_answers_that_the_summary_tells_make_room_for_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not all has room the list is of what the summary only counts, and that it is cut stands there."""
    write_planar_image(tmp_path / "a.dcm", a_chest(), number=1)
    series = load(tmp_path)
    reading = replace(detections_reading(series, masks=False), findings=CHEST_FINDINGS)
    reading = replace(reading, detections=tuple(replace(each, cut=True) for each in reading.detections))
    _, artists = words_drawn(case_of(series, reading, a_card()), monkeypatch)
    summary, listed = map(words_of, artists[:2])
    assert all(finding.name.meaning in summary for finding in CHEST_FINDINGS)
    assert "Pleural thickening" not in listed
    assert listed.count("may be larger") == len(reading.detections)


def foremost_case(folder: Path, reading: Reading | None = None) -> Case:
    """Return a case that is critical, late, and takes the place of an earlier read."""
    write_mr_series(folder)
    series = load(folder)
    label = LABELS[0]
    reason = CriticalReason(kind="volume", name=label.name, concept=label.concept, value=35.4, unit="ml", at_least=30.0)
    earlier = SupersededRead(
        read_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC), objects=(), destinations=frozenset(("pacs",))
    )
    case = case_of(series, reading or a_reading(series), a_card())
    return replace(case, critical=(reason,), late_after_s=600.0, superseded=earlier)


def test_what_comes_first_in_words_comes_first_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sees only the picture sees that a read is critical or late, and that it takes an earlier one's place."""
    case = foremost_case(tmp_path)
    figures: list[Figure] = []
    monkeypatch.setattr(picture, "Figure", lambda **values: figures.append(Figure(**values)) or figures[-1])
    render(case)
    told = " ".join(" ".join(text.get_text() for text in figures[0].texts).split())
    summary = told.index("structures were outlined")
    for sentence in foremost_sentences(case):
        assert 0 < told.index(sentence) < summary


def test_what_comes_first_leaves_room_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long lists below it are cut earlier, and do not run into the lines at the bottom or off the page."""
    case = foremost_case(tmp_path)
    many = replace(case, reading=replace(case.reading, structures=case.reading.structures * 50))
    _, artists = words_drawn(many, monkeypatch)
    pixels = pixels_of(render(many))
    assert (pixels[-8:, 960:] == pixels[-1, -1]).all()
    listed, beware = artists[-2:]
    assert words_of(listed).endswith(" more")
    assert listed.get_window_extent().y0 > beware.get_window_extent().y1


def heat_map(name: Concept, hot: tuple[int, int, int], shape: tuple[int, int, int]) -> HeatMap:
    """Return a heat map that is hot at one voxel."""
    heat = np.zeros(shape, np.float32)
    heat[hot] = 0.8
    return HeatMap(name=name, array=heat)


def test_a_heat_map_is_shown_where_it_is_hottest() -> None:
    """Where nothing was outlined, the picture shows the slice that spoke most for the finding, if any spoke."""
    cold = HeatMap(name=PNEUMONIA, array=np.zeros((9, 4, 4), np.float32))
    assert key_slices(Reading(heat_maps=(heat_map(PNEUMONIA, (6, 1, 1), (9, 4, 4)),)), 9) == [6]
    assert key_slices(Reading(heat_maps=(cold,)), 9) == [4]


def test_each_heat_map_is_shown_alone_and_by_its_name(tmp_path: Path) -> None:
    """Of two heat maps beside outlines each has an image of its own, which says what it spoke for."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    reading = a_reading(series)
    assert reading.labels is not None
    maps = tuple(heat_map(name, (3, 9, 9), reading.labels.shape) for name in (PNEUMONIA, EFFUSION))
    outlined = key_slices(reading, 20)
    both = replace(reading, heat_maps=maps)
    assert key_slices(both, 20) == sorted({*outlined, 3})
    figure = Figure()
    draw_slices(figure, series.source, case_of(series, both, a_card()))
    told = [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text().startswith("image")]
    number = int(series.datasets[3].InstanceNumber)
    named = [f"image {number}, heat map: {name.meaning}" for name in (PNEUMONIA, EFFUSION)]
    assert len(told) == len(outlined) + 2
    assert told[-2:] == named


def test_the_air_around_the_patient_is_cut_off_and_nothing_found_is() -> None:
    """A volume is shown as far as there is anything to see, or anything was found; an X-ray to its edges."""
    array = np.zeros((3, 100, 80), np.float32)
    array[:, 40:60, 30:50] = 100.0
    head, labels = Dataset(), np.zeros(array.shape, np.uint8)
    volume = view_of(Volume(array=array, affine=np.eye(4)), [head])
    assert shown_part(volume, Reading(), [1]) == (39, 60, 29, 50)
    labels[1, 5:8, 70:75] = 1
    assert shown_part(volume, Reading(labels=labels), [1]) == (3, 61, 28, 76)
    planar = view_of(Planar(array=array, spacing_mm=None), [head])
    assert shown_part(planar, Reading(), [1]) == (0, 99, 0, 79)


@pytest.mark.parametrize(
    ("images", "height_per_width", "columns"),
    [(6, 1.2, 3), (6, 0.4, 2), (6, 3.0, 6), (2, 1.0, 2), (2, 0.3, 1), (1, 1.0, 1)],
)
def test_images_are_laid_out_as_large_as_they_can_be(images: int, height_per_width: float, columns: int) -> None:
    """Tall ones beside each other, wide ones below each other."""
    assert columns_of(images, height_per_width, 0.82) == columns
