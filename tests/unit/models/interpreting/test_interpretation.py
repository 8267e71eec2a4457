"""Labels come back to the source grid where they belong, are cleaned, measured and judged."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.card.card_interpretation import LabelMapInterpretation
from models.card.manifest import Card
from models.catalog import CatalogEntry
from models.components import count_parts
from models.errors import ImplausibleResult
from models.interpreting.interpretation import interpret, label_map
from models.interpreting.measuring import IN_PARTS
from models.preparing.grid import grid_of, patient_grid, resample
from models.volume import Volume


def interpretation(**changes: Any) -> LabelMapInterpretation:
    """Return a label map's interpretation with changes."""
    return LabelMapInterpretation.model_validate({"kind": "labels"} | changes)


def card_with(card: Card, **label: Any) -> Card:
    """Return the card with its only label changed."""
    values = card.model_dump(by_alias=True)
    values["labels"] = [values["labels"][0] | label]
    return Card.model_validate(values)


@pytest.fixture
def answer(ball: Volume) -> Volume:
    """The ball as a network on a 1 mm grid along the patient's axes would label it, with a speck far away."""
    grid = patient_grid("LIA", (1.0, 1.0, 1.0), (70, 70, 70), grid_of(ball).centre_mm)
    values = resample(ball, grid, interpolation="nearest", outside=0).array
    labels = (np.asarray(values) > 400).astype(np.uint8)
    labels[2:4, 2:4, 2:4] = 1
    return Volume(array=labels, affine=grid.affine)


def test_labels_return_to_where_the_structure_is(ball: Volume, answer: Volume) -> None:
    """Network grid to oblique, flipped source grid: the ball's voxels get the label, nothing else does."""
    found = label_map(interpretation(largest_component="foreground"), answer, ball)
    truth = np.asarray(ball.array) > 400
    dice = 2 * (truth & (found == 1)).sum() / (truth.sum() + (found == 1).sum())
    assert dice > 0.97


def test_logits_return_more_smoothly_than_labels(ball: Volume) -> None:
    """For kind probability the logit is interpolated and then cut: the volume is the ball's within 1 percent."""
    centre = grid_of(ball).centre_mm
    grid = patient_grid("RAS", (2.0, 2.0, 2.0), (32, 32, 32), centre)
    points = grid.affine[:3, :3] @ np.indices(grid.shape).reshape(3, -1) + grid.affine[:3, 3:]
    logits = (20.0 - np.linalg.norm(points - centre[:, np.newaxis], axis=0)).reshape(grid.shape).astype(np.float32)
    labels = label_map(interpretation(kind="probability"), Volume(array=logits, affine=grid.affine), ball)
    assert labels.sum() * ball.voxel_ml == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=0.01)


def test_logits_at_the_edge_of_the_answer_do_not_spill() -> None:
    """What reaches the network's edge is labelled up to that edge, on a finer source grid too, and not beyond."""
    source = Volume(array=np.zeros((40, 40, 40), np.int16), affine=np.diag([0.5, 0.5, 0.5, 1.0]))
    affine = np.eye(4)
    affine[:3, 3] = [5.25, 5.25, 5.25]
    logits = Volume(array=np.full((4, 4, 4), 3.0, np.float32), affine=affine)
    labels = label_map(interpretation(kind="probability"), logits, source)
    found = np.argwhere(labels)
    # The edges lie at 4.75 and 8.75 mm; the centres of the voxels between them at 5.0 to 8.5 mm.
    np.testing.assert_array_equal([found.min(axis=0), found.max(axis=0)], [[10] * 3, [17] * 3])


def test_volume_is_that_of_the_mask(threshold_model: CatalogEntry, ball: Volume, answer: Volume) -> None:
    """The volume in ml is exactly the number of labelled source voxels times their size, so SEG and SR agree."""
    reading = interpret(threshold_model.card, interpretation(largest_component="foreground"), answer, ball)
    (structure,) = reading.structures
    assert reading.labels is not None
    assert structure.voxels == (reading.labels == 1).sum()
    (volume,) = structure.measurements
    assert (volume.name.value, volume.name.scheme, volume.unit.value) == ("118565006", "SCT", "ml")
    assert volume.value == structure.voxels * 2.0 * 1.25 * 1.25 / 1000
    assert volume.value == pytest.approx(33.5, rel=0.03)
    assert reading.missing == ()
    assert reading.warnings == ()


