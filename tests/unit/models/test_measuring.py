"""What a card wants measured beside the volume."""

import numpy as np
import pytest

from models.card_parts import Concept, Label
from models.components import drop_small
from models.measuring import IN_PARTS, measure, notes_on
from models.volume import Volume

HU = Concept(value="[hnsf'U]", scheme="UCUM", meaning="Hounsfield unit")


def a_label(*measurements: str) -> Label:
    """Return a label that asks for these."""
    concept = Concept(value="52988006", scheme="SCT", meaning="Lesion")
    values = {"number": 1, "name": "Lesion", "concept": concept, "colour_rgb": (1, 2, 3), "measurements": measurements}
    return Label.model_validate(values)


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
    mean, deviation = measure(a_label("mean", "deviation"), mask, volume, HU)
    assert (mean.name.value, mean.unit.value) == ("373098007", "[hnsf'U]")
    assert mean.value == pytest.approx(np.asarray(volume.array)[mask].mean(), rel=1e-6)
    assert deviation.value == pytest.approx(np.asarray(volume.array)[mask].std(), rel=1e-6)


def test_diameters_are_the_longest_in_plane_and_across(slab: tuple[Volume, np.ndarray]) -> None:
    """RECIST: the diagonal of the box, 10 by 4 mm, and the widest extent perpendicular to it."""
    volume, mask = slab
    long_axis, short_axis = measure(a_label("diameters"), mask, volume, HU)
    assert long_axis.value == pytest.approx(np.hypot(10, 4), abs=0.8)
    assert short_axis.value == pytest.approx(2 * 10 * 4 / np.hypot(10, 4), abs=0.8)
    assert long_axis.unit.value == short_axis.unit.value == "mm"


def test_no_diameter_runs_from_one_part_to_another(slab: tuple[Volume, np.ndarray]) -> None:
    """Two boxes on one slice, 10 mm apart: the diameter is the larger one's, and that it is so is told."""
    volume, mask = slab
    one = measure(a_label("diameters"), mask, volume, HU)
    mask[2:4, 5:9, 25:28] = True
    assert measure(a_label("diameters"), mask, volume, HU) == one
    assert notes_on([a_label("diameters")], mask.astype(np.uint8)) == (IN_PARTS,)
    assert notes_on([a_label("mean")], mask.astype(np.uint8)) == ()
    mask[2:4, 8, 17:26] = True
    assert notes_on([a_label("diameters")], mask.astype(np.uint8)) == ()
    assert measure(a_label("diameters"), mask, volume, HU)[0].value > one[0].value


def test_nothing_is_measured_that_was_not_asked_for(slab: tuple[Volume, np.ndarray]) -> None:
    """A label without measurements has its volume only."""
    volume, mask = slab
    assert measure(a_label(), mask, volume, HU) == ()


def test_small_parts_are_dropped() -> None:
    """Parts of one label below the size go, larger ones and other labels stay."""
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[1, 1, 1], labels[3:5, 3:5, 3:5], labels[8, 8, 8] = 1, 1, 2
    drop_small(labels, 1, smallest_voxels=2)
    assert (labels == 1).sum() == 8
    assert labels[8, 8, 8] == 2
    drop_small(labels, 3, smallest_voxels=2)
    assert (labels > 0).sum() == 9
