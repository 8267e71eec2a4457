"""Values of images to what a network was trained on."""

import numpy as np
from numpy.typing import NDArray

from models.card.card_preparation import Values
from models.errors import InputRefused


def window_of(array: NDArray[np.float32], values: Values) -> tuple[float, float]:
    """Return the lowest and the highest value that count, as the card says it.

    Raises InputRefused when the array has no contrast or holds values that are not finite.
    """
    if values.window is not None:
        if not np.isfinite(array).all():
            raise InputRefused("the images hold values that are not finite; look at their rescale slope and intercept")
        return values.window
    if values.percentiles == (0.0, 100.0) or values.normalisation == "none":
        low, high = float(array.min()), float(array.max())
    else:
        low, high = (float(value) for value in np.percentile(array, values.percentiles))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputRefused("the images hold values that are not finite; look at their rescale slope and intercept")
    if not high > low:
        raise InputRefused("the images have no contrast: one value nearly everywhere; look at the images")
    return low, high


def normalise(array: NDArray[np.float32], values: Values, window: tuple[float, float]) -> None:
    """Bring values to the network's range, in place.

    Values are clipped to the window. Then ``min-max`` maps the window to 0 to 1; the z-scores subtract the mean and
    divide by the standard deviation (ddof = 1) of this array, or of what in it is not 0; ``fixed`` does so with the
    card's numbers. Then the lowest and the highest are brought where ``stretched`` says. Last, times scale plus offset.

    Raises InputRefused when there is the same value everywhere.
    """
    low, high = window
    np.clip(array, low, high, out=array)
    if values.normalisation == "min-max":
        array -= np.float32(low)
        array /= np.float32(high - low)
    elif values.normalisation == "fixed":
        array -= np.float32(values.mean or 0.0)
        array /= np.float32(values.std or 1.0)
    elif values.normalisation == "non-zero-z-score":
        inside = array != 0
        array[inside] = _z_score(array[inside])
    elif values.normalisation != "none":
        _z_score(array)
    if values.stretched is not None:
        _stretch(array, *values.stretched)
    if values.scale != 1.0:
        array *= np.float32(values.scale)
    if values.offset != 0.0:
        array += np.float32(values.offset)


def _stretch(array: NDArray[np.float32], first: float, last: float) -> None:
    low, high = float(array.min()), float(array.max())
    if not high > low:
        raise InputRefused("the part that the network would read has the same value everywhere; look at the images")
    array -= np.float32(low)
    array *= np.float32((last - first) / (high - low))
    array += np.float32(first)


def _z_score(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the mean and divide by the deviation, in place, and return it."""
    if not array.size:
        raise InputRefused("the images hold nothing but 0; look at them")
    # float32 sums over 16 million voxels lose digits.
    array -= np.float32(array.mean(dtype=np.float64))
    deviation = np.sqrt(np.vdot(array, array) / max(array.size - 1, 1))
    if not deviation > 0:
        raise InputRefused("the part that the network would read has the same value everywhere; look at the images")
    array /= np.float32(deviation)
    return array
