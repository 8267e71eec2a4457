"""What a GPU says of our networks; one step a call or all, a JSON line a figure (ops/gpu/run.sh calls them in order).

python -m benchmarks.gpu STEP --out FILE [--dry-run]
"""

import argparse
import copy
import json
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_networks import CASES
from benchmarks.gpu_record import Record
from models.errors import ModelError
from models.proving.precision import lowered
from models.proving.runtime_choice import runtime_named
from models.runtimes.runtime import ShapeRange
from models.torch_export import write_onnx

_RUNTIMES = ("tensorrt-rtx", "tensorrt")
_WARM, _ROUNDS = 5, 20
_SLIDING = (300, 512, 512)
_WINDOW_STEP = 48


def environment(record: Record) -> None:
    """Say what machine this is."""
    values: dict[str, Any] = {"python": sys.version.split()[0], "torch": torch.__version__, "cores": os.cpu_count()}
    if record.gpu:
        properties = torch.cuda.get_device_properties(0)
        values |= {"gpu": properties.name, "compute_capability": f"{properties.major}.{properties.minor}"}
        values |= {"memory_gib": round(properties.total_memory / 2**30, 1), "cuda": torch.version.cuda}
    record.say("environment", **values)


def questions(record: Record) -> None:
    """Does this GPU run TensorRT engines, and do they agree with PyTorch?"""
    make, full, tiny = CASES["unet"]
    shape = tiny if record.dry_run else (2, *full[1:])
    for precision in ("fp32", "fp16"):
        for name in _RUNTIMES:
            if not record.gpu:
                record.say("questions", runtime=name, precision=precision, skipped="no GPU")
                continue
            _ask(record, name, precision, make(), shape)


def _ask(record: Record, name: Any, precision: Any, module: Any, shape: tuple[int, ...]) -> None:
    example = _example(shape)
    try:
        started = time.perf_counter()
        network = _engine(name, precision, module, example)
        load_s = time.perf_counter() - started
        found = np.asarray(network.infer({"input": example})["logits"])
    except (ModelError, ImportError, OSError) as error:
        record.say("questions", runtime=name, precision=precision, runs=False, cause=str(error)[:400])
        return
    with torch.inference_mode():
        wanted = module.cuda()(torch.from_numpy(example).cuda()).cpu().numpy()
    error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    differs = float((found.argmax(1) != wanted.argmax(1)).mean())
    record.say(
        "questions",
        runtime=network.runtime,
        precision=precision,
        runs=True,
        relative_error=error,
        labels_differ=differs,
        load_s=load_s,
    )


