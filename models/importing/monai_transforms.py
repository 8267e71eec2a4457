"""MONAI's transforms in the card's words; what the card has no words for is refused by name. Pure.

A card has one order: orientation, grid, intensities, crop. Transforms in another order, or two that say the same
thing, would give another input than the card's, so they are refused too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.errors import WeightsRefused

Values = Mapping[str, Any]
#: What Orientationd calls the ends of axes unless it is told otherwise.
_MONAI_LABELS = [["L", "R"], ["P", "A"], ["I", "S"]]
_NOTHING, _ORIENTATION, _GRID, _RESIZED, _CENTRED, _INTENSITY, _CROPPED = range(7)


def preparation(
    transforms: Sequence[Values], channels: Sequence[str] = ("image",), said: Values | None = None
) -> dict[str, Any]:
    """Return ``[preparation]`` of what comes before the network.

    Args:
        transforms: Each with `_target_` (its name without modules) and its values.
        channels: Names of the series that the network's channels are.
        said: What the user says of it: all of it, with its kind, or what the transforms do not say.

    Raises WeightsRefused.
    """
    if said and "kind" in said:
        return dict(said)
    card: dict[str, Any] = {"kind": "volume", "normalisation": "none", "interpolation": "linear"}
    done, intensities = _NOTHING, ""
    for values in transforms:
        name = values["_target_"]
        if name not in _PREPARING:
            raise WeightsRefused(
                f"the transform {name} is not read here; known are {', '.join(_PREPARING)}; or say all of the "
                "preparation, with its kind, in the file named by --card"
            )
        place, say = _PREPARING[name]
        if place == done == _INTENSITY and (intensities, name) in _SECOND:
            say = _SECOND[intensities, name]
            intensities = ""  # there is no third
        elif place != _NOTHING and place <= done:
            raise WeightsRefused(
                f"the transform {name} comes after or beside one that a card has in its place: only orientation, then "
                "spacing or size, then a crop of the middle, one change of intensities (or NormalizeIntensityd and "
                "ScaleIntensityd), a crop of air is read here"
            )
        elif place == _INTENSITY:
            intensities = name
        try:
            say(values, card, channels)
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsRefused(
                f"the values of the transform {name} are not read here ({type(error).__name__}: {error})"
            ) from error
        done = max(done, place)
    _require_space({*card, *(said or {})})
    if len(channels) > 1:
        card["channels"] = list(channels[1:])
    return card


def _require_space(known: set[str]) -> None:
    """Refuse what neither the bundle nor the user has brought to a place in space."""
    if "orientation" not in known:
        raise WeightsRefused(
            "the bundle takes images as they lie (no Orientationd): left and right could be swapped. Where you know "
            'how they lay in training, say preparation = { orientation = "RAS" } in the file named by --card'
        )
    if "fit" not in known:
        raise WeightsRefused(
            "the bundle brings images to no spacing (Spacingd) and to no size (Resized): say what they had in "
            'training, preparation = { fit = "spacing", spacing_mm = [1.0, 1.0, 1.0] }, in the file named by --card'
        )


def interpretation(
    transforms: Sequence[Values], labels: Sequence[int] = (), said: Values | None = None
) -> dict[str, Any]:
    """Return ``[interpretation]`` of what comes after the network.

    Args:
        transforms: As of `preparation`.
        labels: Numbers of all labels but the background.
        said: What the user says of it: with its kind, what else the transforms do is the user's to know.

    Raises WeightsRefused.
    """
    card: dict[str, Any] = {"kind": "classes"}
    trusted = bool(said and "kind" in said)
    for values in transforms:
        name = values["_target_"]
        if name == "Activationsd" and values.get("sigmoid"):
            card["kind"] = "multi-label"
        elif name == "AsDiscreted" and values.get("threshold") is not None:
            if card["kind"] != "multi-label":
                raise WeightsRefused("AsDiscreted with a threshold is read after Activationsd with sigmoid only")
            card["threshold"] = _one_number(values["threshold"])
        elif name == "KeepLargestConnectedComponentd":
            _only(values, num_components=1, connectivity=None)
            applied = values.get("applied_labels")
            if applied is not None and sorted(applied) != sorted(labels):
                raise WeightsRefused(f"{name} of some labels (applied_labels = {applied}) is not read here")
            card["largest_component"] = "each-label" if values.get("independent", True) else "foreground"
        elif name not in ("Activationsd", "AsDiscreted", "Invertd", "SaveImaged", "EnsureTyped") and not trusted:
            raise WeightsRefused(
                f"the transform {name} after the network is not read here: say what its answer means (interpretation, "
                "with its kind) in the file named by --card"
            )
    return card


def _only(values: Values, **wanted: Any) -> None:
    """Refuse a value that the card cannot say; one that is left out is the wanted one."""
    for key, value in wanted.items():
        if values.get(key, value) != value:
            raise WeightsRefused(f"{values['_target_']} with {key} = {values[key]!r} is not read here, only {value!r}")


def _mode(values: Values, known: Mapping[str, str], default: str) -> str:
    mode = _one(values.get("mode", default))
    if mode not in known:
        raise WeightsRefused(f"{values['_target_']} with mode = {mode} is not read here; known are {', '.join(known)}")
    return known[mode]


def _one_number(said: Any) -> float:
    """Return a number that may stand in a list; one that cannot be read is refused."""
    numbers = said if isinstance(said, (list, tuple)) else [said]
    if len(numbers) != 1 or not isinstance(numbers[0], (int, float)):
        raise WeightsRefused(f"AsDiscreted with threshold = {said!r} is not read here, only one number")
    return float(numbers[0])


def _one(said: Any) -> str:
    """Return what is said of the images, where it may be said of each key by itself."""
    return str(said if isinstance(said, (str, int)) else said[0])


def _orientation(values: Values, card: dict[str, Any], _channels: Sequence[str]) -> None:
    # Each takes the meaning of axcodes, and with it left and right.
    _only(values, as_closest_canonical=False)
    labels = values.get("labels")
    if labels is not None and [list(pair) for pair in labels] != _MONAI_LABELS:
        raise WeightsRefused("Orientationd with labels of its own is not read here")
    # MONAI's axcodes name the direction along which an axis grows, as ours do.
    card["orientation"] = str(values["axcodes"])


def _spacing(values: Values, card: dict[str, Any], _channels: Sequence[str]) -> None:
    # What is not above 0 is as the images have it, for MONAI's Spacing and, as 0, for the card.
    said = values["pixdim"] if isinstance(values["pixdim"], (list, tuple)) else [values["pixdim"]]
    # Of fewer than three the last one is that of the rest, too.
    sides = [float(side) if side > 0 else 0.0 for side in (*said, *said[-1:] * 3)[:3]]
    if not all(map(math.isfinite, sides)):
        raise WeightsRefused("Spacingd with an infinite pixdim is not read here")
    # diagonal turns an oblique volume to the patient's axes; scale_extent begins between the first voxel and its edge.
    _only(values, min_pixdim=None, max_pixdim=None, diagonal=False, scale_extent=False)
    card |= {"fit": "spacing", "spacing_mm": sides, "anchor": "first-voxel"}
    card["interpolation"] = _mode(values, {"bilinear": "linear", "nearest": "nearest", "1": "linear"}, "bilinear")
    beyond = _one(values.get("padding_mode", "border"))
    if beyond not in ("border", "zeros"):
        raise WeightsRefused(f"Spacingd with padding_mode = {beyond} is not read here, only border or zeros")
    if beyond == "zeros":
        card["outside"] = 0.0


def _resized(values: Values, card: dict[str, Any], _channels: Sequence[str]) -> None:
    _only(values, size_mode="all", anti_aliasing=False)
    if values.get("align_corners"):
        raise WeightsRefused("Resized with align_corners is not read here: a card's grids share their outer edges")
    if "spacing_mm" in card:
        raise WeightsRefused("Spacingd and then Resized are not read here: a card has one of them")
    size = [int(side) for side in values["spatial_size"]]
    if min(size) < 1:
        raise WeightsRefused("Resized that leaves a side as it is (spatial_size of -1) is not read here")
    card["interpolation"] = _mode(values, {"trilinear": "linear"}, "area")
    card |= {"fit": "resize", "size": size}


def _centre(values: Values, card: dict[str, Any], _channels: Sequence[str]) -> None:
    sizes = values["roi_size"]
    wanted = [int(sizes)] * 3 if isinstance(sizes, int) else [int(side) for side in sizes]
    # MONAI leaves a side as it is where it is not above 0.
    card["crop_centre"] = [max(side, 0) for side in wanted]


def _range(values: Values, card: dict[str, Any], _channels: Sequence[str]) -> None:
    if not values.get("clip", False):
        raise WeightsRefused("ScaleIntensityRanged without clip is not read here")
    low, high = float(values["b_min"]), float(values["b_max"])
    card |= {"normalisation": "min-max", "window": [float(values["a_min"]), float(values["a_max"])]}
    card |= {"scale": high - low, "offset": low}


def _min_max(values: Values, card: dict[str, Any], channels: Sequence[str]) -> None:
    _by_itself(values, channels)
    # Given a factor, MONAI passes over minv and maxv only where they are None.
    low, high = float(values.get("minv", 0.0)), float(values.get("maxv", 1.0))
    card |= {"normalisation": "min-max", "scale": high - low, "offset": low}


def _percentiles(values: Values, card: dict[str, Any], channels: Sequence[str]) -> None:
    _by_itself(values, channels)
    _only(values, relative=False)
    if not values.get("clip", False):
        raise WeightsRefused("ScaleIntensityRangePercentilesd without clip is not read here")
    low, high = float(values["b_min"]), float(values["b_max"])
    card |= {"normalisation": "min-max", "percentiles": [float(values["lower"]), float(values["upper"])]}
    card |= {"scale": high - low, "offset": low}


def _z_score(values: Values, card: dict[str, Any], channels: Sequence[str]) -> None:
    subtrahend, divisor = values.get("subtrahend"), values.get("divisor")
    if (subtrahend is None) != (divisor is None):
        raise WeightsRefused("NormalizeIntensityd with one of subtrahend and divisor is not read here")
    if subtrahend is None or divisor is None:
        _by_itself(values, channels)
        card["normalisation"] = "non-zero-z-score" if values.get("nonzero", False) else "z-score"
        return
    _only(values, nonzero=False)
    if len(channels) > 1 and any(isinstance(said, (list, tuple)) for said in (subtrahend, divisor)):
        _by_itself(values, channels)
    numbers = zip(_numbers(subtrahend, channels), _numbers(divisor, channels), strict=True)
    first, *others = [{"normalisation": "fixed", "mean": mean, "std": std} for mean, std in numbers]
    card |= first
    if any(other != first for other in others):
        card["channel_values"] = dict(zip(channels[1:], others, strict=True))


def _stretched(values: Values, card: dict[str, Any], channels: Sequence[str]) -> None:
    """Say what ScaleIntensityd does after NormalizeIntensityd."""
    _by_itself(values, channels)
    card["stretched"] = [float(values.get("minv", 0.0)), float(values.get("maxv", 1.0))]


def _z_score_alone(values: Values, card: dict[str, Any], channels: Sequence[str]) -> None:
    """Say what NormalizeIntensityd does after ScaleIntensityd: the scale before it is lost in the deviation."""
    _only(values, nonzero=False, subtrahend=None, divisor=None)
    _z_score(values, card, channels)
    del card["scale"], card["offset"]


def _crop(values: Values, card: dict[str, Any], channels: Sequence[str]) -> None:
    _only(values, select_fn=None, margin=0, k_divisible=1)
    if values.get("channel_indices") not in ((None, 0, [0]) if len(channels) == 1 else (0, [0])):
        raise WeightsRefused("CropForegroundd is read where it looks at the first channel (channel_indices = 0)")
    card["crop_above"] = 0.0


def _by_itself(values: Values, channels: Sequence[str]) -> None:
    """Refuse what takes the values of several series together."""
    if len(channels) > 1 and not values.get("channel_wise", False):
        raise WeightsRefused(
            f"{values['_target_']} without channel_wise is not read here for {len(channels)} channels: a card "
            "normalises each series by itself"
        )


def _numbers(said: Any, channels: Sequence[str]) -> list[float]:
    """Return a number for each channel; one alone is that of all."""
    if not isinstance(said, (list, tuple)):
        return [float(said)] * len(channels)
    if len(said) != len(channels):
        raise WeightsRefused(f"NormalizeIntensityd has {len(said)} numbers for {len(channels)} channels")
    return [float(number) for number in said]


def _nothing(_values: Values, _card: dict[str, Any], _channels: Sequence[str]) -> None:
    """Do nothing: what it does, wetread does anyway."""


#: Place in the card's order, and what each says in the card's words.
_PREPARING: dict[str, tuple[int, Callable[[Values, dict[str, Any], Sequence[str]], None]]] = {
    "LoadImaged": (_NOTHING, _nothing),
    "EnsureChannelFirstd": (_NOTHING, _nothing),
    "EnsureTyped": (_NOTHING, _nothing),
    "AddChanneld": (_NOTHING, _nothing),
    "ToTensord": (_NOTHING, _nothing),
    "CastToTyped": (_NOTHING, _nothing),
    "Orientationd": (_ORIENTATION, _orientation),
    "Spacingd": (_GRID, _spacing),
    "Resized": (_RESIZED, _resized),
    "CenterSpatialCropd": (_CENTRED, _centre),
    "ScaleIntensityRanged": (_INTENSITY, _range),
    "ScaleIntensityRangePercentilesd": (_INTENSITY, _percentiles),
    "ScaleIntensityd": (_INTENSITY, _min_max),
    "NormalizeIntensityd": (_INTENSITY, _z_score),
    "CropForegroundd": (_CROPPED, _crop),
}
#: A second change of intensities that a card can say too.
_SECOND: dict[tuple[str, str], Callable[[Values, dict[str, Any], Sequence[str]], None]] = {
    ("NormalizeIntensityd", "ScaleIntensityd"): _stretched,
    ("ScaleIntensityd", "NormalizeIntensityd"): _z_score_alone,
}