def test_without_cleaning_the_speck_stays(ball: Volume, answer: Volume) -> None:
    """largest_component = none keeps everything; each-label keeps each label's largest part."""
    whole = label_map(interpretation(), answer, ball)
    clean = label_map(interpretation(largest_component="each-label"), answer, ball)
    np.testing.assert_array_equal(clean, label_map(interpretation(largest_component="foreground"), answer, ball))
    assert whole.sum() > clean.sum()


def test_holes_are_filled_with_the_label_around_them() -> None:
    """fill_holes closes what one label encloses, and leaves another label inside alone."""
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:8, 1:8, 1:8] = 1
    labels[3, 3, 3] = 0
    labels[5, 5, 5] = 2
    answer = Volume(array=labels, affine=np.eye(4))
    found = label_map(interpretation(fill_holes=True), answer, Volume(array=labels, affine=np.eye(4)))
    assert found[3, 3, 3] == 1
    assert found[5, 5, 5] == 2


def test_nothing_found_is_a_negative_reading(threshold_model: CatalogEntry, ball: Volume, answer: Volume) -> None:
    """An empty answer gives an empty label map and names the label as looked for and not found."""
    empty = replace(answer, array=np.zeros_like(answer.array))
    reading = interpret(threshold_model.card, interpretation(), empty, ball)
    assert reading.structures == ()
    assert [label.number for label in reading.missing] == [1]
    assert reading.labels is not None
    assert reading.labels.shape == ball.array.shape
    assert not reading.labels.any()


def test_an_implausible_volume_is_refused_by_name(threshold_model: CatalogEntry, ball: Volume, answer: Volume) -> None:
    """A volume outside the label's range, or a total outside the model's, gives ImplausibleResult with the numbers."""
    card = card_with(threshold_model.card, plausible_volume_ml={"min": 100.0, "max": 200.0})
    with pytest.raises(ImplausibleResult, match=r"Bright 3\d\.\d+ ml \(plausible at least 100 and at most 200\)"):
        interpret(card, interpretation(), answer, ball)
    with pytest.raises(ImplausibleResult, match="all together"):
        interpret(threshold_model.card, interpretation(plausible_total_ml={"max": 1.0}), answer, ball)


def test_a_missing_structure_that_must_be_there_is_implausible(
    threshold_model: CatalogEntry, ball: Volume, answer: Volume
) -> None:
    """A label with a least plausible volume counts as 0 ml when it is not found."""
    card = card_with(threshold_model.card, plausible_volume_ml={"min": 1.0})
    with pytest.raises(ImplausibleResult, match="Bright 0 ml"):
        interpret(card, interpretation(), replace(answer, array=np.zeros_like(answer.array)), ball)


def test_a_label_that_the_card_does_not_know_is_refused(
    threshold_model: CatalogEntry, ball: Volume, answer: Volume
) -> None:
    """A network that answers a number without a meaning must not reach a SEG."""
    labels = np.array(answer.array)
    labels[labels == 1] = 9
    with pytest.raises(
        ImplausibleResult, match=r"label 9 is not on the card; mend \[\[labels\]\] of the card, or the model$"
    ):
        interpret(threshold_model.card, interpretation(), replace(answer, array=labels), ball)


def test_a_structure_at_the_edge_of_the_images_is_warned_of(threshold_model: CatalogEntry) -> None:
    """A mask that touches a face of the volume may be cut off there; the reading says so in at most 90 characters."""
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[0:3, 2:4, 2:4] = 1
    volume = Volume(array=labels, affine=np.eye(4))
    reading = interpret(threshold_model.card, interpretation(), volume, volume)
    (warning,) = reading.warnings
    assert "edge" in warning
    assert len(warning) <= 90


