"""A card may read some images of a series only: one view of two, one diffusion weighting, slices without localisers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from models.card.manifest import Card
from models.catalog import read_entry
from models.testing import write_threshold_model
from worker.errors import SeriesRefused
from worker.planar_testing import a_chest, write_planar_image
from worker.selecting.other_series import OtherSeries
from worker.selecting.selection import Choice, choose, input_key
from worker.selecting.selection_rules import tags_of
from worker.selecting.selection_summary import StudySummary, summarise
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

PA = {"tag": "ViewPosition", "equals": "PA"}
WEIGHTED = {"tag": "DiffusionBValue", "at_least": 800}
NO_LOCALISER = {"not": {"tag": "ImageType", "includes": "localizer"}}


def a_card(tmp_path: Path, **rules: Any) -> Card:
    """Return a card with these rules of selection."""
    return read_entry(write_threshold_model(tmp_path / "models")).card.model_copy(update={"selection": rules})


def a_summary(tmp_path: Path, *cards: Card, **series: list[Path]) -> StudySummary:
    """Return what selection sees of series, by their UIDs with _ for dots."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    of = (
        AssembledSeries(
            series_instance_uid=uid[1:].replace("_", "."), files=tuple(str(f.relative_to(tmp_path)) for f in files)
        )
        for uid, files in series.items()
    )
    study = AssembledStudy(
        study_instance_uid="1",
        folder="s",
        series=tuple(of),
        completion=Completion.QUIET,
        calling_ae_title="PACS",
        first_received_at=now,
        last_received_at=now,
    )
    return summarise(tmp_path, study, tags_of(cards))


def chest(tmp_path: Path) -> list[Path]:
    """Write a chest from the front and from the side in one series, of different sizes as detectors give them."""
    lateral = {"ViewPosition": "LL", "ImageType": ["ORIGINAL", "PRIMARY", "LATERAL"]}
    return [
        write_planar_image(tmp_path / "dx" / "1.dcm", a_chest()),
        write_planar_image(tmp_path / "dx" / "2.dcm", a_chest(50, 40), number=2, attributes=lateral),
    ]


def diffusion(tmp_path: Path) -> list[Path]:
    """Write a series with and without diffusion weighting, slice by slice at the same places."""
    files = []
    for name, value in (("b0", 0.0), ("b1000", 1000.0)):
        files += write_mr_series(tmp_path / name, slices=4, attributes={"DiffusionBValue": value}, seed=1)
    plain, weighted = files[:4], files[4:]
    for file in weighted:
        _renumber(file)
    return [*plain, *weighted]


def _renumber(file: Path) -> None:
    """Make another image of a copy: they share what a seed decides."""
    dataset = dcmread(file)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{dataset.SOPInstanceUID}.9"
    dataset.save_as(file)


def test_one_view_of_two_is_read(tmp_path: Path) -> None:
    """The other one is told of, and not read; a card without the rule reads both, or none."""
    card, files = a_card(tmp_path, modality=["DX"], images=PA), chest(tmp_path)
    choice = choose(card, a_summary(tmp_path, card, u1_2=files))
    assert (choice.runs, choice.files) == (True, ("dx/1.dcm",))
    assert choice.others == OtherSeries(left_out=1)
    assert choice.reason == "the only series that fits, 1 of its 2 images: those with ViewPosition one of PA"
    both = a_card(tmp_path, modality=["DX"])
    assert choose(both, a_summary(tmp_path, both, u1_2=files)).files == ("dx/1.dcm", "dx/2.dcm")
    every = a_card(tmp_path, where=PA)
    assert "the card asks for ViewPosition one of PA" in choose(every, a_summary(tmp_path, every, u1_2=files)).reason
    assert load_series([tmp_path / file for file in choice.files], max_voxels=10**6).source.array.shape == (1, 60, 48)
    with pytest.raises(SeriesRefused, match="mixed sizes"):
        load_series(files, max_voxels=10**6)


def test_an_image_that_is_left_out_changes_no_read(tmp_path: Path) -> None:
    """It may come late: what is read is the same input."""
    card, files = a_card(tmp_path, images=PA), chest(tmp_path)
    early, late = (choose(card, a_summary(tmp_path, card, u1_2=some)) for some in (files[:1], files))
    assert (early.others.left_out, late.others.left_out) == (0, 1)
    assert input_key(early) == input_key(late)


