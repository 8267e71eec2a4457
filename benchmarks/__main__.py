"""Measures, prints a table and writes benchmarks/results/main_job.json."""

import argparse
import os
import subprocess
from pathlib import Path

import platformdirs
from rich.console import Console

from benchmarks import first_hour, main_job
from benchmarks.record import write
from benchmarks.show import table


def main() -> None:
    """Run what was asked for; by default all."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--studies", type=int, default=20, help="small studies for door to result")
    arguments.add_argument("--no-demo", action="store_true", help="leave out make demo from an empty clone")
    options = arguments.parse_args()
    console = Console()
    rows = list(main_job.overhead(options.studies))
    data = real_data()
    if data is None:
        console.print("brain-structures is left out: set WETREAD_TEST_DATA to the folder of the real series")
    else:
        rows += main_job.brain_structures(data)
    if not options.no_demo:
        rows += first_hour.demo()
    console.print(table(rows))
    console.print(f"written: {write('main_job', rows)}")


def real_data() -> Path | None:
    """Return the folder of unpacked real series, where there is one."""
    named = os.environ.get("WETREAD_TEST_DATA")
    source = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (source / "unpack.sh").is_file():
        return None
    cache = Path(platformdirs.user_cache_dir("wetread-tests"))
    subprocess.run(["bash", str(source / "unpack.sh"), str(cache)], check=True)
    return cache


if __name__ == "__main__":
    main()
