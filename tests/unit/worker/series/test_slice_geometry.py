"""Order and affine from positions and orientations, whatever order the planes come in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.errors import SeriesRefused
from worker.series.slice_geometry import Plane, stack

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def rotation(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Turn about the three axes, in radians."""
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def planes_at(heights_mm: list[float], **changes: object) -> list[Plane]:
    """Return axial planes at these heights."""
    values = {"orientation": AXIAL, "spacing_mm": (1.0, 1.0), "size": (4, 5)} | changes
    return [Plane(position_mm=(0.0, 0.0, height), **values) for height in heights_mm]  # type: ignore[arg-type]


angle = st.floats(-3.0, 3.0)


@given(angle, angle, angle, st.integers(2, 20), st.floats(0.3, 9.0), st.randoms())
def test_every_first_voxel_lies_at_its_image_position(
    x: float, y: float, z: float, count: int, spacing_mm: float, shuffle: object
) -> None:
    """Oblique or not, shuffled or not: voxel (k, 0, 0) is where the k-th image says that it is."""
    turn = rotation(x, y, z)
    normal = np.cross(turn[:, 0], turn[:, 1])
    positions = [np.array([10.0, -20.0, 30.0]) + k * spacing_mm * normal for k in range(count)]
    shuffle.shuffle(positions)  # type: ignore[attr-defined]
    planes = [
        Plane(
            position_mm=tuple(position),
            orientation=(*turn[:, 0], *turn[:, 1]),
            spacing_mm=(0.7, 1.3),
            size=(4, 5),
        )
        for position in positions
    ]
    found = stack(planes)
    for k, (index,) in enumerate(found.groups):
        np.testing.assert_allclose((found.affine @ [k, 0, 0, 1])[:3], positions[index], atol=1e-6)
    # One row down is one Pixel Spacing (first value) along the column's direction, PS3.3 10.7.1.3.
    np.testing.assert_allclose(found.affine[:3, 1], 0.7 * turn[:, 1], atol=1e-9)
    np.testing.assert_allclose(found.affine[:3, 2], 1.3 * turn[:, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("heights_mm", "name"),
    [
        ([0, 1, 2, 4, 5], "missing slices: 1 of 6"),
        ([0, 1, 2.4, 3, 4], "uneven increment"),
        ([3, 3, 3], "not a volume: all 3"),
        ([3], "not a volume: one slice"),
    ],
)
def test_what_is_no_regular_stack_is_refused_by_name(heights_mm: list[float], name: str) -> None:
    """Gaps and uneven distances are named, never read over."""
    with pytest.raises(SeriesRefused, match=name):
        stack(planes_at(heights_mm))


def test_gantry_tilt_is_refused() -> None:
    """Slices that are shifted against each other are no regular grid."""
    planes = [
        Plane(position_mm=(0.0, 0.3 * k, float(k)), orientation=AXIAL, spacing_mm=(1.0, 1.0), size=(4, 5))
        for k in range(5)
    ]
    with pytest.raises(SeriesRefused, match="gantry tilt"):
        stack(planes)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_one_slice_that_is_moved_aside_is_refused(k: int) -> None:
    """A slice beside its neighbours is found although the first and the last lie straight above each other."""
    planes = planes_at([0, 1, 2, 3, 4, 5, 6])
    planes[k] = Plane(position_mm=(30.0, 0.0, float(k)), orientation=AXIAL, spacing_mm=(1.0, 1.0), size=(4, 5))
    with pytest.raises(SeriesRefused, match=r"shifted slices: .* 30\.00 mm"):
        stack(planes)


def test_distances_that_drift_are_refused() -> None:
    """1.8 % more in the second half passes between neighbours, but adds up to more than a slice in the middle."""
    heights_mm = np.cumsum([0.0] + [1.0] * 150 + [1.018] * 150)
    with pytest.raises(SeriesRefused, match=r"uneven increment: .* 1\.35 mm off"):
        stack(planes_at(list(heights_mm)))


@given(st.lists(st.floats(-0.005, 0.005), min_size=3, max_size=40))
def test_what_is_read_lies_on_its_grid(jitter_mm: list[float]) -> None:
    """Rounded positions are read, and no slice is then further from its place than a quarter of a voxel."""
    heights_mm = [k + jitter for k, jitter in enumerate(jitter_mm)]
    found = stack(planes_at(heights_mm))
    for k, (index,) in enumerate(found.groups):
        assert abs((found.affine @ [k, 0, 0, 1])[2] - heights_mm[index]) < 0.25


def test_a_localiser_among_the_slices_is_refused() -> None:
    """Images in different directions are never one volume."""
    with pytest.raises(SeriesRefused, match="mixed orientation"):
        stack([*planes_at([0, 1, 2]), *planes_at([3], orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))])
    with pytest.raises(SeriesRefused, match="mixed sizes"):
        stack([*planes_at([0, 1, 2]), *planes_at([3], size=(8, 8))])
    with pytest.raises(SeriesRefused, match="mixed spacing"):
        stack([*planes_at([0, 1, 2]), *planes_at([3], spacing_mm=(2.0, 2.0))])


def test_images_at_one_position_are_one_group() -> None:
    """A position that came twice is one slice with two candidates."""
    assert [len(group) for group in stack(planes_at([0, 1, 1, 2])).groups] == [1, 2, 1]


def test_one_slice_is_as_deep_as_its_thickness() -> None:
    """A single image with a Slice Thickness is a volume of one slice."""
    assert stack(planes_at([5]), thickness_mm=3.0).affine[2, 0] == pytest.approx(3.0)
