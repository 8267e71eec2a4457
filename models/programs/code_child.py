"""The process of a model that comes as Python code; run as a script, needs numpy and the model's own package alone.

    python code_child.py FOLDER ENTRY_POINT VERSION MEMORY_BYTES

It may be another interpreter than wetread's, so nothing of wetread is imported here. FOLDER has ``source.npz`` and
``source.json``; the answer goes to ``answer.npz``. No pickle is read or written.
"""

import json
import resource
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

GROUP = "wetread.models"
#: Exit statuses that the parent knows; anything else is the model's own end.
NOT_FOUND, OTHER_VERSION, NO_ANSWER = 81, 82, 83


def main() -> int:
    """Read the source, call the model, write its answer; return the exit status."""
    folder, name, version, memory = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        return NOT_FOUND
    if found[0].dist is None or found[0].dist.version != version:
        return OTHER_VERSION
    source = json.loads((folder / "source.json").read_text())
    with np.load(folder / "source.npz", allow_pickle=False) as arrays:
        source |= {key: arrays[key] for key in arrays.files}
    answer = found[0].load()(source)
    if not isinstance(answer, dict) or not set(answer) <= {"labels", "probabilities", "numbers"} or not answer:
        return NO_ANSWER
    found_arrays: Any = {key: np.asarray(value) for key, value in answer.items()}
    np.savez(folder / "answer.npz", **found_arrays)
    return 0


if __name__ == "__main__":
    sys.exit(main())
