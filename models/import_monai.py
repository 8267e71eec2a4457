"""Imports a MONAI bundle: ``configs/metadata.json``, ``configs/inference.json`` or ``.yaml``, ``models/model.pt``.

The network is made by MONAI's own parser, its transforms are translated into the card's words, and one that is not
known here is refused by name. Needs the extra `monai`. The parser makes whatever the bundle's files name: only bundles
from somebody you trust.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from models.errors import WeightsRefused
from models.import_torch import import_module
from models.imported_model import merged

_LIMITS = "Imported from a MONAI bundle."


def import_monai(folder: Path, wishes: Mapping[str, Any], target_dir: Path) -> Path:
    """Write the model directory and return it.

    Args:
        folder: The bundle.
        wishes: What a bundle does not know: id, concepts of labels, selection.
        target_dir: Directory of this machine's models.

    Raises WeightsRefused for what is not read here, CardError (a draft is written), OSError.
    """
    metadata, parser = _metadata(folder), _parser(folder)
    preparation = _preparation(parser)
    inference = _inference(parser)
    interpretation, classes = _interpretation(parser), _classes(metadata)
    module = _network(parser, folder)
    known = {
        "name": str(metadata.get("name") or metadata.get("task") or folder.name)[:40],
        "version": str(metadata.get("version", "1"))[:16],
        "manufacturer": str(metadata.get("authors") or "MONAI")[:64],
        "intended_use": str(metadata.get("intended_use") or metadata.get("description") or ""),
        "limits": _LIMITS,
        "preparation": preparation,
        "inference": inference,
        "interpretation": interpretation,
    }
    said = {wish.get("number", wish.get("name")): wish for wish in wishes.get("labels", [])}
    labels = [
        merged({"number": number, "name": name}, said.get(number, said.get(name, {})))
        for number, name in classes.items()
        if number > 0
    ]
    told = merged(known, {key: value for key, value in wishes.items() if key != "labels"}) | {"labels": labels}
    sides = inference.get("window") or preparation.get("size")
    if not sides:
        raise WeightsRefused("the bundle has neither a SlidingWindowInferer nor a Resized: how large is the input?")
    example = np.zeros((1, 1, *sides), np.float32)
    return import_module(module, told, target_dir, example=example, free_sides=False)


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsRefused(f"{folder} is no MONAI bundle: configs/metadata.json cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise WeightsRefused(f"{folder}/configs/metadata.json holds no table")
    return content


def _parser(folder: Path) -> ConfigParser:
    for name in ("inference.json", "inference.yaml", "inference.yml"):
        file = folder / "configs" / name
        if file.is_file():
            parser = ConfigParser()
            parser.read_config(str(file))
            parser["bundle_root"] = str(folder)
            return parser
    raise WeightsRefused(f"{folder} has no configs/inference.json or .yaml")


def _network(parser: ConfigParser, folder: Path) -> Any:
    name = next((key for key in ("network_def", "network", "net") if key in parser.config), None)
    if name is None:
        raise WeightsRefused("the bundle's inference config has no network_def")
    try:
        with warnings.catch_warnings():
            # MONAI's own deprecations are not the importing user's business.
            warnings.simplefilter("ignore")
            module = parser.get_parsed_content(name).to("cpu").eval()
        content = torch.load(folder / "models" / "model.pt", map_location="cpu", weights_only=True)
        module.load_state_dict(content.get("model", content) if isinstance(content, dict) else content)
    except WeightsRefused:
        raise
    except Exception as error:  # the parser, torch: no common base
        words = str(error).splitlines()[0][:200] if str(error) else ""
        raise WeightsRefused(f"the bundle's network cannot be made: {type(error).__name__} {words}") from error
    return module


def _transforms(parser: ConfigParser, key: str) -> list[dict[str, Any]]:
    listed = (parser.config.get(key) or {}).get("transforms", [])
    found = []
    for place, item in enumerate(listed):
        values = {
            name: value if name == "_target_" else parser.get_parsed_content(f"{key}#transforms#{place}#{name}")
            for name, value in item.items()
            if name not in ("keys", "_disabled_", "_requires_", "_desc_")
        }
        found.append({**values, "_target_": str(item["_target_"]).rpartition(".")[2]})
    return found


def _orientation(values: Mapping[str, Any], card: dict[str, Any]) -> None:
    # MONAI's axcodes name the direction along which an axis grows, as ours do.
    card["orientation"] = str(values.get("axcodes", "RAS"))


def _spacing(values: Mapping[str, Any], card: dict[str, Any]) -> None:
    modes = values.get("mode", "bilinear")
    card |= {"fit": "spacing", "spacing_mm": [float(side) for side in values["pixdim"]]}
    card["anchor"] = "edges" if values.get("scale_extent", False) else "first-voxel"
    first = modes if isinstance(modes, str) else modes[0]
    card["interpolation"] = "nearest" if str(first) == "nearest" else "linear"


def _range(values: Mapping[str, Any], card: dict[str, Any]) -> None:
    if not values.get("clip", False):
        raise WeightsRefused("ScaleIntensityRanged without clip is not read here")
    low, high = float(values["b_min"]), float(values["b_max"])
    card |= {"normalisation": "min-max", "window": [float(values["a_min"]), float(values["a_max"])]}
    card |= {"scale": high - low, "offset": low}


def _min_max(values: Mapping[str, Any], card: dict[str, Any]) -> None:
    low, high = float(values.get("minv", 0.0)), float(values.get("maxv", 1.0))
    card |= {"normalisation": "min-max", "scale": high - low, "offset": low}


def _z_score(values: Mapping[str, Any], card: dict[str, Any]) -> None:
    if values.get("subtrahend") is not None:
        card |= {"normalisation": "fixed", "mean": float(values["subtrahend"]), "std": float(values["divisor"])}
    else:
        card["normalisation"] = "non-zero-z-score" if values.get("nonzero", False) else "z-score"


def _resized(values: Mapping[str, Any], card: dict[str, Any]) -> None:
    card |= {"fit": "resize", "size": [int(side) for side in values["spatial_size"]]}
    for key in ("spacing_mm", "anchor"):
        card.pop(key, None)


def _nothing(_values: Mapping[str, Any], _card: dict[str, Any]) -> None:
    """Do nothing: what it does, wetread does anyway."""


#: What each transform says in the card's words; any other is refused.
_PREPARING: dict[str, Callable[[Mapping[str, Any], dict[str, Any]], None]] = {
    "LoadImaged": _nothing,
    "EnsureChannelFirstd": _nothing,
    "EnsureTyped": _nothing,
    "CastToTyped": _nothing,
    "Orientationd": _orientation,
    "Spacingd": _spacing,
    "ScaleIntensityRanged": _range,
    "ScaleIntensityd": _min_max,
    "NormalizeIntensityd": _z_score,
    "Resized": _resized,
}


def _preparation(parser: ConfigParser) -> dict[str, Any]:
    card: dict[str, Any] = {"kind": "volume", "orientation": "RAS", "normalisation": "none", "interpolation": "linear"}
    for values in _transforms(parser, "preprocessing"):
        name = values["_target_"]
        if name not in _PREPARING:
            raise WeightsRefused(f"the transform {name} is not read here; known are {', '.join(_PREPARING)}")
        _PREPARING[name](values, card)
    if "fit" not in card:
        raise WeightsRefused(
            "the bundle brings images to no spacing (Spacingd) and to no size (Resized): name one of them"
        )
    return card


def _inference(parser: ConfigParser) -> dict[str, Any]:
    inferer = parser.config.get("inferer") or {}
    name = str(inferer.get("_target_", "SimpleInferer")).rpartition(".")[2]
    if name == "SimpleInferer":
        return {"strategy": "whole"}
    if name != "SlidingWindowInferer":
        raise WeightsRefused(f"the inferer {name} is not read here; known are SimpleInferer and SlidingWindowInferer")
    values = {key: parser.get_parsed_content(f"inferer#{key}") for key in inferer if not key.startswith("_")}
    return {
        "strategy": "sliding-window",
        "window": [int(side) for side in values["roi_size"]],
        "overlap": float(values.get("overlap", 0.25)),
        "spread": "steps",
        "blending": "gaussian" if str(values.get("mode", "constant")) == "gaussian" else "constant",
    }


def _interpretation(parser: ConfigParser) -> dict[str, Any]:
    card: dict[str, Any] = {"kind": "classes"}
    for values in _transforms(parser, "postprocessing"):
        name = values["_target_"]
        if name == "Activationsd" and values.get("sigmoid"):
            card["kind"] = "multi-label"
        elif name == "AsDiscreted" and values.get("threshold") is not None:
            card |= {"kind": "multi-label", "threshold": float(values["threshold"])}
        elif name == "KeepLargestConnectedComponentd":
            card["largest_component"] = "each-label" if values.get("independent", True) else "foreground"
        elif name not in ("Activationsd", "AsDiscreted", "Invertd", "SaveImaged", "EnsureTyped"):
            raise WeightsRefused(f"the transform {name} after the network is not read here")
    return card


def _classes(metadata: Mapping[str, Any]) -> dict[int, str]:
    outputs = (metadata.get("network_data_format") or {}).get("outputs") or {}
    channels = (outputs.get("pred") or {}).get("channel_def") or {}
    if not channels:
        raise WeightsRefused(
            "metadata.json does not say what the classes are (network_data_format.outputs.pred.channel_def)"
        )
    return {int(number): str(name) for number, name in channels.items()}
