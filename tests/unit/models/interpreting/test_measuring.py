"""What a card wants measured beside the volume."""

import numpy as np
import pytest
from scipy import ndimage

from models.card.card_parts import Concept, Label
from models.components import count_parts, drop_small
from models.findings import Measurement
from models.interpreting.measuring import Measured, measure
from models.volume import Volume

HU = Concept(value="[hnsf'U]", scheme="UCUM", meaning="Hounsfield unit")


def a_label(*measurements: str) -> Label:
    """Return a label that asks for these."""
    concept = Concept(value="52988006", scheme="SCT", meaning="Lesion")
    values = {"number": 1, "name": "Lesion", "concept": concept, "colour_rgb": (1, 2, 3), "measurements": measurements}
    return Label.model_validate(values)


def measured(label: Label, mask: np.ndarray, volume: Volume, **known: int) -> Measured:
    """Return what is measured of a mask of the whole volume."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    return measure(label, mask[box], box, volume, HU, **known)


def numbers(label: Label, mask: np.ndarray, volume: Volume) -> tuple[Measurement, ...]:
    """Return the numbers of a mask of the whole volume."""
    return measured(label, mask, volume).numbers


@pytest.fixture
def slab() -> tuple[Volume, np.ndarray]:
    """A volume of 2 x 1 x 0.5 mm voxels and a box in it: 2 slices, 10 rows (10 mm), 8 columns (4 mm)."""
    affine = np.array([[0, 0, 0.5, 0], [0, 1.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])
    array = np.random.default_rng(0).normal(40, 5, (6, 20, 30)).astype(np.float32)
    mask = np.zeros(array.shape, bool)
    mask[2:4, 5:15, 10:18] = True
    return Volume(array=array, affine=affine), mask


def test_mean_and_deviation_are_of_the_values_inside(slab: tuple[Volume, np.ndarray]) -> None:
    """The numbers are numpy's over the voxels of the structure, with the card's unit."""
    volume, mask = slab
    mean, deviation = numbers(a_label("mean", "deviation"), mask, volume)
    assert (mean.name.value, mean.unit.value) == ("373098007", "[hnsf'U]")
    assert mean.value == pytest.approx(np.asarray(volume.array)[mask].mean(), rel=1e-6)
    assert deviation.value == pytest.approx(np.asarray(volume.array)[mask].std(), rel=1e-6)


def test_diameters_are_the_longest_in_plane_and_across(slab: tuple[Volume, np.ndarray]) -> None:
    """RECIST: the diagonal of the box, 10 by 4 mm, and the longest perpendicular to it, from side to side."""
    volume, mask = slab
    long_axis, short_axis = numbers(a_label("diameters"), mask, volume)
    assert long_axis.value == pytest.approx(np.hypot(10, 4), abs=0.8)
    assert short_axis.value == pytest.approx(4 * np.hypot(10, 4) / 10, abs=0.2)
    assert long_axis.unit.value == short_axis.unit.value == "mm"


def test_no_diameter_runs_from_one_part_to_another(slab: tuple[Volume, np.ndarray]) -> None:
    """Two boxes on one slice, 10 mm apart: the diameter is the larger one's, and that it is so is told."""
    volume, mask = slab
    one = measured(a_label("diameters"), mask, volume)
    assert not one.in_parts
    mask[2:4, 5:9, 25:28] = True
    two = measured(a_label("diameters"), mask, volume)
    assert (two.numbers, two.in_parts) == (one.numbers, True)
    assert not measured(a_label("mean"), mask, volume).in_parts
    mask[2:4, 8, 17:26] = True
    joined = measured(a_label("diameters"), mask, volume)
    assert not joined.in_parts
    assert joined.numbers[0].value > one.numbers[0].value


def test_a_slice_that_cuts_a_thing_twice_is_told(slab: tuple[Volume, np.ndarray]) -> None:
    """Two boxes that another slice joins are one thing; its diameter is still that of one of them."""
    volume, mask = slab
    one = measured(a_label("diameters"), mask, volume)
    mask[2:4, 5:9, 25:28] = True
    mask[4, 8, 12:26] = True
    joined = measured(a_label("count", "diameters"), mask, volume)
    assert [number.value for number in joined.numbers] == [1.0, *(number.value for number in one.numbers)]
    assert joined.in_parts


def test_parts_that_are_counted_are_not_counted_again(
    slab: tuple[Volume, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all that a label asks for, and not at all where their number is known, or nobody asks."""
    counted = []

    def counting(mask: np.ndarray) -> int:
        if mask.shape[0] > 1:
            counted.append(mask.shape)
        return count_parts(mask)

    monkeypatch.setattr("models.interpreting.measuring.count_parts", counting)
    volume, mask = slab
    measured(a_label("count", "diameters"), mask, volume)
    assert counted == [(2, 10, 8)]
    measured(a_label("mean"), mask, volume)
    assert measured(a_label("count", "diameters"), mask, volume, parts=3).numbers[0].value == 3.0
    assert len(counted) == 1


def test_nothing_is_measured_that_was_not_asked_for(slab: tuple[Volume, np.ndarray]) -> None:
    """A label without measurements has its volume only."""
    volume, mask = slab
    assert numbers(a_label(), mask, volume) == ()


def test_small_parts_are_dropped() -> None:
    """Parts of one label below the size go, larger ones and other labels stay."""
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[1, 1, 1], labels[3:5, 3:5, 3:5], labels[8, 8, 8] = 1, 1, 2
    assert drop_small(labels, 1, smallest_voxels=2) == 1
    assert (labels == 1).sum() == 8
    assert labels[8, 8, 8] == 2
    assert drop_small(labels, 3, smallest_voxels=2) == 0
    assert (labels > 0).sum() == 9
