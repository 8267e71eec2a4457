"""The process that loads a TorchScript file; run as a script, so that what is in the file ends nothing but this.

    python torchscript_child.py FOLDER MEMORY_BYTES

FOLDER has ``task.json`` and ``input.npy``. The task is to write the file as ``model.onnx``, or to leave what it answers
to the input in ``answer.npz``; where it cannot be done, ``words.txt`` says why. No pickle is read or written.
"""

import json
import os
import resource
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Exit statuses that the parent knows; anything else is the file's own end.
NO_SCRIPT, NO_NETWORK, NO_ANSWER = 81, 82, 83
WORDS = "words.txt"
_LARGEST_FILE = 8 << 30
_FAILED_WITHIN = "The following operation failed in the TorchScript interpreter"


def main() -> int:
    """Do the task and return the exit status."""
    folder, memory = Path(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # CUDA's driver reserves more address space than the limit; nothing here needs a GPU.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # The same wetread as the parent's, wherever it lies.
    sys.path.insert(0, str(Path(__file__).parents[2]))
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    given = np.load(folder / "input.npy", allow_pickle=False)
    try:
        module = _loaded(task["file"])
    except Exception as error:  # noqa: BLE001  # torch raises whatever the archive makes it
        return _failed(folder, error, NO_SCRIPT)
    try:
        (_export if task["export"] else _answer)(module, given, task, folder)
    except Exception as error:  # noqa: BLE001  # as do the exporter and the script
        return _failed(folder, error, NO_NETWORK if task["export"] else NO_ANSWER)
    return 0


def _loaded(file: str) -> Any:
    import torch  # noqa: PLC0415  # only below the limits

    with warnings.catch_warnings():
        # Deprecated, and what many models come as.
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(file, map_location="cpu").eval()


def _export(module: Any, given: NDArray[np.float32], task: Mapping[str, Any], folder: Path) -> None:
    from models.importing.import_torch import OUTPUTS  # noqa: PLC0415  # only below the limits
    from models.torch_export import write_onnx  # noqa: PLC0415

    axes = {int(axis): name for axis, name in task["axes"].items()}
    dynamic = dict.fromkeys(("input", *OUTPUTS), axes)
    write_onnx(module, given, folder / "model.onnx", outputs=OUTPUTS, dynamic=dynamic)


def _answer(module: Any, given: NDArray[np.float32], _task: Mapping[str, Any], folder: Path) -> None:
    from models.importing.import_torch import torch_answer  # noqa: PLC0415  # only below the limits

    arrays: Any = torch_answer(module)({"input": given})
    np.savez(folder / "answer.npz", **arrays)


def _failed(folder: Path, error: Exception, status: int) -> int:
    origin = error.__cause__ or error
    lines = [line.strip() for line in str(origin).splitlines() if line.strip()] or [type(origin).__name__]
    # Where a script fails, its own words come last, after where it was.
    said = lines[-1] if lines[0].startswith(_FAILED_WITHIN) else lines[0]
    (folder / WORDS).write_text(said[:300], encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
