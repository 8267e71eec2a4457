"""The formats that can be imported, by name; each importer is loaded when it is asked for."""

import importlib
import re
from pathlib import Path
from typing import Any

from models.errors import ModelError
from models.importing.imported_model import read_wishes

_AXES = re.compile("[LRAPIS]{3}")
#: Module and function of each importer, and the extra that it needs.
_PLACES: dict[str, tuple[str, str, str]] = {
    "brainchop": ("models.importing.brainchop", "import_brainchop", ""),
    "onnx": ("models.importing.import_onnx", "import_onnx", ""),
    "torchscript": ("models.importing.import_torchscript", "import_torchscript", "torch"),
    "monai": ("models.importing.import_monai", "import_monai", "monai"),
    "nnunet": ("models.importing.import_nnunet", "import_nnunet", "nnunet"),
}


def import_from(kind: str, source: Path, card: Path | None, target_dir: Path, *, orientation: str = "") -> Path:
    """Write a model directory below `target_dir` and return it.

    Args:
        kind: One of the formats.
        source: The model's file or folder.
        card: TOML file with what the format does not say; may be a part of a card.
        target_dir: Directory of this machine's models.
        orientation: For nnunet: how slices, rows and columns of the training images grow.

    Raises ModelError for an unknown format or a missing extra, with the remedy; what the importer raises.
    """
    if kind not in _PLACES:
        raise ModelError(f"{kind!r} cannot be imported; known are: {', '.join(_PLACES)}")
    module, function, extra = _PLACES[kind]
    try:
        importer = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise ModelError(f"importing {kind} needs more than wetread itself: pip install 'wetread[{extra}]'") from error
    if kind == "brainchop":
        made: Path = importer(source, target_dir)
        return made
    more: dict[str, Any] = {}
    if kind == "nnunet":
        if not _AXES.fullmatch(orientation):
            raise ModelError(
                "nnU-Net does not note how its training images lay: say it with --orientation, the directions in which "
                "slices, rows and columns grow; NIfTI files in RAS give SAR, DICOM as it comes SPL"
            )
        more["orientation"] = orientation
    made = importer(source, read_wishes(card), target_dir, **more)
    return Path(made)
