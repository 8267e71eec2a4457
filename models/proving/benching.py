"""How fast a model is on this machine, network by network, on inputs of the size that its card announces."""

import resource
import statistics
import time
from dataclasses import dataclass

import numpy as np

from models.asking.network_shapes import shapes_of
from models.catalog import CatalogEntry
from models.loaded import LoadedModel, NetworkFiles
from models.proving.checking import golden_inputs
from models.runtimes.runtime import Arrays, Runtime

_KIB_A_MIB = 1024


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one network took.

    Attributes:
        network: Its name on the card.
        runtime: What ran it, with version, device and precision.
        shape: Of the input.
        load_s: All networks of the model, in seconds.
        first_s: The first inference, in seconds.
        median_s: The median of those after it, in seconds.
        resident_mib: Largest resident memory of this process so far, in MiB.
    """

    network: str
    runtime: str
    shape: tuple[int, ...]
    load_s: float
    first_s: float
    median_s: float
    resident_mib: float


def bench(entry: CatalogEntry, runtime: Runtime, files: NetworkFiles, *, threads: int, rounds: int) -> list[Timing]:
    """Time every network of a model. Raises ModelIncomplete, ChecksumMismatch, RuntimeFailed, CardError.

    The input has the largest size that the card announces, one at a time; without one it is the golden input.
    """
    started = time.perf_counter()
    model = LoadedModel.load(entry, runtime, threads, files)
    load_s = time.perf_counter() - started
    try:
        timings = []
        for network in entry.card.networks:
            inputs = _inputs(entry, network)
            seconds = [_seconds(model, network, inputs) for _ in range(rounds + 1)]
            timings.append(
                Timing(
                    network=network,
                    runtime=model.runtime,
                    shape=next(iter(inputs.values())).shape,
                    load_s=load_s,
                    first_s=seconds[0],
                    median_s=statistics.median(seconds[1:]),
                    resident_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_A_MIB,
                )
            )
        return timings
    finally:
        model.close()


def _inputs(entry: CatalogEntry, network: str) -> Arrays:
    shapes = shapes_of(entry.card, network)
    if not shapes:
        return next(golden_inputs(entry, network))
    random = np.random.default_rng(0)
    # The bench asks like a single job does: one input at a time.
    return {name: random.random((1, *one.largest[1:]), dtype=np.float32) for name, one in shapes.items()}


def _seconds(model: LoadedModel, network: str, inputs: Arrays) -> float:
    started = time.perf_counter()
    model.infer(network, inputs)
    return time.perf_counter() - started
