"""`make demo` from an empty clone, with an empty cache: what a newcomer waits for."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.record import Row

_ROOT = Path(__file__).parents[1]


def demo() -> Iterator[Row]:
    """Clone, install, fetch, run."""
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "wetread"
        subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(clone)], check=True)
        environment = {**os.environ, "XDG_CACHE_HOME": f"{place}/cache"}
        started = time.monotonic()
        subprocess.run(["make", "--silent", ".venv/.core"], cwd=clone, check=True, env=environment)
        installed = time.monotonic()
        subprocess.run(["make", "--silent", "demo"], cwd=clone, check=True, env=environment)
        ended = time.monotonic()
    yield Row(case="core install into a new environment", unit="s", ours=round(installed - started, 1), target=60.0)
    yield Row(case="make demo from an empty clone", unit="s", ours=round(ended - started, 1), target=300.0)
