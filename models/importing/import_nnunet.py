"""Imports an nnU-Net v2 results folder: ``plans.json``, ``dataset.json``, ``fold_*/checkpoint_*.pth``.

nnU-Net itself is not needed: its networks are in `dynamic-network-architectures`, and what it does around them is what
the card says (`models.importing.nnunet_card`). What differs stands in the card's limits.
"""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.errors import WeightsRefused
from models.foreign import told_as
from models.importing.import_torch import import_module
from models.importing.imported_model import with_labels
from models.importing.nnunet_card import CASCADE, limits_of, mirror_axes, nnunet_card
from models.importing.nnunet_plans import configuration_of

#: Whose weights they are where nothing says it.
_USUAL = "3d_fullres"
_LARGEST_FILE = 4 << 30
#: Only these packages may bring a network: a name in a file must not import anything else. `torch` as a whole would
#: be too much: torch.hub.load, for one, runs what it is pointed to.
_TRUSTED = ("dynamic_network_architectures.", "torch.nn.")


def import_nnunet(folder: Path, wishes: Mapping[str, Any], target_dir: Path, *, orientation: str) -> Path:
    """Write the model directory and return it.

    Args:
        folder: The results folder of one trained configuration.
        wishes: What nnU-Net does not know: id, concepts of labels, selection, intended use.
        target_dir: Directory of this machine's models.
        orientation: Direction in which slices, rows and columns of the training images grow, such as SPL: nnU-Net
            reads arrays as they lie in their files and does not note it.

    Raises WeightsRefused for what is not read here, CardError (a draft is written), OSError.
    """
    plans, dataset = _json(folder / "plans.json"), _json(folder / "dataset.json")
    try:
        file = _checkpoint(folder)
        content = _content(file)
        configuration = configuration_of(plans, _configuration(folder, content, plans["configurations"]))
        mirrored = mirror_axes(content.get("inference_allowed_mirroring_axes"), len(configuration["patch_size"]))
        card = with_labels(nnunet_card(plans, configuration, dataset, orientation, mirrored), wishes)
        card.setdefault("limits", limits_of(_fold(file), card["preparation"], card["inference"]))
        channels = len(dataset["channel_names"])
        # Regions are asked about each by itself: there is no channel of the background.
        outputs = len(card["labels"]) + (card["interpretation"]["kind"] != "regions")
        module = _network(configuration, channels=channels, classes=outputs)
        _load(module, content, file)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsRefused(
            f"{folder} is no results folder of nnU-Net v2 as it is read here ({type(error).__name__}: {error})"
        ) from error
    patch = np.zeros((1, channels, *configuration["patch_size"]), np.float32)
    return import_module(module, card, target_dir, example=patch, free_sides=False)


def _configuration(folder: Path, content: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return whose weights these are: plans.json holds all configurations, and their networks may be alike."""
    said = str(dict(content.get("init_args") or {}).get("configuration") or folder.name.rpartition("__")[2])
    if said.startswith("3d_cascade"):
        raise WeightsRefused(f"{folder} was trained as {said}: {CASCADE}")
    if said.startswith(("2d", "3d")) and said not in known:
        raise WeightsRefused(
            f"{folder} was trained as {said}, and plans.json has {', '.join(known) or 'nothing'} alone"
        )
    return said if said in known else _USUAL


def _network(configuration: Mapping[str, Any], *, channels: int, classes: int) -> Any:
    architecture = configuration["architecture"]
    arguments = dict(architecture["arch_kwargs"])
    for key in architecture["_kw_requires_import"]:
        arguments[key] = _named(arguments[key]) if arguments[key] is not None else None
    made = _named(architecture["network_class_name"])(
        input_channels=channels, num_classes=classes, deep_supervision=False, **arguments
    )
    return made.eval()


def _named(name: str) -> Any:
    """Return what a dotted name stands for, from the packages that networks are made of."""
    if not name.startswith(_TRUSTED):
        raise WeightsRefused(f"{name} is of no package that networks are made of; nothing of it is loaded")
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise WeightsRefused(f"{name} is not installed: pip install --no-deps dynamic-network-architectures") from error
    if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
        raise WeightsRefused(f"{name} is no part of a network; nothing of it is run")
    return found


def _checkpoint(folder: Path) -> Path:
    for name in ("checkpoint_final.pth", "checkpoint_best.pth"):
        for file in sorted(folder.glob(f"fold_*/{name}")):
            if file.stat().st_size > _LARGEST_FILE:
                raise WeightsRefused(f"{file} is larger than any network that is read here")
            return file
    raise WeightsRefused(f"{folder} holds no fold_*/checkpoint_final.pth")


def _fold(file: Path) -> str:
    """Return which fold's checkpoint was taken, of how many: nnU-Net asks all of them and takes the mean."""
    folds = len({each.parent for each in file.parents[1].glob("fold_*/checkpoint_*.pth")})
    return f"{file.parent.name}{f' alone of {folds} folds' if folds > 1 else ''} ({file.name})"


def _content(file: Path) -> dict[str, Any]:
    """Return what a checkpoint holds. Raises WeightsRefused."""
    with (
        told_as(
            lambda error: WeightsRefused(
                f"{file} is no checkpoint of tensors ({type(error).__name__}); nothing of it was run"
            )
        ),
        # What nnU-Net's checkpoints hold beside tensors; a pickle may name nothing else.
        torch.serialization.safe_globals(_numpy_globals()),
    ):
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return content


def _load(module: Any, content: Mapping[str, Any], file: Path) -> None:
    weights = {
        name.removeprefix("module.").removeprefix("_orig_mod."): value
        for name, value in content["network_weights"].items()
    }
    # Deep supervision has heads that are not asked here.
    try:
        missing, unknown = module.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        words = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise WeightsRefused(f"{file} is not of this network: {words[:200]}") from error
    unknown = [name for name in unknown if "seg_layers" not in name]
    if missing or unknown:
        raise WeightsRefused(f"{file} is not of this network: {', '.join([*missing, *unknown][:3])}")


def _numpy_globals() -> list[Any]:
    core: Any = importlib.import_module("numpy._core.multiarray")  # where numpy's own pickles point
    older = (core.scalar, "numpy.core.multiarray.scalar")  # and those of NumPy 1, with which most were trained
    return [core.scalar, older, np.dtype, *(type(np.dtype(name)) for name in ("float64", "float32", "int64"))]


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsRefused(f"{file} cannot be read ({error.strerror}); name nnU-Net's results folder") from error
    except ValueError as error:
        raise WeightsRefused(f"{file} is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise WeightsRefused(f"{file} holds no table")
    return content