def test_one_diffusion_weighting_is_a_volume(tmp_path: Path) -> None:
    """All rules are asked of what is left: so many slices, so far apart."""
    files = diffusion(tmp_path)
    with pytest.raises(SeriesRefused, match="several acquisitions"):
        load_series(files, max_voxels=10**6)
    card = a_card(tmp_path, images=WEIGHTED, max_slices=4)
    choice = choose(card, a_summary(tmp_path, card, u1_2=files))
    assert sorted(choice.files) == sorted(str(file.relative_to(tmp_path)) for file in files[4:])
    assert load_series([tmp_path / file for file in choice.files], max_voxels=10**6).source.array.shape[0] == 4
    strict = a_card(tmp_path, images=WEIGHTED, min_slices=5)
    assert "4 slices, at least 5 needed" in choose(strict, a_summary(tmp_path, strict, u1_2=files)).reason


def test_slices_are_read_without_their_localiser(tmp_path: Path) -> None:
    """Image Type has several values; `includes` asks for one of them."""
    axial = write_mr_series(tmp_path / "ax", slices=4, attributes={"ImageType": ["ORIGINAL", "PRIMARY", "M"]})
    (scout,) = write_mr_series(
        tmp_path / "loc", slices=1, attributes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, seed=9
    )
    card = a_card(tmp_path, images=NO_LOCALISER, image_type_excludes=["LOCALIZER"])
    choice = choose(card, a_summary(tmp_path, card, u1_2=[*axial, scout]))
    assert (len(choice.files), choice.others.left_out) == (4, 1), choice.reason


def test_a_series_without_such_an_image_is_not_read(tmp_path: Path) -> None:
    """The reason names the rule, and nothing of the images."""
    card, files = a_card(tmp_path, images={"tag": "ViewPosition", "equals": "AP"}), chest(tmp_path)
    choice = choose(card, a_summary(tmp_path, card, u1_2=files))
    assert not choice.runs
    assert choice.reason == "series 1.2: it has no image with ViewPosition one of AP"


def test_a_file_that_cannot_be_parsed_is_not_left_out(tmp_path: Path) -> None:
    """Nobody knows of it whether the rule holds."""
    card, files = a_card(tmp_path, images=PA), chest(tmp_path)
    (tmp_path / "dx" / "3.dcm").write_bytes(b"no DICOM")
    choice = choose(card, a_summary(tmp_path, card, u1_2=[*files, tmp_path / "dx" / "3.dcm"]))
    assert "1 files cannot be parsed, the first is 3.dcm" in choice.reason


def test_a_contradiction_among_what_is_left_out_holds_nothing(tmp_path: Path) -> None:
    """An image that came again with other pixels is a matter of who reads it."""
    card, files = a_card(tmp_path, images=PA), chest(tmp_path)
    again = write_planar_image(
        tmp_path / "dx" / "2~1.dcm", np.zeros((50, 40), np.uint16), number=2, attributes={"ViewPosition": "LL"}
    )
    summary = a_summary(tmp_path, card, u1_2=[*files, again])
    assert summary.series[0].disputed
    assert not choose(card, summary).held
    assert choose(a_card(tmp_path), summary).held


def test_a_channel_reads_some_images_of_its_series(tmp_path: Path) -> None:
    """What a channel leaves out is no matter of the series that is read; both are never of one series."""
    first, files = write_mr_series(tmp_path / "t1", slices=4, seed=2), diffusion(tmp_path)
    card = a_card(
        tmp_path,
        where={"tag": "DiffusionBValue", "present": False},
        channels={"dwi": {"images": WEIGHTED}},
    )
    preparation = card.preparation.model_copy(update={"channels": ("dwi",)})
    card = card.model_copy(update={"preparation": preparation})
    summary = a_summary(tmp_path, card, u1_1=first, u1_2=files)
    choice: Choice = choose(card, summary)
    assert choice.runs, choice.reason
    assert len(choice.files) == 8
    assert choice.others == OtherSeries()
    alone = summary.model_copy(update={"series": summary.series[:1]})
    assert "channel dwi: the study has no further series" in choose(card, alone).reason


def test_nothing_of_an_image_goes_to_the_ledger(tmp_path: Path) -> None:
    """Values of attributes may be anything."""
    card, files = a_card(tmp_path, images=PA), chest(tmp_path)
    (series,) = a_summary(tmp_path, card, u1_2=files).series
    assert series.headers
    kept = series.for_ledger()
    assert "headers" not in kept
    assert "LL" not in str(kept)
