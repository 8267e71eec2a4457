"""A network that reads a window at a time is moved over a volume; where windows overlap, their answers are blended.

A network of two dimensions reads windows of one slice (`slice_axis`): it is given them without that axis.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.asking.answers import only_output
from models.card.card_inference import SlidingWindow
from models.errors import RuntimeFailed
from models.runtimes.runtime import Infer

#: The blending weight falls off with this share of the window's side as its standard deviation, in MONAI and nnU-Net.
_SIGMA = 0.125
_MONAI_FLOOR = np.float32(1e-3)


def ask_windows(
    infer: Infer, network: str, name: str, array: NDArray[np.float32], strategy: SlidingWindow, *, at_once: int = 1
) -> NDArray[np.float32]:
    """Return a network's logits for a volume that it reads window by window.

    Args:
        infer: Asks the network.
        network: Its name on the card.
        name: Of its input.
        array: ``(1, channels, d, h, w)``; sides shorter than the window are filled up as the card says.
        strategy: Window, overlap, blending.
        at_once: Windows that the network takes along its first axis.

    Returns ``(1, classes, d, h, w)`` float32: the mean of all answers to a voxel, weighted by their blending.

    Raises RuntimeFailed, also when the answer to n windows is not ``(n, classes, *window)``, CardError for several
    outputs.
    """
    padded, inside = filled_up(array, strategy)
    weight = blending(strategy)
    total: NDArray[np.float32] | None = None
    weights = np.zeros(padded.shape[1:], np.float32)
    boxes = list(windows(padded.shape[1:], strategy))
    for start in range(0, len(boxes), at_once):
        group = boxes[start : start + at_once]
        answer = _mirrored(infer, network, name, np.stack([padded[(slice(None), *box)] for box in group]), strategy)
        if total is None:
            total = np.zeros((answer.shape[1], *weights.shape), np.float32)
        for box, one in zip(group, answer, strict=True):
            total[(slice(None), *box)] += np.asarray(one, np.float32) * weight
            weights[box] += weight
    assert total is not None  # noqa: S101  # a volume has at least one window
    total /= weights
    return total[(np.newaxis, slice(None), *inside)]


def _mirrored(
    infer: Infer, network: str, name: str, group: NDArray[np.float32], strategy: SlidingWindow
) -> NDArray[np.float32]:
    """Return the answers to some windows: the mean over their mirrored copies, each mirrored back."""
    across = () if strategy.slice_axis is None else (strategy.slice_axis + 2,)
    axes = sorted(axis + 2 for axis in strategy.mirror_axes)
    ways = [way for count in range(len(axes) + 1) for way in itertools.combinations(axes, count)]
    total: NDArray[np.float32] | None = None
    for way in ways:
        given = np.ascontiguousarray(np.flip(group, way).squeeze(across))
        answer = only_output(infer(network, {name: given}))
        wanted = strategy.network_window
        if answer.ndim != given.ndim or answer.shape[0] != len(group) or answer.shape[2:] != wanted:
            raise RuntimeFailed(
                f"the network answers {answer.shape} to {len(group)} windows of {wanted}, not "
                "(windows, classes, *window): mend `window` or `max_batch` in the card, or the network"
            )
        values = np.flip(np.expand_dims(np.asarray(answer, np.float32), across), way)
        total = values if total is None else total + values
    assert total is not None  # noqa: S101  # as it is counts as a way
    return total / np.float32(len(ways)) if len(ways) > 1 else total


def filled_up(
    array: NDArray[np.float32], strategy: SlidingWindow
) -> tuple[NDArray[np.float32], tuple[slice, slice, slice]]:
    """Return a batch of one as ``(channels, d, h, w)``, no smaller than a window, and where in it the volume lies."""
    around = strategy.padding != "lowest"
    sides, places = [(0, 0)], []
    for side, wide in zip(array.shape[2:], strategy.window, strict=True):
        missing = max(0, wide - side)
        before = missing // 2 if around else 0
        sides.append((before, missing - before))
        places.append(slice(before, before + side))
    if strategy.padding == "edge-around":
        padded = np.pad(array[0], sides, mode="edge")
    else:
        padded = np.pad(array[0], sides, constant_values=0.0 if around else array.min())
    return padded, (places[0], places[1], places[2])


def windows(shape: tuple[int, ...], strategy: SlidingWindow) -> Iterator[tuple[slice, ...]]:
    """Yield the boxes that cover a volume: as few as the overlap allows, the last at the end."""
    starts = []
    for side, wide in zip(shape, strategy.window, strict=True):
        step = max(1.0, wide * (1.0 - strategy.overlap))
        if strategy.spread == "even":
            # As nnU-Net counts them: of an odd width half a voxel is not rounded.
            places = np.linspace(0, side - wide, math.ceil((side - wide) / step) + 1)
        else:
            count = math.ceil((side - wide) / int(step)) + 1
            places = np.minimum(np.arange(count) * int(step), side - wide)
        starts.append([round(place) for place in places])
    for corner in itertools.product(*starts):
        yield tuple(slice(start, start + wide) for start, wide in zip(corner, strategy.window, strict=True))


def blending(strategy: SlidingWindow) -> NDArray[np.float32]:
    """Return the weight of each voxel of a window: one everywhere, or a Gaussian about its middle."""
    weight = np.ones(strategy.window, np.float32)
    if strategy.blending == "constant":
        return weight
    for axis, wide in enumerate(strategy.window):
        middle = wide // 2 if strategy.blending == "gaussian-nnunet" else (wide - 1) / 2
        place = (np.arange(wide) - middle) / (wide * _SIGMA)
        along = np.exp(-0.5 * place**2).astype(np.float32)
        weight *= along.reshape([-1 if axis == other else 1 for other in range(3)])
    if strategy.blending == "gaussian-monai":
        np.maximum(weight, _MONAI_FLOOR, out=weight)
    # Else not clipped from below: along the volume's faces all windows weigh little, and a floor makes them equal.
    return np.asarray(weight / weight.max())
