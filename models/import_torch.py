"""From PyTorch to a model directory: TorchScript files, and modules that other importers made. Needs the extra `torch`.

Loading TorchScript runs what is in it: only files from somebody you trust.
"""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import ModelError, WeightsRefused
from models.imported_model import Answer, write_model
from models.torch_export import write_onnx, write_pt2


def import_torchscript(file: Path, wishes: Mapping[str, Any], target_dir: Path) -> Path:
    """Write the model directory of a TorchScript file and return it.

    Args:
        file: What `torch.jit.save` wrote.
        wishes: The card, without networks and golden files; its preparation says what the network is given.
        target_dir: Directory of this machine's models.

    Raises WeightsRefused, CardError (a draft is written), OSError.
    """
    try:
        with warnings.catch_warnings():
            # Deprecated, and what many models come as.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(file), map_location="cpu").eval()
    except Exception as error:  # torch raises whatever the archive makes it
        raise WeightsRefused(
            f"{file} is no TorchScript file ({type(error).__name__}); save it with torch.jit.save"
        ) from error
    return import_module(module, wishes, target_dir, example=example_of(wishes))


def import_module(
    module: Any,
    wishes: Mapping[str, Any],
    target_dir: Path,
    *,
    example: NDArray[np.float32],
    outputs: Sequence[str] = ("logits",),
    free_sides: bool = True,
) -> Path:
    """Write the model directory of a module in eval mode; its golden answers are torch's.

    Args:
        module: `torch.nn.Module` or a scripted one, with one input.
        wishes: The card.
        target_dir: Directory of this machine's models.
        example: An input that it takes.
        outputs: Names for its answers.
        free_sides: Whether it takes other sides than the example's, as convolutional networks do.

    Raises as `import_torchscript`.
    """
    axes = {0: "batch"}
    if free_sides:
        axes |= {axis: f"side{axis}" for axis in range(2, example.ndim)}
    with tempfile.TemporaryDirectory(prefix="wetread-import-") as folder:
        file, program = Path(folder) / "model.onnx", Path(folder) / "model.pt2"
        dynamic = dict.fromkeys(("input", *outputs), axes)
        write_onnx(module, example, file, outputs=outputs, dynamic=dynamic)
        try:
            sides = dict.fromkeys(axes, torch.export.Dim.AUTO)
            write_pt2(module, example, program, dynamic=sides)
        except ModelError:
            # A scripted module has no source to export; it runs from its ONNX file everywhere else.
            program.unlink(missing_ok=True)
        exported = program.read_bytes() if program.is_file() else None
        return write_model(target_dir, wishes, file.read_bytes(), torch_answer(module, outputs), program=exported)


def torch_answer(module: Any, outputs: Sequence[str]) -> Answer:
    """Return what torch answers in eager mode, by the answers' names."""

    def answer(inputs: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[Any]]:
        (value,) = inputs.values()
        with torch.inference_mode():
            found = module(torch.from_numpy(value))
        answers = found if isinstance(found, (tuple, list)) else (found,)
        return {name: tensor.numpy() for name, tensor in zip(outputs, answers, strict=True)}

    return answer


def example_of(wishes: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return an input of the size that a card announces. Raises WeightsRefused where it announces none."""
    preparation, size = wishes.get("preparation", {}), sides_of(wishes)
    if preparation.get("kind") == "waveform" and preparation.get("samples"):
        return np.zeros((1, int(preparation["samples"])), np.float32)
    if not size:
        raise WeightsRefused(
            "the card does not say how large the network's input is: give preparation.size or crop_centre, or "
            "inference.window, in the file named by --card"
        )
    channels = int(preparation.get("channels", 1)) if preparation.get("kind") == "image" else 1
    return np.zeros((1, channels, *(min(int(side), _EXAMPLE_SIDE) for side in size)), np.float32)


def sides_of(card: Mapping[str, Any]) -> list[int]:
    """Return the sides of the network's input that a card, or a part of one, announces; empty where it announces none.

    With a crop of the middle the input is mostly as large as that.
    """
    preparation, inference = card.get("preparation", {}), card.get("inference", {})
    announced = inference.get("window") or inference.get("read_size")
    size, crop = preparation.get("size") or [], preparation.get("crop_centre") or []
    if not announced and crop and (size or all(crop)):
        announced = [min(kept or side, side) for side, kept in zip(size or crop, crop, strict=True)]
    return [int(side) for side in announced or size]


_EXAMPLE_SIDE = 128
