"""Inference on the CPU: each runtime against torch eager, same network, same input, interleaved; numbers must agree.

    python -m benchmarks.inference [--rounds N]

torch is the peer, not a part of wetread: install it beside (`pip install torch`, the CPU build) before this runs.
"""

import argparse
import functools
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.record import Row, write
from benchmarks.show import table
from models.runtime_names import RuntimeName
from models.runtimes import runtime_named

_RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "openvino")
_THREADS = 2
_SIDE = 96
#: Least speed-up over torch eager that is wanted in 32-bit floats.
_WANTED = 2.5
_AGREES_WITHIN = 1e-3

_MEMORY_PROGRAM = """
import sys
import numpy as np
from models.runtimes import runtime_named
from pathlib import Path
network = runtime_named(sys.argv[1]).load(Path(sys.argv[2]), threads=int(sys.argv[3]))
network.infer({"input": np.load(sys.argv[4])})
# Not getrusage: its peak survives exec, so it would be at least the benchmark's own.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def unet3d() -> Any:
    """Return a 3D U-Net of the nnU-Net kind with seeded weights: four levels and instance norms."""
    import torch  # noqa: PLC0415  # only the benchmark needs it

    torch.manual_seed(0)
    channels = (16, 32, 64, 128)

    def block(inside: int, outside: int, stride: int = 1) -> Any:
        layers: list[Any] = []
        for width, step in ((inside, stride), (outside, 1)):
            layers += [
                torch.nn.Conv3d(width, outside, 3, step, 1),
                torch.nn.InstanceNorm3d(outside, affine=True),
                torch.nn.LeakyReLU(0.01),
            ]
        return torch.nn.Sequential(*layers)

    class UNet(torch.nn.Module):
        """Down, up, and skips between."""

        def __init__(self) -> None:
            super().__init__()
            self.down = torch.nn.ModuleList([block(1, 16)] + [block(a, b, 2) for a, b in itertools.pairwise(channels)])
            pairs = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
            self.up = torch.nn.ModuleList([torch.nn.ConvTranspose3d(deep, flat, 2, 2) for deep, flat in pairs])
            self.merge = torch.nn.ModuleList([block(2 * flat, flat) for _, flat in pairs])
            self.head = torch.nn.Conv3d(16, 2, 1)

        def forward(self, value: Any) -> Any:
            """Return logits."""
            kept = []
            for step in self.down:
                value = step(value)
                kept.append(value)
            kept.pop()
            for up, merge in zip(self.up, self.merge, strict=True):
                value = merge(torch.cat([up(value), kept.pop()], 1))
            return self.head(value)

    return UNet().eval()


def export(module: Any, example: NDArray[np.float32], file: Path) -> None:
    """Write the module as ONNX."""
    import torch  # noqa: PLC0415

    with warnings.catch_warnings():
        # The exporter that needs no further package; it warns of its age.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.from_numpy(example),),
            file,
            opset_version=17,
            dynamo=False,
            input_names=["input"],
            output_names=["logits"],
        )
    onnx.checker.check_model(onnx.load(file))


def seconds(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median time of each, taken in turns so that a neighbour's noise falls on all."""
    for run in runs.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in taken.items()}


def peak_mib(runtime: str, file: Path, example: Path) -> float:
    """Return the peak resident memory of one inference in a process of its own, in MiB."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _MEMORY_PROGRAM, runtime, str(file), str(_THREADS), str(example)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout) / 1024


def measure(rounds: int) -> list[Row]:
    """Measure the 3D U-Net in every runtime. Raises AssertionError where an answer is not torch's."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(_THREADS)
    module = unet3d()
    example = np.random.default_rng(0).standard_normal((1, 1, _SIDE, _SIDE, _SIDE), dtype=np.float32)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file, kept = Path(folder) / "unet3d.onnx", Path(folder) / "input.npy"
        export(module, example, file)
        np.save(kept, example)
        with torch.inference_mode():
            tensor = torch.from_numpy(example)
            wanted = module(tensor).numpy()
            runs: dict[str, Callable[[], object]] = {"torch eager": lambda: module(tensor)}
            load_s = {}
            for name in _RUNTIMES:
                started = time.perf_counter()
                network = runtime_named(name).load(file, threads=_THREADS)
                load_s[name] = time.perf_counter() - started
                error = np.abs(network.infer({"input": example})["logits"] - wanted).max() / np.abs(wanted).max()
                assert error < _AGREES_WITHIN, f"{name} differs from torch by {error:.1e}"  # noqa: S101  # a benchmark's proof
                runs[name] = functools.partial(network.infer, {"input": example})
            taken = seconds(runs, rounds)
        eager = taken["torch eager"]
        for name in _RUNTIMES:
            case = f"3D U-Net {_SIDE}^3, f32, {_THREADS} threads, {name}"
            rows.append(
                Row(case=case, unit="s", ours=taken[name], target=eager / _WANTED, peer=eager, peer_name="torch eager")
            )
            rows.append(Row(case=f"{case}: load", unit="s", ours=load_s[name], target=5.0))
            rows.append(Row(case=f"{case}: peak memory", unit="MiB", ours=peak_mib(name, file, kept), target=3072.0))
    return rows


def main() -> None:
    """Measure, print, write benchmarks/results/inference.json."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    rows = measure(arguments.parse_args().rounds)
    console = Console()
    console.print(table(rows))
    console.print(f"written: {write('inference', rows)}")


if __name__ == "__main__":
    main()
