"""What the main job costs beyond the model: door to result, seconds and memory of a real model, memory of the node."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.house import house, wait_for
from benchmarks.record import Row, peak_gib, resident_mb
from models.importing.brainchop import import_brainchop
from models.testing import write_threshold_model
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow
from worker.jobs.overview import percentile
from worker.testing import write_mr_series

#: As `tests.stack` sets it.
QUIET_TIME_S = 1.0


def overhead(studies: int) -> Iterator[Row]:
    """Send small studies one after the other through a model that costs nothing, to parts that are warm."""
    with tempfile.TemporaryDirectory() as place, house(Path(place)) as (stack, orthanc):
        write_threshold_model(stack.models)
        stack.start()
        wait_for(stack.listening, what="the node listens")
        # One more, the first, is left out: it waits for the worker to start.
        for seed in range(studies + 1):
            files = write_mr_series(Path(place) / "studies" / str(seed), seed=seed)
            orthanc.take(files)
            stack.send(files)
            wait_for(lambda count=seed + 1: len(_read(stack, "constant-answer")) == count, what="a study is delivered")
        warm = sorted(_read(stack, "constant-answer"), key=lambda job: job.id)[1:]
        seconds = [(job.door_to_result_s or 0.0) - QUIET_TIME_S for job in warm]
        for share in (0.5, 0.95):
            value = percentile(seconds, share)
            name = f"door to result beyond the quiet time, p{share * 100:g} of {studies} studies"
            yield Row(case=name, unit="s", ours=round(value or 0.0, 2), target=2.0)


def brain_structures(data: Path) -> Iterator[Row]:
    """Send 384 slices to MeshNet 18cls."""
    with tempfile.TemporaryDirectory() as place, house(Path(place)) as (stack, orthanc):
        import_brainchop(data / "brainchop-models" / "model18cls", stack.models)
        stack.start()
        wait_for(stack.listening, what="the node listens")
        files = sorted((data / "t1-head").glob("*.dcm"))
        orthanc.take(files)
        stack.send(files)
        wait_for(lambda: _read(stack, "brain-structures"), what="t1-head is delivered")
        (job,) = _read(stack, "brain-structures")
        workers = stack.pids("worker")
        memory = sum(peak_gib(pid) for pid in workers)
        node = max(resident_mb(pid) for pid in stack.pids("node"))
        if job.claimed_at is None or job.finished_at is None:
            raise ValueError("a job that was read has its times")
        seconds = (job.finished_at - job.claimed_at).total_seconds()
        yield Row(case="brain-structures on t1-head, claimed to read", unit="s", ours=round(seconds, 1), target=120.0)
        yield Row(
            case=f"the same, peak memory of all {len(workers)} worker processes together",
            unit="GiB",
            ours=round(memory, 2),
            target=4.0,
        )
        yield Row(case="node after receiving t1-head, resident", unit="MB", ours=round(node, 1), target=150.0)


def _read(stack: Stack, model: str) -> list[JobRow]:
    return [job for job in stack.jobs() if job.model_id == model and job.delivered]