def roofline(record: Record) -> None:
    """Measure what the GPU copies and multiplies."""
    if not record.gpu:
        record.say("roofline", skipped="no GPU")
        return
    bytes_moved = 4 << 30
    source = torch.empty(bytes_moved, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copy_s = _seconds(lambda: target.copy_(source), record)
    record.say("roofline", copy_tb_per_s=2 * bytes_moved / copy_s / 1e12)
    side = 8192
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        a, b = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
        matmul_s = _seconds(lambda a=a, b=b: a @ b, record)  # type: ignore[misc]
        record.say("roofline", dtype=str(dtype), matmul_tflops=2 * side**3 / matmul_s / 1e12)


def network(record: Record, case: str) -> None:
    """Time one network: eager, compiled, as a CUDA graph, in TensorRT; fp32 and fp16."""
    make, full, tiny = CASES[case]
    shape = full if record.gpu else tiny
    module, device = make(), "cuda" if record.gpu else "cpu"
    value = torch.from_numpy(_example(shape)).to(device)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        module.to(device)(value)
    record.say(case, shape=shape, flops=counter.get_total_flops(), activation_bytes=_activation_bytes(module, value))
    for dtype, precision in ((torch.float32, "fp32"), (torch.float16, "fp16")):
        lower = copy.deepcopy(module).to(device, dtype)
        ways: dict[str, Callable[[], object]] = {"eager": _call(lower, value.to(dtype))}
        if record.gpu:
            ways["compile"] = _call(torch.compile(lower, mode="max-autotune-no-cudagraphs"), value.to(dtype))
            ways["cuda graph"] = _graph(lower, value.to(dtype))
        for way, run in ways.items():
            _guarded(record, case, precision, f"torch {way}", lambda run=run: _seconds(run, record))  # type: ignore[misc]
        for name in _RUNTIMES:
            if not record.gpu:
                record.say(case, precision=precision, way=name, skipped="no GPU")
                continue
            _guarded(
                record, case, precision, name, lambda n=name, p=precision: _tensorrt_s(n, p, module, shape, record)
            )  # type: ignore[misc]
    if case == "unet":
        _sliding(record, shape[0])


def _sliding(record: Record, at_once: int) -> None:
    """Say how many windows a CT of 512 x 512 x 300 has, so that a window's time becomes a study's."""
    counts = [-(-(side - 96) // _WINDOW_STEP) + 1 for side in _SLIDING]
    windows = int(np.prod(counts))
    record.say("unet", volume=_SLIDING, windows=windows, batches=-(-windows // at_once))


def study(record: Record) -> None:
    """Count studies an hour; see `benchmarks.gpu_study`."""
    # Here: the other steps do without DICOM's libraries.
    from benchmarks.gpu_study import study as measure  # noqa: PLC0415

    measure(record)


def collect(record: Record, file: Path) -> None:
    """Write all lines as one document, beside the lines."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    document = {"date": time.strftime("%Y-%m-%d"), "dry_run": record.dry_run, "lines": lines}
    file.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _example(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _engine(name: Any, precision: Any, module: Any, example: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        write_onnx(copy.deepcopy(module).cpu().float(), example, file)
        if precision != "fp32":
            file.write_bytes(lowered(file, precision))
        shapes = {"input": ShapeRange(smallest=example.shape, usual=example.shape, largest=example.shape)}
        return runtime_named(name).load(file, threads=1, precision=precision, shapes=shapes)


def _tensorrt_s(name: Any, precision: Any, module: Any, shape: tuple[int, ...], record: Record) -> float:
    """Return seconds with copies from and to the host: what a job pays."""
    example = _example(shape)
    engine = _engine(name, precision, module, example)
    return _seconds(lambda: engine.infer({"input": example}), record)


def _call(module: Any, value: Any) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return module(value)

    return run


def _graph(module: Any, value: Any) -> Callable[[], object]:
    stream = torch.cuda.Stream()
    with torch.inference_mode(), torch.cuda.stream(stream):
        for _ in range(3):
            module(value)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        module(value)
    return graph.replay


def _seconds(run: Callable[[], object], record: Record) -> float:
    rounds = 1 if record.dry_run else _ROUNDS
    for _ in range(1 if record.dry_run else _WARM):
        run()
    times = []
    for _ in range(rounds):
        if record.gpu:
            torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        if record.gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _activation_bytes(module: Any, value: Any) -> int:
    """Return the bytes that all layers write, each once, in float32: what must move where nothing is fused."""
    total = 0

    def count(_module: Any, _inputs: Any, output: Any) -> None:
        nonlocal total
        total += output.numel() * 4

    handles = [layer.register_forward_hook(count) for layer in module.modules() if not list(layer.children())]
    with torch.inference_mode():
        module(value)
    for handle in handles:
        handle.remove()
    return total


def _guarded(record: Record, case: str, precision: str, way: str, measure: Callable[[], float]) -> None:
    """Say what was measured, or what went wrong: no way may cost the others."""
    try:
        record.say(case, precision=precision, way=way, seconds=measure())
    except Exception as error:  # noqa: BLE001  # the outermost frame of a measurement
        record.say(case, precision=precision, way=way, failed=f"{type(error).__name__}: {str(error)[:300]}")


def main() -> None:
    """Do one step."""
    steps: dict[str, Callable[[Record], None]] = {
        "environment": environment,
        "questions": questions,
        "roofline": roofline,
        "study": study,
        **{case: (lambda record, case=case: network(record, case)) for case in CASES},  # type: ignore[misc]
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("step", choices=[*steps, "all", "collect"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    record = Record(arguments.out, dry_run=arguments.dry_run)
    if arguments.step == "collect":
        collect(record, arguments.out)
        return
    try:
        for step in steps.values() if arguments.step == "all" else (steps[arguments.step],):
            step(record)
    except Exception as error:
        record.say(arguments.step, failed=f"{type(error).__name__}: {error}", trace=traceback.format_exc()[-1500:])
        raise


if __name__ == "__main__":
    main()
