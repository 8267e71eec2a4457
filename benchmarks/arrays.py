"""Connected parts and resampling: what wetread does with scipy against other libraries, in one thread, interleaved.

python -m benchmarks.arrays [--rounds 3]

cc3d is measured where it is installed; its licence (LGPL) keeps it out of wetread.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own abbreviation)
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from benchmarks.record import Row, write
from benchmarks.show import table
from models.components import largest_component
from models.preparing.grid import Grid, grid_of, resample
from models.volume import Volume

_CT = (300, 512, 512)
_SMALL = (64, 64, 64)
_SPACING_MM = (1.0, 0.7, 0.7)
#: Resampled values may differ by this, of a range of 1000: float32 sums in another order.
_SAME_WITHIN = 0.05
#: Share of voxels whose nearest neighbour may be another one: those halfway between two.
_OTHER_NEIGHBOUR = 0.001
_CORNERS = np.ones((3, 3, 3), bool)


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One task, and who does it.

    Attributes:
        case: What is measured.
        ours: wetread's own function.
        peers: Others', by name; each converts from and to numpy, as wetread would have to.
        agree: Whether two answers are the same.
    """

    case: str
    ours: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    agree: Callable[[Any, Any], bool]


def main() -> None:
    """Measure all and write benchmarks/results/arrays.json."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.arrays", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    rows = [row for contest in _contests() for row in measured(contest, rounds)]
    console = Console()
    console.print(table(rows))
    console.print(f"written: {write('arrays', rows)}")


def measured(contest: Contest, rounds: int) -> list[Row]:
    """Return each one's least CPU time of several rounds, in which they take turns.

    All work in one thread, so CPU time tells them apart on a busy machine too.

    Raises ValueError when a peer's answer is not ours.
    """
    everyone = {"": contest.ours} | contest.peers
    best = dict.fromkeys(everyone, float("inf"))
    reference = contest.ours()
    for name, peer in contest.peers.items():
        if not contest.agree(reference, peer()):
            raise ValueError(f"{contest.case}: {name} answers something else; its time would say nothing")
    for _ in range(rounds):
        for name, run in everyone.items():
            started = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - started)
    return [
        Row(case=contest.case, unit="CPU s", ours=round(best[""], 4), target=peer, peer=peer, peer_name=name)
        for name in contest.peers
        for peer in [round(best[name], 4)]
    ]


def _contests() -> Iterator[Contest]:
    for name, shape in (("512 x 512 x 300", _CT), ("64 x 64 x 64", _SMALL)):
        mask = _blobs(shape)
        yield Contest(
            case=f"all connected parts, {name}",
            ours=lambda mask=mask: ndimage.label(mask, structure=_CORNERS)[0],
            peers={"SimpleITK": lambda mask=mask: _parts(mask)} | _cc3d_parts(mask),
            agree=lambda one, two: int(one.max()) == int(two.max()),
        )
        yield Contest(
            case=f"largest part, {name}",
            ours=lambda mask=mask: largest_component(mask),
            peers={"SimpleITK": lambda mask=mask: _largest(mask)} | _cc3d_largest(mask),
            agree=lambda one, two: bool((one == two).all()),
        )
        yield from _resampling(name, shape)


def _resampling(name: str, shape: tuple[int, int, int]) -> Iterator[Contest]:
    straight = _volume(shape, 0.0)
    # Not by two: each voxel would lie halfway between two others, and who is nearest a matter of taste.
    coarse = grid_of(straight).stretched((shape[0] * 3 // 5, shape[1] * 3 // 5, shape[2] * 3 // 5))
    turned = Grid(affine=_volume(shape, 0.2).affine, shape=coarse.shape)
    labels = Volume(array=(np.asarray(straight.array) > 0).astype(np.uint8), affine=straight.affine)
    tasks = (
        ("linear, grids along each other", straight, coarse, "linear"),
        ("linear, oblique", straight, turned, "linear"),
        ("nearest, labels, grids along each other", labels, coarse, "nearest"),
    )
    for task, volume, grid, interpolation in tasks:
        yield Contest(
            case=f"resampling, {task}, {name}",
            ours=lambda v=volume, g=grid, i=interpolation: resample(v, g, interpolation=i, outside=0.0).array,
            peers={"SimpleITK": lambda v=volume, g=grid, i=interpolation: _resampled(v, g, i)},
            agree=_same_values if interpolation == "linear" else _same_labels,
        )


def _same_values(one: NDArray[Any], two: NDArray[Any]) -> bool:
    # Beyond the outermost centres each library fades in its own way.
    inside = (slice(2, -2),) * 3
    close = np.abs(one[inside] - two[inside]) <= _SAME_WITHIN
    return bool(close.mean() > 1.0 - _OTHER_NEIGHBOUR) if one.shape == two.shape else False


def _same_labels(one: NDArray[Any], two: NDArray[Any]) -> bool:
    return bool((one != two).mean() < _OTHER_NEIGHBOUR) if one.shape == two.shape else False


def _blobs(shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return a large thing, some smaller ones, and specks, as thresholded networks answer."""
    generator = np.random.default_rng(0)
    z, y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    mask = np.asarray(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 0.3)  # noqa: PLR2004
    for _ in range(40):
        low = [int(generator.integers(0, side - side // 16)) for side in shape]
        mask[tuple(slice(start, start + side // 16) for start, side in zip(low, shape, strict=True))] = True
    specks = tuple(generator.integers(0, side, 2000 if shape == _CT else 50) for side in shape)
    mask[specks] = True
    return mask


def _volume(shape: tuple[int, int, int], turn: float) -> Volume:
    """Return smooth values between -500 and 500 whose axes run along S, P, L, turned about the patient's axis."""
    z, y, x = (np.sin(np.linspace(0, 9, side, dtype=np.float32)) for side in shape)
    array = (500 * z[:, None, None] * y[:, None] * x).astype(np.int16)
    cosine, sine = np.cos(turn), np.sin(turn)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, -sine, cosine], [0, cosine, sine], [1, 0, 0]]) * _SPACING_MM
    return Volume(array=array, affine=affine)


def _image(array: NDArray[Any], affine: NDArray[np.float64]) -> Any:
    image = sitk.GetImageFromArray(array)
    columns = affine[:3, 2::-1]
    spacing = np.linalg.norm(columns, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((columns / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def _resampled(volume: Volume, grid: Grid, interpolation: str) -> NDArray[Any]:
    columns = grid.affine[:3, 2::-1]
    spacing = np.linalg.norm(columns, axis=0)
    linear = interpolation == "linear"
    done = sitk.Resample(
        _image(volume.array, volume.affine),
        grid.shape[::-1],
        sitk.Transform(),
        sitk.sitkLinear if linear else sitk.sitkNearestNeighbor,
        grid.affine[:3, 3].tolist(),
        spacing.tolist(),
        (columns / spacing).ravel().tolist(),
        0.0,
        sitk.sitkFloat32 if linear else sitk.sitkUnknown,
    )
    return sitk.GetArrayFromImage(done)


def _parts(mask: NDArray[np.bool_]) -> NDArray[Any]:
    return sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.view(np.uint8)), True))  # noqa: FBT003


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.view(np.uint8)), True)  # noqa: FBT003
    return np.asarray(sitk.GetArrayFromImage(sitk.RelabelComponent(parts)) == 1)


def _cc3d_parts(mask: NDArray[np.bool_]) -> dict[str, Callable[[], Any]]:
    cc3d = _cc3d()
    return {} if cc3d is None else {"cc3d": lambda: cc3d.connected_components(mask, connectivity=26)}


def _cc3d_largest(mask: NDArray[np.bool_]) -> dict[str, Callable[[], Any]]:
    cc3d = _cc3d()
    return {} if cc3d is None else {"cc3d": lambda: cc3d.largest_k(mask, k=1, connectivity=26) == 1}


def _cc3d() -> Any:
    try:
        return importlib.import_module("cc3d")
    except ModuleNotFoundError:
        return None


if __name__ == "__main__":
    main()
