"""Imports a MONAI bundle: ``configs/metadata.json``, ``configs/inference.json`` or ``.yaml``, and its network.

The network is made by MONAI's own parser with the weights of ``models/model.pt``, or, where the bundle does not have
both, is the TorchScript of ``models/model.ts``, loaded in a process of its own. The bundle's transforms are translated
into the card's words, and one that is not known here is refused by name. Needs the extra `monai`. The parser makes
whatever the bundle's files name: only bundles from somebody you trust.
"""

import json
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from models.errors import WeightsRefused
from models.foreign import first_line, told_as
from models.importing.channel_names import channel_names
from models.importing.import_torch import import_module, sides_of
from models.importing.import_torchscript import import_script
from models.importing.imported_model import with_labels
from models.importing.monai_transforms import interpretation, preparation

_SIGMA = 0.125
_LARGEST_BUNDLE = 8 << 30
#: Those that move a window, and how many sides it has; SliceInferer moves it over slices that follow along spatial_dim.
_WINDOWS = {"SlidingWindowInferer": 3, "SliceInferer": 2}
#: padding_mode, in the card's words.
_PADDINGS = {"constant": "zero-around", "replicate": "edge-around"}
_LIMITS = "Imported from a MONAI bundle; labels, not probabilities, are brought back to the images' grid."


def import_monai(folder: Path, wishes: Mapping[str, Any], target_dir: Path) -> Path:
    """Write the model directory and return it.

    Args:
        folder: The bundle, or a zip of it.
        wishes: What a bundle does not know: id, concepts of labels, selection (of each channel, where it has several),
            and of labels by themselves (sigmoid) whether one lies within another: the kind of interpretation.
        target_dir: Directory of this machine's models.

    Raises WeightsRefused for what is not read here, CardError (a draft is written), OSError.
    """
    if folder.is_file():
        with tempfile.TemporaryDirectory(prefix="wetread-import-") as scratch:
            return import_monai(_unpacked(folder, Path(scratch)), wishes, target_dir)
    metadata, parser = _metadata(folder), _parser(folder)
    channels = _channels(metadata)
    said = {
        part: value
        for part in ("preparation", "inference", "interpretation")
        if isinstance(value := wishes.get(part), Mapping)
    }
    # What the user says with its strategy is all of it, as preparation and interpretation with their kind.
    inference = {} if "strategy" in said.get("inference", {}) else _inference(parser)
    prepared = preparation(_transforms(parser, "preprocessing"), channels, said.get("preparation"))
    after = _transforms(parser, "postprocessing")
    if not after and "kind" not in said.get("interpretation", {}):
        raise WeightsRefused(
            "the bundle does not say what its network's answer means (postprocessing): where its channels exclude each "
            'other and the first is the background, say interpretation = { kind = "classes" } in the file named by '
            "--card, else what they are"
        )
    by_itself = any(values["_target_"] == "Activationsd" and values.get("sigmoid") for values in after)
    names = _names(metadata, first=1 if by_itself else 0)
    interpreted = interpretation(after, [number for number in names if number > 0], said.get("interpretation"))
    if interpreted["kind"] == "multi-label":
        _require_how_they_lie(names, said.get("interpretation", {}).get("kind"))
    known = {
        "name": str(metadata.get("name") or metadata.get("task") or folder.name)[:40],
        "version": str(metadata.get("version", "1"))[:16],
        "manufacturer": str(metadata.get("authors") or "MONAI")[:64],
        "intended_use": str(metadata.get("intended_use") or metadata.get("description") or ""),
        "limits": " ".join([_LIMITS, str(metadata.get("copyright") or "")]).strip(),
        "preparation": prepared,
        "inference": inference,
        "interpretation": interpreted,
        "labels": [{"number": number, "name": name} for number, name in names.items() if number > 0],
    }
    card = with_labels(known, wishes)
    sides = sides_of(card)
    if not sides:
        raise WeightsRefused(
            "the bundle has no SlidingWindowInferer, no Resized and no CenterSpatialCropd: how large is the input?"
        )
    example = np.zeros((1, len(channels), *sides), np.float32)
    script = folder / "models" / "model.ts"
    defined = _network_key(parser) and (folder / "models" / "model.pt").is_file()
    if not defined and script.is_file():
        return import_script(script, card, target_dir, example=example, free_sides=False)
    return import_module(_network(parser, folder), card, target_dir, example=example, free_sides=False)


