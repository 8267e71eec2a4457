"""A network in a lower precision: the same graph with other numbers in it. What it is worth is measured by `builds`.

fp16 and int8 are written into the ONNX file, where every runtime finds them; bf16 is a way of computing that OpenVINO
and torch offer for the file as it is.
"""

import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import onnx
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from models.errors import ModelError
from models.foreign import first_line, told_as
from models.runtime_names import Precision, RuntimeName
from models.runtimes.runtime import Arrays

#: Before an input's name in an npz file.
_INPUT = "input."
#: Which lower precisions a runtime computes in, and whether the file is rewritten for it (else the runtime lowers it).
PRECISIONS: Mapping[RuntimeName, Mapping[Precision, bool]] = {
    "onnxruntime": {"fp16": True, "int8": True},
    "openvino": {"bf16": False, "fp16": False, "int8": True},
    "torch": {"bf16": False, "fp16": False},
    "tensorrt": {"fp16": True, "int8": True},
    "tensorrt-rtx": {"fp16": True, "int8": True},
}


def lowered(file: Path, precision: Precision, calibration: Iterable[Arrays] = ()) -> bytes:
    """Return the ONNX file of a network in fp16 or int8; inputs and answers keep their types.

    Args:
        file: The network in 32-bit floats.
        precision: fp16, or int8 (signed and symmetric, Q/DQ, a scale for each output channel of a convolution).
        calibration: Inputs that int8's ranges are measured on.

    Raises ModelError where it cannot be, with the tool's words.
    """
    with told_as(
        lambda error: ModelError(
            f"{file.name} cannot be written in {precision}: {first_line(error)}; leave this model in fp32"
        )
    ):
        return _fp16(file) if precision == "fp16" else _int8(file, calibration)


def _fp16(file: Path) -> bytes:
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415  # slow to import
    from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: PLC0415

    model = onnx.shape_inference.infer_shapes(onnx.load(file))
    wrapped = OnnxModel(convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True))
    wrapped.topological_sort()
    content: bytes = wrapped.model.SerializeToString(deterministic=True)
    return content


def _int8(file: Path, calibration: Iterable[Arrays]) -> bytes:
    from onnxruntime.quantization import (  # noqa: PLC0415  # slow to import
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        """Hands out the calibration set once."""

        def __init__(self) -> None:
            self._left: Iterator[Arrays] = iter(calibration)

        def get_next(self) -> Any:
            inputs = next(self._left, None)
            return None if inputs is None else dict(inputs)

    with tempfile.TemporaryDirectory(prefix="wetread-int8-") as folder:
        target = Path(folder) / "int8.onnx"
        quantize_static(
            file,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Weights in 7 bits: a processor without VNNI adds two products in 16 bits, where those of 8 bits overflow.
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            # Symmetric, since TensorRT takes nothing else; convolutions, since that is where the time goes.
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
            op_types_to_quantize=["Conv", "ConvTranspose", "Gemm", "MatMul"],
        )
        return target.read_bytes()


def read_calibration(folder: Path, network: Path) -> list[dict[str, NDArray[np.generic]]]:
    """Read a calibration set: npz files with arrays ``input.*``, as golden files have them.

    Each array is an input of the network under the input's name, prepared as the card says.

    Args:
        folder: Of the npz files.
        network: ONNX file of the network ``main``, which is to take them.

    Raises ModelError, naming the file, also where an array is nothing that the network takes.
    """
    takes = _inputs_of(network)
    found = []
    for file in sorted(folder.glob("*.npz")):
        try:
            # Opened here: numpy leaves a damaged file open.
            with file.open("rb") as stream, NpzFile(stream, allow_pickle=False) as arrays:
                named = {name: arrays[name] for name in arrays.files if name.startswith(_INPUT)}
        except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
            raise ModelError(f"{file} cannot be read as npz ({error}); write it again with numpy.savez") from error
        if not named:
            raise ModelError(
                f"{file} has no array named input.*: write the network's prepared inputs with numpy.savez, each under "
                "input. and the input's name, as the model's golden files have them"
            )
        inputs = {name.removeprefix(_INPUT): array for name, array in named.items()}
        found.append({name: _fitting(file, name, array, takes) for name, array in inputs.items()})
        if missing := sorted(set(takes) - set(inputs)):
            raise ModelError(f"{file} has no array named {_INPUT}{missing[0]}, which the network needs; add it")
    if not found:
        raise ModelError(f"{folder} holds no npz file; int8 needs some inputs like those that will come")
    return found


def _inputs_of(network: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return sides (0: any) and type of each input of an ONNX file."""
    graph = onnx.load(network, load_external_data=False).graph
    held = {each.name for each in graph.initializer}
    return {
        each.name: (
            tuple(int(side.dim_value) for side in each.type.tensor_type.shape.dim),
            onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type),
        )
        for each in graph.input
        if each.name not in held
    }


def _fitting(
    file: Path,
    name: str,
    array: NDArray[np.generic],
    takes: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
) -> NDArray[np.generic]:
    """Return an array in the type that the network takes. Raises ModelError for what it does not take."""
    if name not in takes:
        raise ModelError(
            f"{file}: the network has no input {name!r}; allowed are {', '.join(_INPUT + n for n in takes)}"
        )
    sides, kind = takes[name]
    if len(sides) != array.ndim or any(side not in (0, own) for side, own in zip(sides, array.shape, strict=True)):
        wanted = ", ".join(str(side or "any") for side in sides)
        raise ModelError(
            f"{file}: {_INPUT}{name} has the shape {array.shape}, and the network takes ({wanted}); write the input "
            "as the card's preparation makes it, with the axes of batch and channels"
        )
    if not np.can_cast(array.dtype, kind, "same_kind") or not np.isfinite(array).all():
        raise ModelError(f"{file}: {_INPUT}{name} must hold finite numbers of type {kind}, and is {array.dtype}")
    return array.astype(kind, copy=False)
