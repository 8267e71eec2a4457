"""How busy the inference engine is under backlog: a constant 200 ms a read, real series of 300 slices, real pipelines.

    python -m benchmarks.busy [--jobs N] [--slices N] [--processes N ...]

Ledger, decoding, preparation, model host, objects and output gate are the real ones; only the engine is a stand-in that
takes its time without a core, as a GPU does. While it is at one study, other children of the worker read and decode the
next and encode the last: that is what `worker.processes` is for. The engine is busy when the children's work on one
study takes no longer than its own, so the figures name that too.
"""

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

from rich.console import Console

from benchmarks.__main__ import real_data
from benchmarks.record import Row, write
from benchmarks.series import write_series
from benchmarks.show import table
from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from models.catalog import Catalog
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.runtime import NO_SHAPES, Arrays, LoadedNetwork, Precision, Shapes
from models.testing import write_threshold_model
from worker.hosting.model_client import ModelClient
from worker.hosting.model_host import serve
from worker.hosting.shelf import ShelfSettings
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger
from worker.ledger.planned_read import Planned
from worker.object_kinds import DEFAULT_KINDS
from worker.pipeline import Pipeline
from worker.settings import ReportSettings, WorkerSettings

_ENGINE_S = 0.2
_MODEL = "constant-answer"
_MOST_IDLE_PERCENT = 10.0


@dataclass(frozen=True, kw_only=True)
class TimedRuntime:
    """An engine that takes the same time for everything, and no core; each inference is a line in its log."""

    log: Path
    name: str = "timed"

    def load(
        self, file: Path, *, threads: int, precision: Precision = "fp32", shapes: Shapes = NO_SHAPES
    ) -> LoadedNetwork:
        """Load the file, whose small network answers."""
        return _TimedNetwork(OnnxRuntime().load(file, threads=threads, precision=precision, shapes=shapes), self.log)


class _TimedNetwork:
    def __init__(self, network: LoadedNetwork, log: Path) -> None:
        self._network = network
        self._log = log

    @property
    def runtime(self) -> str:
        """Its name."""
        return "timed 1 cpu"

    @property
    def fingerprint(self) -> str:
        """The network's."""
        return self._network.fingerprint

    def infer(self, inputs: Arrays) -> Arrays:
        """Answer when the time is over."""
        begun = time.monotonic()
        answer = self._network.infer(inputs)
        time.sleep(max(0.0, begun + _ENGINE_S - time.monotonic()))
        with self._log.open("a") as log:
            log.write(f"{begun} {time.monotonic()}\n")
        return answer

    def close(self) -> None:
        """Give memory back."""
        self._network.close()


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where everything of one measurement lies."""

    root: Path
    spool: Path

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.root}/ledger.sqlite3"

    @property
    def socket(self) -> Path:
        return self.root / "host.sock"

    @property
    def log(self) -> Path:
        return self.root / "inferences"

    @property
    def spent(self) -> Path:
        return self.root / "spent"


def _host(place: _Place, stop: Event) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (stop.wait(), ended.set()), daemon=True).start()
    serve(
        socket=place.socket,
        catalog=lambda: Catalog.scan((place.models,)),
        runtimes=[TimedRuntime(log=place.log)],
        settings=ShelfSettings(threads=1),
        stop=ended,
    )


def _child(place: _Place) -> None:
    """Work until nothing waits, as a child of the worker does."""
    ledger = Ledger.open(place.ledger_url)
    pipeline = Pipeline(
        ledger=ledger,
        catalog=lambda: Catalog.scan((place.models,)),
        host=ModelClient(place.socket),
        spool=place.spool,
        results=place.root / "results",
        destinations={"pacs": DEFAULT_KINDS},
        report=ReportSettings(),
        settings=WorkerSettings(),
    )
    # The first study pays for imports and caches.
    pipeline.work_one(["cpu"], worker=str(os.getpid()))
    begun, studies = time.process_time(), 0
    while pipeline.work_one(["cpu"], worker=str(os.getpid())):
        studies += 1
    with place.spent.open("a") as spent:
        spent.write(f"{time.process_time() - begun} {studies}\n")
    ledger.close()


def _queue(place: _Place, files: Sequence[Path], jobs: int) -> None:
    entry = Catalog.scan((place.models,)).get(_MODEL)
    names = tuple(str(file.relative_to(place.spool)) for file in files)
    now = datetime.now(UTC)
    ledger = Ledger.open(place.ledger_url)
    study = AssembledStudy(
        study_instance_uid="",
        folder="",
        series=(AssembledSeries(series_instance_uid="2.25.7770", files=names),),
        completion=Completion.QUIET,
        calling_ae_title="PACS",
        first_received_at=now,
        last_received_at=now,
    )
    plan = Planned(
        model_id=_MODEL,
        model_digest=entry.digest,
        name=_MODEL,
        version=entry.card.version,
        queue="cpu",
        runs=True,
        series_instance_uid="2.25.7770",
        files=names,
        input_key="k",
        late_images="rerun",
        reason="",
    )
    for number in range(jobs):
        ledger.close_revision(replace(study, study_instance_uid=f"2.25.{number}", folder=f"study-{number}"), {}, [plan])
    ledger.close()


def _others() -> str:
    """Say so where others keep the cores from us: only the CPU that a study takes can be compared then."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f", others load {cores} cores with {load:.0f}" if load > cores else ""