def _require_how_they_lie(names: Mapping[int, str], how: str | None) -> None:
    """Refuse several labels that may overlap, where the user does not say how they lie."""
    if len(names) > 1 and how not in ("multi-label", "regions"):
        raise WeightsRefused(
            f"the labels {', '.join(names.values())} may overlap (Activationsd with sigmoid), and a read gives each "
            "voxel one label. In the file named by --card say how they lie: where they never overlap, "
            'interpretation = { kind = "multi-label" }; where one lies within another, '
            'interpretation = { kind = "regions", order = [2, 1] }, the whole before its part, and call each label '
            "what is left of it"
        )


def _unpacked(file: Path, scratch: Path) -> Path:
    """Unpack a bundle and return its folder. Raises WeightsRefused."""
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > _LARGEST_BUNDLE:
                raise WeightsRefused(f"{file} unpacks to more than {_LARGEST_BUNDLE >> 30} GiB; nothing was unpacked")
            archive.extractall(scratch)  # zipfile drops drives, absolute paths and ..
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise WeightsRefused(f"{file} is no zip of a MONAI bundle ({error}); give its folder") from error
    found = next(iter(sorted(scratch.glob("**/configs/metadata.json"))), None)
    if found is None:
        raise WeightsRefused(f"{file} holds no configs/metadata.json, so it is no MONAI bundle")
    return found.parents[1]


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsRefused(f"{folder} is no MONAI bundle: configs/metadata.json cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise WeightsRefused(f"{folder}/configs/metadata.json holds no table")
    return content


def _parser(folder: Path) -> ConfigParser:
    files = (folder / "configs" / name for name in ("inference.json", "inference.yaml", "inference.yml"))
    file = next(filter(Path.is_file, files), None)
    if file is None:
        raise WeightsRefused(f"{folder} has no configs/inference.json or .yaml")
    parser = ConfigParser()
    with told_as(lambda error: WeightsRefused(f"{file} cannot be read ({type(error).__name__}: {first_line(error)})")):
        parser.read_config(str(file))
    parser["bundle_root"] = str(folder)
    return parser


def _value(parser: ConfigParser, place: str) -> Any:
    """Return what stands in a place of the configuration, expressions evaluated. Raises WeightsRefused."""
    where = place.replace("#", ".")
    with told_as(
        lambda error: WeightsRefused(f"{where} of the bundle has no value here ({first_line(error)}): write it out")
    ):
        return parser.get_parsed_content(place)


def _network_key(parser: ConfigParser) -> str:
    """Return what the bundle calls its network; empty where it defines none."""
    return next((key for key in ("network_def", "network", "net") if key in parser.config), "")


def _network(parser: ConfigParser, folder: Path) -> Any:
    name = _network_key(parser)
    if not name:
        raise WeightsRefused("the bundle's inference config has no network_def, and there is no models/model.ts")
    with told_as(
        lambda error: WeightsRefused(f"the bundle's network cannot be made: {type(error).__name__} {first_line(error)}")
    ):
        with warnings.catch_warnings():
            # MONAI's own deprecations are not the importing user's business.
            warnings.simplefilter("ignore")
            module = parser.get_parsed_content(name).to("cpu").eval()
        content = torch.load(folder / "models" / "model.pt", map_location="cpu", weights_only=True)
        module.load_state_dict(content.get("model", content) if isinstance(content, dict) else content)
    return module


def _section(parser: ConfigParser, key: str) -> Mapping[str, Any]:
    """Return a part of the configuration as it is written; empty where there is none. Raises WeightsRefused."""
    found = parser.config.get(key) or {}
    if not isinstance(found, Mapping):
        raise WeightsRefused(f"{key} of the bundle is made by an expression ({str(found)[:80]}): write it out")
    return found


def _transforms(parser: ConfigParser, key: str) -> list[dict[str, Any]]:
    listed = _section(parser, key).get("transforms", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) and "_target_" in item for item in listed):
        raise WeightsRefused(f"{key} of the bundle is put together by an expression: write its transforms out")
    found = []
    for place, item in enumerate(listed):
        disabled = "_disabled_" in item and _value(parser, f"{key}#transforms#{place}#_disabled_")
        if str(disabled).strip().lower() == "true":
            continue
        values = {
            name: value if name == "_target_" else _value(parser, f"{key}#transforms#{place}#{name}")
            for name, value in item.items()
            if name not in ("keys", "_disabled_", "_requires_", "_desc_")
        }
        found.append({**values, "_target_": str(item["_target_"]).rpartition(".")[2]})
    return found


