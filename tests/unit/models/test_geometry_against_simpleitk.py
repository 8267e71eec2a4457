"""Another library puts every point where we do: oblique, anisotropic and flipped volumes against SimpleITK."""

import itertools
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # everybody's name for it
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_preparation import VolumePreparation
from models.interpreting.interpretation import label_map
from models.preparing.grid import Grid, grid_of, oriented, patient_grid, resample
from models.preparing.preparation import prepare
from models.volume import Volume

AXES = [
    "".join(letters) for pairs in itertools.permutations(("LR", "AP", "IS")) for letters in itertools.product(*pairs)
]


def turned(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return a rotation about x, then y, then z."""
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        one, a, b = np.eye(3), (axis + 1) % 3, (axis + 2) % 3
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turn = one @ turn
    return turn


def some_volume(
    angles: tuple[float, float, float], spacing: tuple[float, float, float], flips: tuple[int, int, int]
) -> Volume:
    """Return a smooth volume with an oblique, anisotropic, flipped grid."""
    shape, affine = (9, 12, 15), np.eye(4)
    affine[:3, :3] = turned(angles)[:, ::-1] * np.array(spacing) * np.array(flips)
    affine[:3, 3] = (12.5, -40.0, 7.0)
    z, y, x = np.indices(shape).astype(np.float64)
    array = (100 * np.sin(0.3 * z + 0.2 * y) + 50 * np.cos(0.25 * x) + 3 * x).astype(np.float32)
    return Volume(array=array, affine=affine)


def image_of(volume: Volume) -> Any:
    """Return the same as a SimpleITK image, whose axes are columns, rows, slices."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    image.SetSpacing(volume.spacing_mm[::-1])
    directions = volume.affine[:3, :3] / np.array(volume.spacing_mm)
    image.SetDirection(directions[:, ::-1].ravel())
    image.SetOrigin(volume.affine[:3, 3])
    return image


def resampled_by_itk(volume: Volume, grid: Grid, outside: float, *, nearest: bool = False) -> NDArray[Any]:
    """Return SimpleITK's values at the voxels of a grid."""
    like = image_of(Volume(array=np.zeros(grid.shape, np.float32), affine=grid.affine))
    way = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    found: NDArray[Any] = sitk.GetArrayFromImage(sitk.Resample(image_of(volume), like, sitk.Transform(), way, outside))
    return found


volumes = st.builds(
    some_volume,
    # In thousandths: ITK's inversion of matrices fails on angles of 1e-309.
    st.tuples(*[st.integers(-600, 600).map(lambda value: value / 1000)] * 3),
    st.tuples(*[st.integers(500, 3000).map(lambda value: value / 1000)] * 3),
    st.tuples(*[st.sampled_from((-1, 1))] * 3),
)


@settings(max_examples=25, deadline=None)
@given(volumes, st.sampled_from(AXES), st.tuples(*[st.floats(0.7, 2.5)] * 3))
def test_resampling_gives_the_same_values(volume: Volume, axes: str, spacing: tuple[float, float, float]) -> None:
    """Inside the images, the value at every point of another grid is SimpleITK's."""
    grid = patient_grid(axes, spacing, (8, 8, 8), grid_of(volume).centre_mm)
    ours = resample(volume, grid, interpolation="linear", outside=-999.0).array
    theirs = resampled_by_itk(volume, grid, -999.0)
    # At the edge the two have different ideas of where the images end.
    inside = resampled_by_itk(Volume(array=_eroded(volume), affine=volume.affine), grid, 0.0, nearest=True) > 0
    np.testing.assert_allclose(np.asarray(ours)[inside], theirs[inside], atol=0.02)


@settings(max_examples=25, deadline=None)
@given(volumes, st.sampled_from(AXES))
def test_orienting_moves_no_point(volume: Volume, axes: str) -> None:
    """A permuted and flipped view holds the same values at the same physical points."""
    view = oriented(volume, axes)
    theirs = resampled_by_itk(volume, grid_of(view), -999.0, nearest=True)
    np.testing.assert_array_equal(view.array, theirs)


@pytest.mark.parametrize("fit", ["conform", "resize", "spacing"])
@settings(max_examples=10, deadline=None)
@given(volume=volumes, axes=st.sampled_from(AXES))
def test_what_a_network_is_given_lies_where_it_says(fit: str, volume: Volume, axes: str) -> None:
    """The prepared array, normalisation undone, has SimpleITK's values at the points of its own affine."""
    more: dict[str, Any] = {"spacing_mm": (1.3, 1.1, 1.7)} if fit != "resize" else {}
    if fit != "spacing":
        more["size"] = (10, 11, 12)
    card = VolumePreparation(kind="volume", orientation=axes, fit=fit, normalisation="none", pad_multiple=1, **more)  # type: ignore[arg-type]
    prepared = prepare(volume, card)
    grid = Grid(affine=prepared.affine, shape=prepared.array.shape[2:])  # type: ignore[arg-type]
    theirs = resampled_by_itk(volume, grid, -999.0)
    inside = resampled_by_itk(Volume(array=_eroded(volume), affine=volume.affine), grid, 0.0, nearest=True) > 0
    np.testing.assert_allclose(prepared.array[0, 0][inside], theirs[inside], atol=0.02)


@settings(max_examples=25, deadline=None)
@given(volumes, st.sampled_from(AXES), st.tuples(*[st.integers(0, 14)] * 3), st.sampled_from(("resize", "spacing")))
def test_the_middle_lies_where_it_was(volume: Volume, axes: str, kept: tuple[int, int, int], fit: str) -> None:
    """A crop is SimpleITK's crop of the whole, voxel for voxel; brought back, what is outside of it is background."""
    more: dict[str, Any] = {"size": (10, 11, 12)} if fit == "resize" else {"spacing_mm": (1.3, 1.1, 1.7)}
    values: dict[str, Any] = {"kind": "volume", "orientation": axes, "fit": fit, "normalisation": "none", **more}
    whole = prepare(volume, VolumePreparation(**values))
    part = prepare(volume, VolumePreparation(**values, crop_centre=kept))
    theirs = _cropped_by_itk(Volume(array=whole.array[0, 0], affine=whole.affine), kept)
    np.testing.assert_allclose(part.array[0, 0], sitk.GetArrayFromImage(theirs), atol=1e-3)
    like = image_of(Volume(array=part.array[0, 0], affine=part.affine))
    for ours, origin in zip(like.GetOrigin(), theirs.GetOrigin(), strict=True):
        assert ours == pytest.approx(origin, abs=1e-6)
    np.testing.assert_allclose(like.GetDirection(), theirs.GetDirection(), atol=1e-9)
    ones = Volume(array=np.ones(part.array.shape[2:], np.uint8), affine=part.affine)
    labels = label_map(LabelMapInterpretation(kind="labels"), ones, volume)
    logits = Volume(array=np.full(part.array.shape[2:], 5.0, np.float32), affine=part.affine)
    likely = label_map(LabelMapInterpretation(kind="probability"), logits, volume)
    back = resampled_by_itk(ones, grid_of(volume), 0.0, nearest=True)
    # Half a voxel beyond the last centre the two round differently: there a neighbour may be either.
    np.testing.assert_array_equal(labels[_sure(back)], back[_sure(back)])
    np.testing.assert_array_equal(likely[_sure(back)], back[_sure(back)])


def _cropped_by_itk(volume: Volume, kept: tuple[int, int, int]) -> Any:
    lower, upper = [], []
    for side, wanted in zip(volume.array.shape, kept, strict=True):
        cut = side - min(wanted or side, side)
        lower.append(side // 2 - (side - cut) // 2)
        upper.append(cut - lower[-1])
    return sitk.Crop(image_of(volume), lower[::-1], upper[::-1])


def _sure(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where all neighbours of a voxel have its label."""
    all_around = np.ones((3, 3, 3), bool)
    inside = ndimage.binary_erosion(labels > 0, all_around, border_value=1)
    return np.asarray(inside | ~ndimage.binary_dilation(labels > 0, all_around))


def _eroded(volume: Volume) -> NDArray[np.float32]:
    """Return 1 where a voxel is not at the volume's edge."""
    inner = np.zeros(volume.array.shape, np.float32)
    inner[1:-1, 1:-1, 1:-1] = 1.0
    return inner
