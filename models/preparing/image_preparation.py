"""From a frame of images without a place in space to the network's input: size, intensities, channels. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from scipy import ndimage

from models.card.card_preparation import ImagePreparation
from models.errors import InputRefused

_Pair = tuple[float, float]
_RESAMPLING = {"linear": Picture.Resampling.BILINEAR, "nearest": Picture.Resampling.NEAREST}


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Which part of a frame the network's input shows.

    Attributes:
        scale: Pixels of the frame in a pixel of the input, along rows and along columns.
        start: Row and column of the frame, counted from the edge of its first pixel, at the input's edge.
    """

    scale: _Pair
    start: _Pair


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedFrame:
    """What a network is given.

    Attributes:
        array: ``(1, channels, rows, columns)`` float32, contiguous.
        placement: Which part of the frame it shows.
    """

    array: NDArray[np.float32]
    placement: Placement


def prepare_frame(
    frame: NDArray[np.generic], preparation: ImagePreparation, *, pixel_aspect: float = 1.0
) -> PreparedFrame | None:
    """Bring a frame ``(rows, columns)`` to the network's size and intensities; None where it has no contrast.

    What keeps the aspect keeps that of the body, whose pixels are `pixel_aspect` times as high as wide.

    Raises InputRefused when it holds values that are not finite.
    """
    values: NDArray[np.float32] = np.asarray(frame, np.float32)
    window = _window(values, preparation)
    if window is None:
        return None
    rows, columns = preparation.size
    top, left, height, width = _shown(frame.shape, preparation, pixel_aspect)
    inside = (rows, columns)
    if preparation.fit == "pad":
        factor = min(rows / (height * pixel_aspect), columns / width)
        inside = (max(1, round(height * pixel_aspect * factor)), max(1, round(width * factor)))
    resized = Picture.fromarray(values).resize(
        (inside[1], inside[0]),
        _RESAMPLING[preparation.interpolation],
        box=(left, top, left + width, top + height),
    )
    low, high = window
    prepared = np.full((rows, columns), low, np.float32)
    above, beside = (rows - inside[0]) // 2, (columns - inside[1]) // 2
    prepared[above : above + inside[0], beside : beside + inside[1]] = np.clip(np.asarray(resized), low, high)
    prepared = (prepared - np.float32(low)) / np.float32(high - low)
    scale = (height / inside[0], width / inside[1])
    return PreparedFrame(
        array=_channels(prepared, preparation),
        placement=Placement(scale=scale, start=(top - above * scale[0], left - beside * scale[1])),
    )


def brought_back(
    array: NDArray[Any], shape: tuple[int, int], placement: Placement, size: tuple[int, int], *, linear: bool
) -> NDArray[Any]:
    """Return an answer on the grid of the frame; what the network has not seen becomes 0.

    Args:
        array: ``(rows, columns)``, covering the whole of the network's input.
        shape: Rows, columns of the frame.
        placement: Of the input on it.
        size: Rows, columns of the input.
        linear: Interpolate to float32; else keep the nearest value and the dtype.
    """
    step = [one * whole / part for one, whole, part in zip(placement.scale, size, array.shape, strict=True)]
    # Centres of pixels lie half a pixel from their edges, on both grids.
    offset = [(0.5 - start) / one - 0.5 for start, one in zip(placement.start, step, strict=True)]
    back: NDArray[Any] = ndimage.affine_transform(
        array,
        [1.0 / one for one in step],
        offset=offset,
        output_shape=shape,
        output=np.float32 if linear else array.dtype,
        order=1 if linear else 0,
        mode="nearest",
        prefilter=False,
    )
    kept = seen_by(placement, shape, size)
    seen = np.zeros_like(back)
    seen[kept] = back[kept]
    return seen


def seen_by(placement: Placement, shape: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of a frame that a network has seen; arguments as of `brought_back`."""
    sides = []
    for start, one, whole, length in zip(placement.start, placement.scale, size, shape, strict=True):
        centres = np.arange(length) + 0.5
        seen = np.flatnonzero((centres >= start) & (centres <= start + one * whole))
        sides.append(slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0, 0))
    return sides[0], sides[1]


def _shown(
    shape: tuple[int, ...], preparation: ImagePreparation, pixel_aspect: float
) -> tuple[float, float, float, float]:
    """Return top, left, height and width of the part that is shown, in pixels of the frame."""
    height, width = float(shape[0]), float(shape[1])
    if preparation.fit != "crop":
        return 0.0, 0.0, height, width
    rows, columns = preparation.size
    factor = min(height * pixel_aspect / rows, width / columns)
    # Rounding may make the part larger than the frame by less than a millionth of a pixel, which Pillow refuses.
    part_height, part_width = min(height, rows * factor / pixel_aspect), min(width, columns * factor)
    return (height - part_height) / 2, (width - part_width) / 2, part_height, part_width


def _window(values: NDArray[np.float32], preparation: ImagePreparation) -> _Pair | None:
    if not np.isfinite(values).all():
        raise InputRefused("the images hold values that are not finite; look at their rescale slope and intercept")
    if preparation.window is not None:
        # One value everywhere, or all of it beyond the same end of the window.
        return preparation.window if np.ptp(np.clip(values, *preparation.window)) > 0 else None
    if preparation.percentiles == (0.0, 100.0):
        low, high = float(values.min()), float(values.max())
    else:
        low, high = (float(value) for value in np.percentile(values, preparation.percentiles))
    return (low, high) if high > low else None


def _channels(values: NDArray[np.float32], preparation: ImagePreparation) -> NDArray[np.float32]:
    array = np.repeat(values[np.newaxis], preparation.channels, axis=0)
    if preparation.normalisation == "mean-std":
        array -= np.asarray(preparation.mean, np.float32).reshape(-1, 1, 1)
        array /= np.asarray(preparation.std, np.float32).reshape(-1, 1, 1)
    array = array * np.float32(preparation.scale) + np.float32(preparation.offset)
    return np.ascontiguousarray(array[np.newaxis], np.float32)
