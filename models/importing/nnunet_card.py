"""What nnU-Net's ``plans.json`` and ``dataset.json`` say, in the card's words."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import WeightsRefused
from models.importing.channel_names import channel_names

_LIMITS = "Imported from nnU-Net, {fold}; labels, not probabilities, are brought back to the images' grid"
#: What nnU-Net resamples with, unless its planner was told otherwise.
_RESAMPLING = "resample_data_or_seg_to_shape"
#: Its `order`, in the card's words.
_ORDERS = {0: "nearest", 1: "linear", 3: "spline"}
_SPATIAL = (0, 1, 2)
_PLANE, _VOLUME = 2, 3
CASCADE = (
    "the second stage of a cascade reads, beside the images, what a 3d_lowres network said of them, and a card reads "
    "images alone. Import the results folder of 3d_fullres or 3d_lowres of the same training instead"
)
_IGNORED = "ignore"


def nnunet_card(
    plans: Mapping[str, Any],
    configuration: Mapping[str, Any],
    dataset: Mapping[str, Any],
    orientation: str,
    mirrored: list[int],
) -> dict[str, Any]:
    """Return the part of a card that nnU-Net knows.

    Args:
        plans: All of ``plans.json``.
        configuration: The one of its configurations that is imported.
        dataset: All of ``dataset.json``.
        orientation: Direction in which slices, rows and columns of the training images grow.
        mirrored: Axes of the patch along which the network was trained with mirrored copies.

    Raises WeightsRefused for what no card can say; KeyError, TypeError, ValueError for files that are not nnU-Net's.
    """
    if configuration.get("previous_stage"):
        raise WeightsRefused(f"plans.json names a previous_stage: {CASCADE}")
    forward = [int(axis) for axis in plans.get("transpose_forward", _SPATIAL)]
    channels = channel_names(dataset["channel_names"], "dataset.json")
    schemes = configuration["normalization_schemes"]
    if len(schemes) != len(channels):
        raise WeightsRefused(f"dataset.json has {len(channels)} channels, plans.json normalises {len(schemes)}")
    values = [_values(configuration, plans, place) for place in range(len(channels))]
    spacing_mm, windows = _grid(plans, configuration, mirrored)
    preparation = {
        "kind": "volume",
        "orientation": "".join(orientation[axis] for axis in forward),
        "fit": "spacing",
        "interpolation": _interpolation(configuration),
        "normalised": "source-grid",
        "spacing_mm": spacing_mm,
        "crop_non_zero": True,
        **values[0],
    }
    if len(channels) > 1:
        preparation["channels"] = channels[1:]
        preparation["channel_values"] = dict(zip(channels[1:], values[1:], strict=True))
    return {
        "name": str(dataset.get("name") or plans["dataset_name"])[:40],
        "version": "nnunet-v2",
        "preparation": preparation,
        "inference": {
            "strategy": "sliding-window",
            "overlap": 0.5,
            "blending": "gaussian-nnunet",
            "padding": "zero-around",
            **windows,
        },
        **_answer(dataset),
    }


def _grid(
    plans: Mapping[str, Any], configuration: Mapping[str, Any], mirrored: list[int]
) -> tuple[list[float], dict[str, Any]]:
    """Return the spacing of the network's grid, and which windows of it are read, mirrored along which axes.

    2d: slices follow along the first axis after transposition and stay as far apart as they are, as nnU-Net leaves
    them; all the rest is done to the volume, as in 3d.

    Raises WeightsRefused for a network of single images.
    """
    spacing = [float(side) for side in configuration["spacing"]]
    patch = [int(side) for side in configuration["patch_size"]]
    if len(spacing) != len(patch) or len(patch) not in (_PLANE, _VOLUME):
        raise ValueError(f"spacing {spacing} and patch_size {patch} are neither of a plane nor of a volume")
    if len(patch) == _VOLUME:
        return spacing, {"window": patch, **({"mirror_axes": mirrored} if mirrored else {})}
    if list(plans.get("original_median_shape_after_transp", ()))[:1] == [1]:
        raise WeightsRefused(
            "plans.json says that the training images had one slice each (original_median_shape_after_transp): only "
            "networks of slices of volumes are read here. Export the network as ONNX, and import that with a card of "
            'preparation.kind = "image"'
        )
    axes = {"mirror_axes": [axis + 1 for axis in mirrored]} if mirrored else {}
    return [0.0, *spacing], {"window": [1, *patch], "slice_axis": 0, **axes}


def _answer(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the network's channels are. Raises WeightsRefused."""
    # What was left out of training has a number, and no output of the network.
    said = {name: value for name, value in dataset["labels"].items() if name != _IGNORED}
    if any(isinstance(value, (list, tuple)) for value in said.values()):
        parts = {name: _numbers(value) for name, value in said.items()}
        names = _names_of_regions([(name, numbers) for name, numbers in parts.items() if numbers != {0}])
        if len(dataset.get("regions_class_order", ())) != len(names):
            raise WeightsRefused(f"regions_class_order of dataset.json does not name {len(names)} regions")
        return {"interpretation": {"kind": "regions"}, "labels": _labels(names)}
    if sorted(said.values()) != list(range(len(said))):
        raise WeightsRefused(f"the labels' numbers {sorted(said.values())} are not 0, 1, 2, ...")
    return {"interpretation": {"kind": "classes"}, "labels": _labels(sorted(said, key=said.__getitem__)[1:])}


