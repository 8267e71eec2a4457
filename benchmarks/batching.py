"""The model host with and without batches over jobs: clients that each send one image after the other.

    python -m benchmarks.batching [--clients N] [--requests N]

A seeded ResNet-50 in ONNX Runtime and OpenVINO, through the host's own queue, in one process; torch, which makes it,
comes by `make extras`.
"""

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.record import Row, write
from benchmarks.show import table
from models.loaded import LoadedModel
from models.proving.runtime_choice import runtime_named
from models.runtime_names import RuntimeName
from worker.hosting.model_queue import ModelQueue
from worker.hosting.turnstile import Turnstile

_THREADS, _MOST = 2, 8
_RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "openvino")


def network(folder: Path) -> Path:
    """Write a seeded ResNet-50 with a free batch axis."""
    from benchmarks.gpu_networks import resnet50  # noqa: PLC0415  # torch comes with it
    from models.torch_export import write_onnx  # noqa: PLC0415

    file = folder / "resnet50.onnx"
    example = np.zeros((1, 3, 224, 224), np.float32)
    write_onnx(resnet50(), example, file, dynamic={"input": {0: "batch"}, "logits": {0: "batch"}})
    return file


def measure(file: Path, name: RuntimeName, most: int, clients: int, requests: int) -> tuple[float, float]:
    """Return requests a second and the 95th percentile of a request's time in seconds."""
    loaded = runtime_named(name).load(file, threads=_THREADS)
    model = LoadedModel(id="resnet50", digest="0", networks={"main": loaded})
    queue = ModelQueue(
        model, most={"main": most}, patience_s=0.0, turnstile=Turnstile(1), on_device_lost=lambda _lost: None
    )
    image = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
    queue.infer("main", {"input": image})
    taken: list[float] = []

    def ask() -> None:
        for _ in range(requests):
            started = time.perf_counter()
            queue.infer("main", {"input": image})
            taken.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = time.perf_counter() - started
    queue.close()
    return clients * requests / total, statistics.quantiles(taken, n=20)[-1]


def main() -> None:
    """Measure, print, write benchmarks/results/batching.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batching", description=__doc__)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--requests", type=int, default=15)
    chosen: Any = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = network(Path(folder))
        for name in _RUNTIMES:
            alone, alone_p95 = measure(file, name, 1, chosen.clients, chosen.requests)
            together, together_p95 = measure(file, name, _MOST, chosen.clients, chosen.requests)
            case = f"ResNet-50, {chosen.clients} clients, {_THREADS} threads, {name}"
            peer = "one image at a time"
            rows += [
                Row(
                    case=f"{case}: an image",
                    unit="s",
                    ours=1 / together,
                    target=1 / alone,
                    peer=1 / alone,
                    peer_name=peer,
                ),
                Row(case=f"{case}: p95", unit="s", ours=together_p95, target=alone_p95, peer=alone_p95, peer_name=peer),
            ]
    console = Console()
    console.print(table(rows))
    console.print(f"written: {write('batching', rows)}")


if __name__ == "__main__":
    main()
