"""What the disk alone takes for what a receiver promises: write, sync, rename, sync the folder; nothing is received.

No receiver that syncs each instance can be faster, whatever it is written in.
"""

import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.raw_sender import Instance

_START_WITHIN_S = 60.0


def seconds(folder: Path, instances: Sequence[Instance], *, writers: int) -> float:
    """Return how long so many processes at once need to keep all instances in a new folder of this one."""
    folder = folder / str(time.monotonic_ns())
    folder.mkdir()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(writers + 1)
    shares = [instances[number::writers] for number in range(writers)]
    running = [
        context.Process(target=_keep, args=(folder, f"{number}", share, barrier)) for number, share in enumerate(shares)
    ]
    for process in running:
        process.start()
    barrier.wait(_START_WITHIN_S)
    started = time.perf_counter()
    for process in running:
        process.join()
    taken = time.perf_counter() - started
    if any(process.exitcode for process in running):
        raise OSError(f"{folder}: could not be written")
    return taken


def _keep(folder: Path, name: str, instances: Sequence[Instance], barrier: Any) -> None:
    directory = os.open(folder, os.O_RDONLY)
    barrier.wait(_START_WITHIN_S)
    for number, instance in enumerate(instances):
        part = folder / f"{name}-{number}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(descriptor, instance.dataset)
        os.fsync(descriptor)
        os.close(descriptor)
        part.rename(part.with_suffix(".dcm"))
        os.fsync(directory)
