"""Inference on the CPU: each runtime against torch eager, same network, same input, interleaved; numbers must agree.

    python -m benchmarks.inference [--rounds N]

A lower precision takes part where `models.proving.builds` has measured that it agrees. torch, the peer, comes by
`make extras`.
"""

import argparse
import functools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.record import Row, write
from benchmarks.show import table
from benchmarks.taking_turns import median_seconds
from models.catalog import read_entry
from models.importing.brainchop import import_brainchop
from models.proving.builds import Builds
from models.proving.runtime_choice import runtime_named
from models.runtime_names import Precision, RuntimeName

_RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "openvino")
_THREADS = 2
_SIDE = 96
#: Least speed-up over torch eager that is wanted in 32-bit floats.
_WANTED = 2.5
#: And in a lower precision that has proven itself.
_WANTED_LOWER = 4.0
_AGREES_WITHIN, _LOWER_WITHIN = 1e-3, 0.1
_LOWER: tuple[tuple[RuntimeName, Precision], ...] = (
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnxruntime", "int8"),
)

_MEMORY_PROGRAM = """
import sys
import numpy as np
from models.proving.runtime_choice import runtime_named
from pathlib import Path
network = runtime_named(sys.argv[1]).load(Path(sys.argv[2]), threads=int(sys.argv[3]), precision=sys.argv[5])
network.infer({"input": np.load(sys.argv[4])})
# Not getrusage: its peak survives exec, so it would be at least the benchmark's own.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""

#: A whole head through the imported model as `wetread models run` reads it, in a process of its own: seconds, peak KiB.
_HEAD_PROGRAM = """
import sys, time
from pathlib import Path
from models.catalog import read_entry
from models.loaded import LoadedModel
from models.reading import read
from models.proving.runtime_choice import runtime_named
from worker.series.series_volume import load_series
entry = read_entry(Path(sys.argv[2]))
series = load_series(sorted(Path(sys.argv[3]).rglob("*.dcm")), max_voxels=10**9)
model = LoadedModel.load(entry, runtime_named(sys.argv[1]), int(sys.argv[4]))
started = time.perf_counter()
read(entry.card, series.source, model.infer)
print(time.perf_counter() - started, next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM")))
"""

_CARD = """
schema = 1
id = "unet"
name = "U-Net"
version = "1"
manufacturer = "wetread"
licence = "Apache-2.0"
intended_use = "A benchmark: seeded weights. Never for patients."
[regulatory]
status = "research"
[selection]
[networks.main]
[preparation]
kind = "volume"
orientation = "LPS"
fit = "spacing"
spacing_mm = [1.0, 1.0, 1.0]
normalisation = "min-max"
[inference]
strategy = "sliding-window"
window = [96, 96, 96]
[interpretation]
kind = "classes"
[[labels]]
number = 1
name = "One"
concept = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
colour_rgb = [230, 60, 60]
[[golden]]
file = "golden.npz"
lower = { max_relative_error = 0.1 }
"""


def peak_mib(runtime: str, file: Path, example: Path, precision: str = "fp32") -> float:
    """Return the peak resident memory of one inference in a process of its own, in MiB."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _MEMORY_PROGRAM, runtime, str(file), str(_THREADS), str(example), precision],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout) / 1024


def measure(rounds: int) -> list[Row]:
    """Measure the 3D U-Net in every runtime. Raises AssertionError where an answer is not torch's."""
    import torch  # noqa: PLC0415

    from benchmarks.gpu_networks import unet3d  # noqa: PLC0415  # torch comes with it
    from models.torch_export import write_onnx  # noqa: PLC0415

    torch.set_num_threads(_THREADS)
    module = unet3d()
    example = np.random.default_rng(0).standard_normal((1, 1, _SIDE, _SIDE, _SIDE), dtype=np.float32)
    rows = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        file, kept = Path(folder) / "unet" / "model.onnx", Path(folder) / "input.npy"
        file.parent.mkdir()
        write_onnx(module, example, file)
        np.save(kept, example)
        tensor = torch.from_numpy(example)
        wanted = module(tensor).numpy()
        ways = _ways(file, example, wanted, Path(folder) / "builds")
        runs: dict[str, Any] = {"torch eager": lambda: module(tensor)}
        load_s = {}
        for case, (name, precision, chosen) in ways.items():
            started = time.perf_counter()
            network = runtime_named(name).load(chosen, threads=_THREADS, precision=precision)
            load_s[case] = time.perf_counter() - started
            error = np.abs(network.infer({"input": example})["logits"] - wanted).max() / np.abs(wanted).max()
            bound = _AGREES_WITHIN if precision == "fp32" else _LOWER_WITHIN
            assert error < bound, f"{case} differs from torch by {error:.1e}"  # noqa: S101  # a benchmark's proof
            runs[case] = functools.partial(network.infer, {"input": example})
        taken = median_seconds(runs, rounds)
        eager = taken["torch eager"]
        for case, (name, precision, chosen) in ways.items():
            told = f"3D U-Net {_SIDE}^3, {_THREADS} threads, {case}"
            target = eager / (_WANTED if precision == "fp32" else _WANTED_LOWER)
            rows.append(Row(case=told, unit="s", ours=taken[case], target=target, peer=eager, peer_name="torch eager"))
            rows.append(Row(case=f"{told}: load", unit="s", ours=load_s[case], target=5.0))
            peak = peak_mib(name, chosen, kept, precision)
            rows.append(Row(case=f"{told}: peak memory", unit="MiB", ours=peak, target=3072.0))
    return rows


def _ways(
    file: Path, example: NDArray[np.float32], wanted: NDArray[np.float32], root: Path
) -> dict[str, tuple[RuntimeName, Precision, Path]]:
    """Return runtime, precision and file by case: fp32, and every lower precision that gives its golden answer."""
    golden: dict[str, Any] = {"input.input": example, "expected.logits": wanted}
    np.savez(file.parent / "golden.npz", **golden)
    (file.parent / "model.toml").write_text(_CARD)
    entry, builds = read_entry(file.parent), Builds(root)
    ways: dict[str, tuple[RuntimeName, Precision, Path]] = {f"f32, {name}": (name, "fp32", file) for name in _RUNTIMES}
    for name, precision in _LOWER:
        made = builds.make(entry, runtime_named(name), name, precision, threads=_THREADS)
        print(f"{name} {precision}: {'agrees' if made.passed else 'does not agree'}: {made.verdicts[0]}")  # noqa: T201
        if made.passed:
            chosen = builds.files(entry, name, precision)
            ways[f"{precision}, {name}"] = (name, precision, chosen.files.get("main", file))
    return ways


def measure_head() -> list[Row]:
    """Read a whole head with brain-structures, where the shared data is; nothing where it is not."""
    data = Path(platformdirs.user_cache_dir("wetread-tests"))
    folder = data / "brainchop-models" / "model18cls"
    if not folder.is_dir():
        print("no head: the tests have not unpacked the real data yet")  # noqa: T201
        return []
    rows = []
    with tempfile.TemporaryDirectory() as models:
        model = import_brainchop(folder, Path(models))
        for name in _RUNTIMES:
            command = [
                sys.executable,
                "-P",
                "-c",
                _HEAD_PROGRAM,
                name,
                str(model),
                str(data / "t1-head"),
                str(_THREADS),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            taken, peak_kib = done.stdout.split()
            case = f"brain-structures on 384 slices (MeshNet 256^3), {_THREADS} threads, {name}"
            rows.append(Row(case=f"{case}: prepare, infer, interpret", unit="s", ours=float(taken), target=60.0))
            rows.append(Row(case=f"{case}: peak memory", unit="MiB", ours=int(peak_kib) / 1024, target=3072.0))
    return rows


def main() -> None:
    """Measure, print, write benchmarks/results/inference.json."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    rows = [*measure(arguments.parse_args().rounds), *measure_head()]
    console = Console()
    console.print(table(rows))
    console.print(f"written: {write('inference', rows)}")


if __name__ == "__main__":
    main()
