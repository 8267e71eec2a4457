"""PyTorch on a CPU or an NVIDIA GPU; the extra `torch`. It runs the exported program beside the ONNX file."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.errors import DeviceLost, OutOfDeviceMemory, RuntimeFailed
from models.foreign import first_line, told_as
from models.runtime_names import Precision
from models.runtimes.processor import processor
from models.runtimes.runtime import NO_SHAPES, Arrays, Shapes, words_of

_VERSION = torch.__version__.split("+", 1)[0]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
#: Words of CUDA errors after which nothing more works in this process.
_POISONED = ("illegal memory access", "device-side assert", "unspecified launch failure", "uncorrectable ECC")


class TorchRuntime:
    """Loads exported programs into PyTorch, on the GPU where there is one."""

    name = "torch"

    def load(
        self,
        file: Path,
        *,
        threads: int,
        precision: Precision = "fp32",
        shapes: Shapes = NO_SHAPES,  # noqa: ARG002  # it takes any shape that was exported
    ) -> "TorchNetwork":
        """Load the program beside an ONNX file. Raises RuntimeFailed."""
        if precision not in _DTYPES:
            raise RuntimeFailed(f"torch does not compute in {precision} here; take one of {', '.join(_DTYPES)}")
        program = file.with_suffix(".pt2")
        if not program.is_file():
            raise RuntimeFailed(
                f"{program} is not there, and torch runs nothing else: export it (`models.torch_export.write_pt2`), or "
                "leave torch out of models.runtimes"
            )
        torch.set_num_threads(threads)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        with told_as(lambda error: RuntimeFailed(f"torch cannot load {program}: {first_line(error)}; export it again")):
            exported = torch.export.load(program)
            module = exported.module().to(device)
        outputs = [str(spec.arg.name) for spec in exported.graph_signature.output_specs]
        inputs = list(exported.graph_signature.user_inputs)
        return TorchNetwork(module, program, inputs, outputs, device=device, precision=precision)


class TorchNetwork:
    """A network in PyTorch."""

    def __init__(
        self, module: Any, file: Path, inputs: list[str], outputs: list[str], *, device: str, precision: Precision
    ) -> None:
        self._module = module
        self._file = file
        self._inputs = inputs
        self._outputs = _answer_names(file, outputs)
        self._device = device
        self._precision = precision
        # torch's flags for mixed precision are the thread's, its modules are not made for two callers at once.
        self._lock = threading.Lock()

    @property
    def runtime(self) -> str:
        """What runs it, with version, device and, where lower, precision."""
        device = "cpu" if self._device == "cpu" else torch.cuda.get_device_name()
        return words_of("torch", _VERSION, device, self._precision)

    @property
    def fingerprint(self) -> str:
        """The processor; what of a GPU decides is its name, and stands in `runtime`."""
        return processor()

    def infer(self, inputs: Arrays) -> Arrays:
        """Run once. Raises RuntimeFailed, OutOfDeviceMemory, DeviceLost."""
        if self._module is None:
            raise RuntimeFailed(f"{self._file} was closed; load it again")
        if set(inputs) != set(self._inputs):
            raise RuntimeFailed(f"torch cannot run {self._file}: its inputs are {', '.join(self._inputs)}")
        try:
            with self._lock, torch.inference_mode(), self._mixed():
                tensors = [
                    torch.from_numpy(np.ascontiguousarray(inputs[name])).to(self._device) for name in self._inputs
                ]
                answer = self._module(*tensors)
                answers = answer if isinstance(answer, (tuple, list)) else (answer,)
                return {name: _array(tensor) for name, tensor in zip(self._outputs, answers, strict=True)}
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfDeviceMemory(f"{self._file}: the GPU has too little memory: {first_line(error)}") from error
        except Exception as error:  # the program raises whatever its operators do
            words = first_line(error)
            if any(poisoned in str(error) for poisoned in _POISONED):
                raise DeviceLost(f"{self._file}: {words}") from error
            raise RuntimeFailed(f"torch cannot run {self._file}: {words}") from error

    def close(self) -> None:
        """Give memory back."""
        self._module = None
        if self._device != "cpu":
            torch.cuda.empty_cache()

    def _mixed(self) -> Any:
        lower = self._precision != "fp32"
        return torch.autocast(self._device, dtype=_DTYPES[self._precision] if lower else torch.bfloat16, enabled=lower)


def _answer_names(file: Path, outputs: list[str]) -> list[str]:
    """Return the names that the ONNX file gives to the answers: a program only numbers them."""
    import onnx  # noqa: PLC0415  # asked once a load

    graph_file = file.with_suffix(".onnx")
    if not graph_file.is_file():
        return outputs
    names = [output.name for output in onnx.load(graph_file, load_external_data=False).graph.output]
    if len(names) != len(outputs):
        raise RuntimeFailed(
            f"{file} has {len(outputs)} answers, {graph_file.name} beside it {len(names)}; export it again"
        )
    return names


def _array(tensor: Any) -> Any:
    answer = tensor.detach()
    return (answer.float() if answer.dtype in (torch.bfloat16, torch.float16) else answer).cpu().numpy()