def _labels(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"number": number, "name": name} for number, name in enumerate(names, start=1)]


def _numbers(value: Any) -> set[int]:
    return {int(number) for number in (value if isinstance(value, (list, tuple)) else [value])}


def _names_of_regions(regions: Sequence[tuple[str, set[int]]]) -> list[str]:
    """Return what to call what is left of each region when those after it are drawn over it, as nnU-Net does."""
    names = []
    for place, (name, numbers) in enumerate(regions):
        over = [(other, parts) for other, parts in regions[place + 1 :] if parts & numbers]
        # Of a part of a part only the part is named.
        largest = [other for other, parts in over if not any(parts < wider for _, wider in over)]
        names.append(f"{name} without {' and '.join(largest)}" if largest else name)
    return names


def limits_of(fold: str, preparation: Mapping[str, Any], inference: Mapping[str, Any]) -> str:
    """Return what a read by this fold and these parts of a card does otherwise than nnU-Net."""
    channels = [preparation, *preparation.get("channel_values", {}).values()]
    limits = [_LIMITS.format(fold=fold)]
    if preparation.get("interpolation") != "spline":
        limits.append("thick planes are resampled like others")
    if any(values["normalisation"] == "non-zero-z-score" for values in channels):
        limits.append(
            "z-scores are of what is not 0 in each series by itself, without the holes inside that nnU-Net fills"
        )
    if not inference.get("mirror_axes"):
        limits.append("no mirrored copies are averaged")
    return "; ".join(limits) + "."


def mirror_axes(said: object, count: int) -> list[int]:
    """Return the axes of ``inference_allowed_mirroring_axes`` of a network of so many. Raises WeightsRefused."""
    if said is None:
        return []
    known = _SPATIAL[:count]
    if not isinstance(said, (list, tuple)) or any(axis not in known for axis in said) or len(set(said)) < len(said):
        what = "plane" if count == _PLANE else "volume"
        raise WeightsRefused(f"inference_allowed_mirroring_axes {said!r} are no axes of a {what}")
    return sorted(int(axis) for axis in said)


def _interpolation(configuration: Mapping[str, Any]) -> str:
    """Return how images are resampled. Raises WeightsRefused for what no card can say."""
    name, said = (
        configuration.get("resampling_fn_data", _RESAMPLING),
        configuration.get("resampling_fn_data_kwargs", {}),
    )
    if name != _RESAMPLING:
        raise WeightsRefused(f"images that are resampled by {name} are not read here, only by {_RESAMPLING}")
    order = said.get("order", 3)
    if order not in _ORDERS or said.get("order_z", 0) != 0 or said.get("force_separate_z") is not None:
        raise WeightsRefused(
            f"resampling_fn_data_kwargs {said} are not read here: order is one of {', '.join(map(str, _ORDERS))}, "
            "order_z is 0, and force_separate_z null"
        )
    return _ORDERS[order]


def _values(configuration: Mapping[str, Any], plans: Mapping[str, Any], place: int) -> dict[str, Any]:
    scheme, masked = configuration["normalization_schemes"][place], configuration["use_mask_for_norm"][place]
    if scheme == "CTNormalization":
        # The first releases' word for the same.
        older = plans.get("foreground_intensity_properties_by_modality")
        seen = (plans.get("foreground_intensity_properties_per_channel") or older or {})[str(place)]
        return {
            "normalisation": "fixed",
            "window": [float(seen["percentile_00_5"]), float(seen["percentile_99_5"])],
            "mean": float(seen["mean"]),
            "std": float(seen["std"]),
        }
    known = {"ZScoreNormalization": "non-zero-z-score" if masked else "z-score", "NoNormalization": "none",
             "RescaleTo01Normalization": "min-max"}  # fmt: skip
    if scheme not in known:
        raise WeightsRefused(
            f"the normalisation {scheme} is not read here; known are CTNormalization, {', '.join(known)}"
        )
    return {"normalisation": known[scheme]}
