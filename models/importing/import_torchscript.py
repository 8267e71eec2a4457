"""Imports a TorchScript file. Needs the extra `torch`.

A TorchScript file is a program. It is loaded and asked in a process of its own, whose time, memory and files are
bounded, so that a bad one is refused and ends nothing else; what that process leaves is checked like any ONNX file. It
runs as whoever imports it, and can read and write files: only files from somebody you trust.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import RuntimeFailed, WeightsRefused
from models.importing import torchscript_child
from models.importing.import_torch import example_of, free_axes
from models.importing.imported_model import write_model
from models.programs.answer_file import arrays_in
from models.programs.bounded_process import run_bounded

_SCRIPT = Path(torchscript_child.__file__)
_TIME_LIMIT_S = 900.0
_MEMORY_BYTES = 24 << 30
_LARGEST_NETWORK = 2 << 30  # protobuf's own limit
_LARGEST_ANSWER = 4 << 30
_WHAT = {
    torchscript_child.NO_SCRIPT: "is no TorchScript file; save it with torch.jit.save",
    torchscript_child.NO_NETWORK: "cannot be written as ONNX",
    torchscript_child.NO_ANSWER: "cannot be asked",
}


def import_torchscript(file: Path, wishes: Mapping[str, Any], target_dir: Path) -> Path:
    """Write the model directory of a TorchScript file and return it.

    Args:
        file: What `torch.jit.save` wrote.
        wishes: The card, without networks and golden files; its preparation says what the network is given.
        target_dir: Directory of this machine's models.

    Raises WeightsRefused, CardError (a draft is written), OSError.
    """
    return import_script(file, wishes, target_dir, example=example_of(wishes), free_sides=True)


def import_script(
    file: Path, wishes: Mapping[str, Any], target_dir: Path, *, example: NDArray[np.float32], free_sides: bool
) -> Path:
    """Write the model directory of a TorchScript file whose input is known; its golden answers are torch's.

    Args:
        file: What `torch.jit.save` wrote.
        wishes: The card.
        target_dir: Directory of this machine's models.
        example: An input that it takes.
        free_sides: Whether it takes other sides than the example's.

    Raises as `import_torchscript`.
    """

    def answer(inputs: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[Any]]:
        (value,) = inputs.values()
        with tempfile.TemporaryDirectory(prefix="wetread-import-") as place:
            _run(file, Path(place), value, {"export": False})
            return arrays_in(Path(place) / "answer.npz", str(file), limit=_LARGEST_ANSWER)

    with tempfile.TemporaryDirectory(prefix="wetread-import-") as place:
        _run(file, Path(place), example, {"export": True, "axes": free_axes(example, free_sides=free_sides)})
        made = Path(place) / "model.onnx"
        if made.stat().st_size > _LARGEST_NETWORK:
            raise WeightsRefused(f"{file} is larger than an ONNX file can be")
        network = made.read_bytes()
    return write_model(target_dir, wishes, network, answer)


def _run(file: Path, folder: Path, value: NDArray[np.float32], task: Mapping[str, Any]) -> None:
    np.save(folder / "input.npy", value, allow_pickle=False)
    said = {"file": str(file.resolve()), **task}
    (folder / "task.json").write_text(json.dumps(said), encoding="utf-8")
    argv = [sys.executable, "-P", str(_SCRIPT), str(folder), str(_MEMORY_BYTES)]
    try:
        status = run_bounded(argv, folder=folder, time_limit_s=_TIME_LIMIT_S, what=str(file))
    except RuntimeFailed as error:
        raise WeightsRefused(f"{error}: what is in it does not end, or is too large for this machine") from error
    if status in _WHAT:
        raise WeightsRefused(f"{file} {_WHAT[status]} ({_words(folder)})")
    if status:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise WeightsRefused(
            f"{file} ended the process that loaded it ({how}): it is damaged, hostile, or needs more than the "
            f"{_MEMORY_BYTES >> 30} GiB that it is given; take it from its origin again"
        )


def _words(folder: Path) -> str:
    """Return what the process said, which a file may have made it say."""
    try:
        said = (folder / torchscript_child.WORDS).read_bytes()[:600].decode("utf-8", "replace")
    except OSError:
        return "no words"
    return "".join(letter for letter in said if letter.isprintable())[:300]