def _inference(parser: ConfigParser) -> dict[str, Any]:
    inferer = _section(parser, "inferer")
    name = str(inferer.get("_target_", "SimpleInferer")).rpartition(".")[2]
    _require_slices(parser, name)
    if name == "SimpleInferer":
        return {"strategy": "whole"}
    if name not in _WINDOWS:
        raise WeightsRefused(f"the inferer {name} is not read here; known are SimpleInferer, {', '.join(_WINDOWS)}")
    values = {key: _value(parser, f"inferer#{key}") for key in inferer if not key.startswith("_")}
    sides, overlap = values["roi_size"], values.get("overlap", 0.25)
    fixed = isinstance(sides, list | tuple) and len(sides) == _WINDOWS[name] and min(sides) > 0
    fixed = fixed and isinstance(overlap, int | float)
    padding = _PADDINGS.get(str(values.get("padding_mode", "constant")))
    if not fixed or padding is None or values.get("cval", 0.0) != 0.0:
        raise WeightsRefused(
            f"{name} is read with {_WINDOWS[name]} sides above 0 (roi_size), one overlap, and around the images 0 or "
            "their edge (padding_mode, cval)"
        )
    if values.get("sigma_scale", _SIGMA) != _SIGMA:
        raise WeightsRefused(f"{name} with another sigma_scale than {_SIGMA} is not read here")
    window, slices = [int(side) for side in sides], {}
    if name == "SliceInferer":
        across = values.get("spatial_dim", 0)
        if across not in (0, 1, 2):
            raise WeightsRefused(f"SliceInferer with spatial_dim = {across!r} is not read here, only 0, 1 or 2")
        window.insert(across, 1)
        slices = {"slice_axis": across}
    return {
        "strategy": "sliding-window",
        "window": window,
        **slices,
        "overlap": float(overlap),
        "spread": "steps",
        "blending": "gaussian-monai" if str(values.get("mode", "constant")) == "gaussian" else "constant",
        "padding": padding,
    }


def _require_slices(parser: ConfigParser, inferer: str) -> None:
    """Refuse a network of two dimensions where nothing says which planes of a volume it reads."""
    key = _network_key(parser)
    definition = parser.config.get(key)
    if not isinstance(definition, Mapping) or "spatial_dims" not in definition:
        return
    dimensions = _value(parser, f"{key}#spatial_dims")
    wanted = _WINDOWS["SliceInferer"]
    if dimensions == wanted and inferer != "SliceInferer":
        raise WeightsRefused(
            f"the network reads planes ({key}, spatial_dims = 2), and {inferer} does not say along which axis of a "
            "volume they follow: only SliceInferer with its roi_size and spatial_dim is read here. Where you know it, "
            'say inference = { strategy = "sliding-window", window = [256, 256, 1], slice_axis = 2 } in the file named '
            "by --card"
        )
    if dimensions != wanted and inferer == "SliceInferer":
        raise WeightsRefused(f"SliceInferer is for networks of planes, and {key} has spatial_dims = {dimensions}")


def _channels(metadata: Mapping[str, Any]) -> list[str]:
    """Return the names of the series that the network's channels are. Raises WeightsRefused."""
    inputs = (metadata.get("network_data_format") or {}).get("inputs") or {}
    if not isinstance(inputs, Mapping):
        raise WeightsRefused("network_data_format.inputs of metadata.json is no table")
    if len(inputs) > 1:
        raise WeightsRefused(f"the network has the inputs {', '.join(inputs)}; one is read here")
    for name, about in inputs.items():
        try:
            count, named = int(about.get("num_channels", 1)), about.get("channel_def") or {}
            if count == 1:
                break
            if len(named) == count:
                return channel_names(named, "metadata.json")
        except (AttributeError, TypeError, ValueError) as error:
            raise WeightsRefused(f"network_data_format.inputs.{name} of metadata.json is not read ({error})") from error
        raise WeightsRefused(
            f"metadata.json does not say which series the network's {count} channels are "
            f"(network_data_format.inputs.{name}.channel_def)"
        )
    return ["image"]


def _names(metadata: Mapping[str, Any], *, first: int) -> dict[int, str]:
    """Return the names of label numbers; `first` is what the network's first channel stands for."""
    where = "network_data_format.outputs.pred.channel_def"
    try:
        outputs = (metadata.get("network_data_format") or {}).get("outputs") or {}
        names = {
            int(number) + first: str(name)
            for number, name in ((outputs.get("pred") or {}).get("channel_def") or {}).items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise WeightsRefused(f"{where} of metadata.json is not read ({error}): names by their numbers") from error
    if not names:
        raise WeightsRefused(f"metadata.json does not say what the classes are ({where})")
    return names
