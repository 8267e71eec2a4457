"""From a PyTorch module to the files that a model directory holds; needs the extra `torch`."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from models.errors import ModelError
from models.foreign import first_line, told_as

_OPSET = 17


def write_onnx(
    module: Any,
    example: NDArray[np.float32],
    file: Path,
    *,
    outputs: Sequence[str] = ("logits",),
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Write a module as ONNX, its one input called `input`.

    Args:
        module: A `torch.nn.Module` or a scripted one, in eval mode.
        example: An input.
        file: Where to.
        outputs: Names of its answers.
        dynamic: For `input` and each answer, which axes may have another length, and their name.

    Raises ModelError where the module cannot be exported, with torch's words.
    """
    with (
        told_as(lambda error: ModelError(f"the module cannot be written as ONNX: {first_line(error)}")),
        warnings.catch_warnings(),
    ):
        # The exporter that needs no further package and takes scripted modules; it warns of its age.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.from_numpy(example),),
            file,
            opset_version=_OPSET,
            dynamo=False,
            input_names=["input"],
            output_names=list(outputs),
            dynamic_axes=dict(dynamic or {}),
        )
    onnx.checker.check_model(onnx.load(file))


def write_pt2(
    module: Any, example: NDArray[np.float32], file: Path, *, dynamic: Mapping[int, Any] | None = None
) -> None:
    """Write a module's exported program, which the runtime torch runs.

    Args:
        module: A `torch.nn.Module` in eval mode; a scripted one cannot be exported.
        example: An input.
        file: Where to; beside the ONNX file, with the same stem and ``.pt2``.
        dynamic: Axes of the input that may have another length, such as ``{0: torch.export.Dim("batch", max=8)}``.

    Raises ModelError where the module cannot be exported, with torch's words.
    """
    with (
        told_as(lambda error: ModelError(f"the module cannot be exported: {first_line(error)}")),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.export").setLevel(logging.ERROR)
        logging.getLogger("torch._export").setLevel(logging.ERROR)
        program = torch.export.export(
            _Named(module),
            (torch.from_numpy(example),),
            dynamic_shapes={"input": dict(dynamic or {})},
            strict=False,
        )
        torch.export.save(program, file)


class _Named(torch.nn.Module):
    """Calls the input what wetread calls it."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, input: Any) -> Any:  # noqa: A002  # its name becomes the program's
        return self.module(input)
