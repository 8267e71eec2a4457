"""Objects of a CT of 512 x 512 x 300 against plain highdicom and dcmqi in the same run: `make bench-objects`.

    python -m benchmarks.objects [--rounds N]

Each object is made in a fresh process, the makers taking turns. Seconds are the shortest of all rounds (other work
on the machine only ever adds), memory is the largest. What a maker reads beforehand counts as memory and not as time,
except for dcmqi, which reads files.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import highdicom as hd
import numpy as np
from rich.console import Console

from benchmarks.object_inputs import LABELS, write_inputs
from benchmarks.record import Row, write
from benchmarks.show import table

#: Object, peers, and seconds that are asked for; None where it should keep up with highdicom.
_PLAN = (
    ("SEG", ("highdicom", "dcmqi"), None),
    ("LABELMAP", ("highdicom", "dcmqi"), None),
    ("SR", ("highdicom",), 0.05),
    ("SC", (), 1.0),
    ("RTSTRUCT", (), 10.0),
)
#: How much longer or larger than plain highdicom ours may be: it says more of each segment.
_AS_GOOD = 1.15
_MIB = 1024**2


def main() -> None:
    """Make everything, compare what was made, print a table and write benchmarks/results/objects.json."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3, help="how often each object is made")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_inputs(folder)
        rows = [row for labels in LABELS for row in _rows(folder, labels, options.rounds)]
    console = Console()
    console.print(table(rows))
    console.print(f"written: {write('objects', rows)}")


def _rows(folder: Path, labels: int, rounds: int) -> Iterator[Row]:
    for kind, peers, asked_s in _PLAN:
        makers = [kind, *(f"{kind} by {peer}" for peer in peers)]
        seconds = {maker: float("inf") for maker in makers}
        peak_mib = dict.fromkeys(makers, 0.0)
        for _ in range(rounds):
            for maker in makers:
                cost = _made(maker, labels, folder)
                seconds[maker] = min(seconds[maker], cost["seconds"])
                peak_mib[maker] = max(peak_mib[maker], cost["peak_mib"])
        sizes = {maker: _file(maker, folder).stat().st_size / _MIB for maker in makers}
        if kind in ("SEG", "LABELMAP"):
            for maker in makers:
                _require_equal(maker, labels, folder)
        named = f"{kind}, {labels} label{'s' if labels > 1 else ''}"
        for what, unit, costs in (("time", "s", seconds), ("peak memory", "MiB", peak_mib), ("file", "MiB", sizes)):
            yield from _compared(f"{named}: {what}", unit, kind, costs, asked_s if what == "time" else None)


def _compared(case: str, unit: str, kind: str, costs: dict[str, float], asked: float | None) -> Iterator[Row]:
    ours = round(costs.pop(kind), 4)
    if not costs:
        yield Row(case=case, unit=unit, ours=ours, target=ours if asked is None else asked)
    for maker, cost in costs.items():
        target = _AS_GOOD * next(iter(costs.values())) if asked is None else asked
        yield Row(
            case=case, unit=unit, ours=ours, target=round(target, 4), peer=round(cost, 4), peer_name=maker.split()[-1]
        )


def _made(maker: str, labels: int, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.object_makers", maker, str(labels), folder, _file(maker, folder)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def _file(maker: str, folder: Path) -> Path:
    return folder / f"{maker.replace(' ', '-')}.dcm"


def _require_equal(maker: str, labels: int, folder: Path) -> None:
    """Raise ValueError unless highdicom's reader finds in a file the voxels that it was made of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = hd.seg.segread(_file(maker, folder)).get_pixels_by_source_instance(
            json.loads((folder / "uids.json").read_text()),
            combine_segments=True,
            skip_overlap_checks=True,
            assert_missing_frames_are_empty=True,
            # dcmqi does not say that they are preserved.
            ignore_spatial_locations=True,
            dtype=np.uint8,
        )
    if not np.array_equal(found, np.load(folder / f"labels-{labels}.npy", mmap_mode="r")):
        raise ValueError(f"{maker} has made other voxels than it was given")


if __name__ == "__main__":
    main()