def test_a_card_asks_for_more_than_the_volume(threshold_model: CatalogEntry, ball: Volume, answer: Volume) -> None:
    """Mean and diameters stand after the volume, and specks below the label's smallest volume are gone."""
    card = card_with(threshold_model.card, measurements=["mean", "diameters"], smallest_ml=1.0)
    reading = interpret(card, interpretation(), answer, ball)
    (structure,) = reading.structures
    volume, mean, long_axis, short_axis = structure.measurements
    assert volume.value == pytest.approx(33.5, rel=0.03)
    assert mean.value == pytest.approx(800, rel=0.05)
    assert long_axis.value == pytest.approx(40, abs=2.5)
    assert short_axis.value == pytest.approx(40, abs=2.5)


def two_legs(threshold_model: CatalogEntry, source: Volume, *, joined: bool, **changes: Any) -> tuple[str, ...]:
    """Return the warnings of a read of two legs, which are widest on the lowest slice, joined or not further up."""
    values = np.zeros((9, 40, 40), np.uint8)
    for k in range(5 if joined else 2):
        values[2 + k, 10:18, 8 + 2 * k : 14 + 2 * k] = values[2 + k, 10:18, 24 - 2 * k : 30 - 2 * k] = 1
    values[2, 5:19, 24:30] = 1
    label = {k: changes.pop(k) for k in ("instances", "smallest_ml", "measurements") if k in changes}
    card = card_with(threshold_model.card, **{"measurements": ["diameters"]} | label)
    reading = interpret(card, interpretation(**changes), Volume(array=values, affine=source.affine), source)
    assert reading.structures or reading.detections
    return tuple(str(warning) for warning in reading.warnings)


@pytest.mark.parametrize("instances", [False, True])
def test_a_diameter_of_one_part_alone_is_told(threshold_model: CatalogEntry, *, instances: bool) -> None:
    """Where a slice cuts the thing twice it is told, of structures and of things that are counted."""
    source = Volume(array=np.zeros((9, 40, 40), np.int16), affine=np.eye(4))
    wishes: dict[str, Any] = {"instances": True, "measurements": []} if instances else {}
    assert two_legs(threshold_model, source, joined=True, **wishes) == (IN_PARTS,)
    assert two_legs(threshold_model, source, joined=False, **wishes) == (() if instances else (IN_PARTS,))


@pytest.mark.parametrize("cleaned", [{"largest_component": "each-label"}, {"smallest_ml": 0.1}])
def test_parts_that_were_cleaned_are_not_counted_again(
    threshold_model: CatalogEntry, monkeypatch: pytest.MonkeyPatch, cleaned: dict[str, Any]
) -> None:
    """Cleaning knows how many are left: one, or those that were large enough."""
    source = Volume(array=np.zeros((9, 40, 40), np.int16), affine=np.eye(4))

    def only_planes(mask: np.ndarray) -> int:
        assert mask.shape[0] == 1, "it was labelled before"
        return count_parts(mask)

    monkeypatch.setattr("models.interpreting.measuring.count_parts", only_planes)
    assert two_legs(threshold_model, source, joined=False, **cleaned) == ()
    with pytest.raises(AssertionError, match="labelled before"):
        two_legs(threshold_model, source, joined=False)


@pytest.mark.parametrize(("first", "last", "cut"), [(3, 12, True), (2, 8, True), (2, 9, False), (5, 7, True)])
def test_what_reaches_the_edge_is_cut(threshold_model: CatalogEntry, first: int, last: int, *, cut: bool) -> None:
    """A scan that begins or ends within a structure says so of it; one that shows all of it does not."""
    labels = np.zeros((12, 9, 9), np.uint8)
    labels[3:8, 3:6, 3:6] = 1
    volume = Volume(array=labels[first:last], affine=np.eye(4))
    reading = interpret(threshold_model.card, interpretation(), volume, volume)
    assert [structure.cut for structure in reading.structures] == [cut]
    assert bool(reading.warnings) == cut


def test_a_single_slice_has_no_edge_across_it(threshold_model: CatalogEntry) -> None:
    """Else everything on it would be cut."""
    labels = np.zeros((1, 9, 9), np.uint8)
    labels[0, 3:6, 3:6] = 1
    volume = Volume(array=labels, affine=np.eye(4))
    assert [one.cut for one in interpret(threshold_model.card, interpretation(), volume, volume).structures] == [False]
