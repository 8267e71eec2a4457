"""From a PyTorch module that another importer made to a model directory. Needs the extra `torch`."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import ModelError, WeightsRefused
from models.importing.imported_model import Answer, write_model
from models.torch_export import write_onnx, write_pt2

#: What the answer of a network is called of which nobody has named it.
OUTPUTS = ("logits",)


def import_module(
    module: Any,
    wishes: Mapping[str, Any],
    target_dir: Path,
    *,
    example: NDArray[np.float32],
    free_sides: bool = True,
) -> Path:
    """Write the model directory of a module in eval mode; its golden answers are torch's.

    Args:
        module: `torch.nn.Module`, with one input.
        wishes: The card.
        target_dir: Directory of this machine's models.
        example: An input that it takes.
        free_sides: Whether it takes other sides than the example's, as convolutional networks do.

    Raises WeightsRefused, CardError (a draft is written), OSError.
    """
    axes = free_axes(example, free_sides=free_sides)
    with tempfile.TemporaryDirectory(prefix="wetread-import-") as folder:
        file, program = Path(folder) / "model.onnx", Path(folder) / "model.pt2"
        dynamic = dict.fromkeys(("input", *OUTPUTS), axes)
        write_onnx(module, example, file, outputs=OUTPUTS, dynamic=dynamic)
        try:
            # Of an example of one, the program would take one input alone, and the card may say more at once.
            sides = {**dict.fromkeys(axes, torch.export.Dim.AUTO), 0: torch.export.Dim.DYNAMIC}
            write_pt2(module, np.concatenate([example, example]), program, dynamic=sides)
        except ModelError:
            # Not every module can be, for any number of inputs; it runs from its ONNX file everywhere else.
            program.unlink(missing_ok=True)
        exported = program.read_bytes() if program.is_file() else None
        return write_model(target_dir, wishes, file.read_bytes(), torch_answer(module), program=exported)


def free_axes(example: NDArray[np.float32], *, free_sides: bool) -> dict[int, str]:
    """Return which axes of input and answer may have another length than the example's, and what they are called."""
    sides = range(2, example.ndim) if free_sides else ()
    return {0: "batch", **{axis: f"side{axis}" for axis in sides}}


def torch_answer(module: Any) -> Answer:
    """Return what torch answers in eager mode, by the answers' names."""

    def answer(inputs: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[Any]]:
        (value,) = inputs.values()
        with torch.inference_mode():
            found = module(torch.from_numpy(value))
        answers = found if isinstance(found, (tuple, list)) else (found,)
        return {name: tensor.numpy() for name, tensor in zip(OUTPUTS, answers, strict=True)}

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
    channels *= 1 + 2 * int(wishes.get("inference", {}).get("neighbours", 0))
    return np.zeros((1, channels, *(min(int(side), _EXAMPLE_SIDE) for side in size)), np.float32)


def sides_of(card: Mapping[str, Any]) -> list[int]:
    """Return the sides of the network's input that a card, or a part of one, announces; empty where it announces none.

    A network that reads slices has two.
    With a crop of the middle the input is mostly as large as that.
    """
    preparation, inference = card.get("preparation", {}), card.get("inference", {})
    announced = inference.get("window") or inference.get("read_size")
    across = inference.get("axis", 0) if inference.get("strategy") == "slices" else inference.get("slice_axis")
    size, crop = preparation.get("size") or [], preparation.get("crop_centre") or []
    if not announced and crop and (size or all(crop)):
        announced = [min(kept or side, side) for side, kept in zip(size or crop, crop, strict=True)]
    return [int(side) for axis, side in enumerate(announced or size) if axis != across]


_EXAMPLE_SIDE = 128