def measure(place: _Place, files: Sequence[Path], *, jobs: int, processes: int) -> Iterator[Row]:
    """Let so many children work so many jobs. Raises ValueError where one was not read."""
    others = _others()
    write_threshold_model(place.models)
    _queue(place, files, jobs)
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    host = spawn.Process(target=_host, args=(place, stop))
    host.start()
    while not place.socket.exists():
        time.sleep(0.05)
    place.log.write_text("")  # the golden inputs have been
    children = [spawn.Process(target=_child, args=(place,)) for _ in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    stop.set()
    host.join()
    ledger = Ledger.open(place.ledger_url)
    read = ledger.overview().jobs[JobState.READ]
    reasons = {job.reason for job in ledger.jobs() if job.state is not JobState.READ}
    ledger.close()
    if read != jobs:
        raise ValueError(f"{read} of {jobs} jobs were read: {reasons}")
    yield from _rows(place, processes, others)


def _rows(place: _Place, processes: int, others: str) -> Iterator[Row]:
    spans = _pairs(place.log)
    # Left out: the first study of each child, which pays for imports, and the end, where nothing waits any more.
    counted = spans[processes : len(spans) - processes + 1]
    window_s = counted[-1][1] - spans[processes - 1][1]
    busy_s = sum(end - begun for begun, end in counted)
    spent = _pairs(place.spent)
    cpu_s = sum(seconds for seconds, _ in spent) / sum(studies for _, studies in spent)
    name = f"{processes} process{'es' if processes > 1 else ''}{others}"
    idle = round(100.0 * (1.0 - busy_s / window_s), 1)
    yield Row(case=f"engine idle under backlog, {name}", unit="%", ours=idle, target=_MOST_IDLE_PERCENT)
    each_s = round(window_s / len(counted), 2)
    yield Row(case=f"a study every, {name}", unit="s", ours=each_s, target=round(_ENGINE_S / 0.9, 3))
    cores = round(cpu_s / (_ENGINE_S / 0.9), 1)
    yield Row(
        case=f"cores that keep the engine busy ({cpu_s:.1f} s of CPU a study), {name}",
        unit="cores",
        ours=cores,
        target=os.cpu_count() or 1,
    )


def _pairs(file: Path) -> list[tuple[float, float]]:
    lines = (line.split() for line in file.read_text().splitlines())
    return [(float(first), float(second)) for first, second in lines]


def main() -> None:
    """Measure, print and write busy.json."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__)
    arguments.add_argument("--jobs", type=int, default=12, help="for each process; at least 3")
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3])
    options = arguments.parse_args()
    console = Console()
    data = real_data()
    if data is None:
        raise SystemExit("set WETREAD_TEST_DATA to the folder of the real series")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        spool = Path(folder) / "spool"
        target = spool / "series" / "0"
        target.mkdir(parents=True)
        files = write_series(data / "chest-ct" / "series-2", target, options.slices)
        for processes in options.processes:
            place = _Place(root=Path(folder) / str(processes), spool=spool)
            place.root.mkdir()
            rows += measure(place, files, jobs=options.jobs * processes, processes=processes)
            console.print(table(rows))
    console.print(f"written: {write('busy', rows)}")


if __name__ == "__main__":
    main()
