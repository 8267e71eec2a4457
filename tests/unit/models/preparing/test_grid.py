"""The same physical point keeps its value, whatever the grids."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from models.preparing.grid import Grid, box_of, boxed, grid_of, oriented, patient_grid, reach, resample, share_covered
from models.volume import Volume

SHAPE = (24, 30, 27)


def value_at(points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a linear function of patient coordinates: linear interpolation must reproduce it exactly."""
    return np.asarray(3.0 * points_mm[0] - 2.0 * points_mm[1] + 0.5 * points_mm[2] + 100.0)


def points_of(grid: Grid) -> NDArray[np.float64]:
    """Return the patient coordinates of every voxel, ``(3, d, h, w)``."""
    indices = np.indices(grid.shape).reshape(3, -1)
    points = grid.affine[:3, :3] @ indices + grid.affine[:3, 3:]
    return np.asarray(points.reshape(3, *grid.shape))


def affine_of(
    rotation: Rotation, spacing_mm: tuple[float, float, float], signs: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Return an affine about the origin."""
    affine = np.eye(4)
    affine[:3, :3] = rotation.as_matrix() * np.array(spacing_mm) * np.array(signs)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return affine


ROTATIONS = {
    "along the axes": Rotation.identity(),
    "axes swapped": Rotation.from_euler("xyz", [90, 0, 90], degrees=True),
    "oblique": Rotation.from_euler("xyz", [12, -7, 20], degrees=True),
    "doubly oblique": Rotation.from_euler("xyz", [100, 35, -50], degrees=True),
}
SIGNS = list(itertools.product((1, -1), repeat=3))


@pytest.mark.parametrize("rotation", ROTATIONS.values(), ids=ROTATIONS.keys())
@pytest.mark.parametrize("signs", [SIGNS[0], SIGNS[3], SIGNS[6], SIGNS[7]], ids=str)
def test_linear_resampling_keeps_the_value_of_a_physical_point(rotation: Rotation, signs: tuple[int, int, int]) -> None:
    """Oblique, anisotropic and flipped volumes: a linear function of the patient's coordinates comes back exactly."""
    source = Grid(affine=affine_of(rotation, (2.5, 0.8, 1.1), signs), shape=SHAPE)
    volume = Volume(array=value_at(points_of(source)), affine=source.affine)
    target = patient_grid("LIA", (1.0, 1.0, 1.0), (8, 9, 10), np.array([1.0, -2.0, 0.5]))
    found = resample(volume, target, interpolation="linear", outside=0.0)
    np.testing.assert_allclose(found.array, value_at(points_of(target)), atol=1e-3)


@pytest.mark.parametrize("rotation", ROTATIONS.values(), ids=ROTATIONS.keys())
def test_nearest_resampling_takes_the_nearest_voxel(rotation: Rotation) -> None:
    """Each voxel's value is that of a source voxel whose cell holds the point."""
    source = Grid(affine=affine_of(rotation, (2.5, 0.8, 1.1), (1, -1, 1)), shape=SHAPE)
    numbers = np.arange(np.prod(SHAPE), dtype=np.int32).reshape(SHAPE)
    target = patient_grid("RAS", (1.0, 1.0, 1.0), (8, 9, 10), np.zeros(3))
    found = resample(Volume(array=numbers, affine=source.affine), target, interpolation="nearest", outside=-1).array
    indices = np.array(np.unravel_index(found.ravel(), SHAPE))
    points = points_of(target).reshape(3, -1)
    away = np.linalg.inv(source.affine)[:3] @ np.vstack([points, np.ones(points.shape[1])]) - indices
    assert np.abs(away).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LIA", "SLP", "AIR"])
def test_orienting_moves_no_voxel(axes: str) -> None:
    """After permuting and flipping, every value still lies where it lay, and the axes grow as they were asked to."""
    source = Grid(affine=affine_of(ROTATIONS["doubly oblique"], (2.5, 0.8, 1.1), (1, -1, 1)), shape=SHAPE)
    volume = Volume(array=value_at(points_of(source)), affine=source.affine)
    turned = oriented(volume, axes)
    np.testing.assert_allclose(turned.array, value_at(points_of(grid_of(turned))), atol=1e-9)
    wanted = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
    exact = oriented(Volume(array=volume.array, affine=affine_of(Rotation.identity(), (1, 2, 3), (-1, 1, -1))), axes)
    for axis, letter in enumerate(axes):
        world, sign = wanted[letter]
        assert exact.affine[world, axis] * sign > 0


def test_stretching_covers_the_same_space() -> None:
    """The outer edges of the first and last voxels stay where they are, along every axis."""
    source = Grid(affine=affine_of(ROTATIONS["oblique"], (2.5, 0.8, 1.1), (1, 1, 1)), shape=SHAPE)
    stretched = source.stretched((16, 7, 64))
    for low, high in (((0, 0, 0), SHAPE), ((0, 0, 0), (SHAPE[0], 0, 0))):
        edge = source.affine @ np.array([*(np.array(high) - 0.5), 1.0])
        share = np.array(high) / np.array(SHAPE) * np.array(stretched.shape)
        np.testing.assert_allclose(stretched.affine @ np.array([*(share - 0.5), 1.0]), edge)
        first = source.affine @ np.array([*(np.array(low) - 0.5), 1.0])
        np.testing.assert_allclose(stretched.affine @ np.array([*(np.array(low) - 0.5), 1.0]), first)


@pytest.mark.parametrize("outside", [None, 7.0])
def test_nearest_along_aligned_axes_is_what_scipy_answers(outside: float | None) -> None:
    """Smaller and larger, flipped and turned, inside and beyond the edges."""
    chance = np.random.default_rng(7)
    for _ in range(200):
        array = chance.integers(0, 255, chance.integers(1, 12, 3), dtype=np.uint8)
        shape = tuple(int(side) for side in chance.integers(1, 16, 3))
        axes = chance.permutation(3)
        affine = np.eye(4)
        affine[:3, :3] = np.eye(3)[:, axes] * (chance.uniform(0.2, 3.0, 3) * chance.choice([-1, 1], 3))
        affine[:3, 3] = chance.uniform(-4.0, 8.0, 3)
        found = resample(
            Volume(array=array, affine=np.eye(4)),
            Grid(affine=affine, shape=(shape[0], shape[1], shape[2])),
            interpolation="nearest",
            outside=outside,
        )
        expected = ndimage.affine_transform(
            array,
            affine[:3, :3],
            offset=affine[:3, 3],
            output_shape=shape,
            order=0,
            mode="nearest" if outside is None else "grid-constant",
            cval=outside or 0,
        )
        assert found.array.dtype == np.uint8
        assert np.array_equal(found.array, expected)


def test_ties_of_aligned_axes_fall_as_scipy_lets_them() -> None:
    """Halfway between two voxels, and on the edge of the last; scipy has a way of its own for aligned axes."""
    chance = np.random.default_rng(8)
    for _ in range(200):
        array = chance.integers(0, 255, chance.integers(1, 12, 3), dtype=np.uint8)
        shape = tuple(int(side) for side in chance.integers(1, 16, 3))
        step = chance.choice([0.25, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0], 3) * chance.choice([-1, 1], 3)
        offset = chance.choice([-1.25, -0.5, 0.0, 0.49, 0.5, 1.0, 3.0], 3)
        affine = np.diag([*step, 1.0])
        affine[:3, 3] = offset
        grid = Grid(affine=affine, shape=(shape[0], shape[1], shape[2]))
        found = resample(Volume(array=array, affine=np.eye(4)), grid, interpolation="nearest", outside=7.0)
        expected = ndimage.affine_transform(
            array, step, offset=offset, output_shape=shape, order=0, mode="grid-constant", cval=7.0
        )
        assert np.array_equal(found.array, expected)


def test_what_lies_beyond_is_a_value_that_the_array_can_hold() -> None:
    """Of whole numbers the nearest one."""
    array = np.full((1, 1, 2), 5, np.uint16)
    grid = Grid(affine=np.eye(4), shape=(1, 1, 4))
    found = resample(Volume(array=array, affine=np.eye(4)), grid, interpolation="nearest", outside=-1024.0)
    assert found.array.tolist() == [[[5, 5, 0, 0]]]


def test_stretching_and_back_by_nearest_is_the_identity() -> None:
    """Labels that go to a finer grid and back are the same labels."""
    labels = np.random.default_rng(3).integers(0, 5, SHAPE, dtype=np.uint8)
    volume = Volume(array=labels, affine=affine_of(ROTATIONS["oblique"], (2.5, 0.8, 1.1), (1, 1, -1)))
    finer = resample(volume, grid_of(volume).stretched((50, 61, 55)), interpolation="nearest", outside=None)
    back = resample(finer, grid_of(volume), interpolation="nearest", outside=0)
    assert back.array.dtype == np.uint8
    np.testing.assert_array_equal(back.array, labels)


def test_values_beyond_the_edge_are_the_outside_value() -> None:
    """A grid larger than the volume holds the volume in its middle and `outside` around it."""
    volume = Volume(array=np.ones((4, 4, 4), np.int16), affine=np.eye(4))
    target = Grid(
        affine=np.eye(4) @ np.array([[1, 0, 0, -2], [0, 1, 0, -2], [0, 0, 1, -2], [0, 0, 0, 1.0]]), shape=(8, 8, 8)
    )
    found = resample(volume, target, interpolation="linear", outside=-7.0).array
    assert found.dtype == np.float32
    assert (found[2:6, 2:6, 2:6] == 1).all()
    assert (found == -7).sum() == 8**3 - 4**3


def test_a_box_of_a_volume_lies_where_it_lay() -> None:
    """Cutting a box out moves its origin along."""
    source = Grid(affine=affine_of(ROTATIONS["oblique"], (2.5, 0.8, 1.1), (1, 1, 1)), shape=SHAPE)
    volume = Volume(array=value_at(points_of(source)), affine=source.affine)
    part = boxed(volume, (slice(3, 9), slice(0, 4), slice(10, 27)))
    np.testing.assert_allclose(part.array, value_at(points_of(grid_of(part))))


def test_box_of_a_mask() -> None:
    """The smallest box is found, and an empty mask has none."""
    mask = np.zeros((5, 6, 7), bool)
    assert box_of(mask) is None
    mask[1, 2, 3] = mask[3, 4, 6] = True
    assert box_of(mask) == (slice(1, 4), slice(2, 5), slice(3, 7))


def test_reach_covers_every_voxel_of_the_other_grid() -> None:
    """No voxel of the other grid whose centre lies in the box is left out; a box that misses the grid has no reach."""
    grid = patient_grid("LIA", (1.0, 1.0, 1.0), (20, 20, 20), np.zeros(3))
    other = Grid(affine=affine_of(ROTATIONS["doubly oblique"], (2.5, 0.8, 1.1), (1, 1, -1)), shape=SHAPE)
    box = (slice(5, 15), slice(4, 12), slice(8, 18))
    found = reach(box, grid, other, margin=0.0)
    assert found is not None
    points = points_of(other).reshape(3, -1)
    inside = np.linalg.inv(grid.affine)[:3] @ np.vstack([points, np.ones(points.shape[1])])
    held = np.ones(inside.shape[1], bool)
    for axis, side in enumerate(box):
        held &= (inside[axis] >= side.start - 0.5) & (inside[axis] <= side.stop - 0.5)
    covered = np.zeros(SHAPE, bool)
    covered[found] = True
    assert held.any()
    assert covered.ravel()[held].all()
    away = Grid(affine=patient_grid("LPS", (1, 1, 1), (5, 5, 5), np.full(3, 900.0)).affine, shape=(5, 5, 5))
    assert reach(box, grid, away, margin=1.0) is None


def test_how_much_of_a_grid_lies_within_another() -> None:
    """Whichever way both are turned; whole voxels count, not their centres, so a single slice has a thickness."""
    turn = Rotation.from_euler("xyz", (18, -7, 4), degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn * (4.0, 0.5, 0.5)
    affine[:3, 3] = (-70.0, 33.0, -12.0)
    grid = Grid(affine=affine, shape=(20, 64, 64))
    assert share_covered(grid, grid) == 1
    assert share_covered(grid, grid.boxed((slice(0, 5), slice(0, 64), slice(0, 64)))) == pytest.approx(0.25, abs=0.01)
    assert share_covered(grid.boxed((slice(3, 4), slice(0, 64), slice(0, 64))), grid.stretched((7, 9, 11))) == 1
    assert share_covered(grid, grid.boxed((slice(20, 40), slice(0, 64), slice(0, 64)))) == 0


def test_usual_pairs_of_scans_cover_each_other() -> None:
    """A sagittal T1 with neck and air lies to 40 to 50 % within an oblique FLAIR; a neck's to a tenth."""
    tilt = Rotation.from_euler("x", 18, degrees=True).as_matrix()
    t1 = patient_grid("LPI", (1.0, 1.0, 1.0), (176, 256, 256), np.array([0.0, 0.0, -20.0]))

    def tilted(spacing_mm: tuple[float, float, float], shape: tuple[int, int, int], centre: float) -> Grid:
        grid = patient_grid("SPL", spacing_mm, shape, np.zeros(3))
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = tilt @ grid.affine[:3, :3], tilt @ grid.affine[:3, 3] + (0.0, 0.0, centre)
        return Grid(affine=affine, shape=shape)

    assert share_covered(t1, tilted((5.0, 0.9, 0.9), (30, 256, 256), 15)) == pytest.approx(0.52, abs=0.02)
    assert share_covered(t1, tilted((5.0, 0.9, 0.9), (26, 224, 224), 15)) == pytest.approx(0.40, abs=0.02)
    assert share_covered(t1, tilted((3.0, 0.5, 0.5), (40, 320, 320), -160)) == pytest.approx(0.11, abs=0.02)
