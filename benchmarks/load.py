"""Small studies at a department's rate under faults, and what a study costs a ledger that grows: results/load.json."""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.house import free_port, wait_for
from benchmarks.ledger_cost import SIZES, ledger_rows
from benchmarks.main_job import QUIET_TIME_S
from benchmarks.record import Row, write
from benchmarks.show import table
from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import started
from tests.stack import Stack
from tests.torture.house import TorturedHouse
from tests.torture.schedule import schedule
from tests.torture.studies import Stream
from worker.jobs.admin_rows import JobRow
from worker.jobs.overview import percentile
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series

_SEED = 20260101
_ALL = 1_000_000
#: To look costs the same two cores that are measured.
_LOOKED_EVERY_S = 10.0
_SHARES = (0.5, 0.95, 0.99)


def main() -> None:
    """Measure, print and write."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    arguments.add_argument("--studies", type=int, default=3000)
    arguments.add_argument("--per-hour", type=float, default=3000.0)
    arguments.add_argument("--faults", type=int, default=40)
    arguments.add_argument("--undisturbed", type=int, default=200, help="studies of a stream without faults, before")
    arguments.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="studies in the ledger")
    arguments.add_argument("--databases", nargs="*", default=["PostgreSQL", "SQLite"], choices=["SQLite", "PostgreSQL"])
    options = arguments.parse_args()
    console = Console()
    rows: list[Row] = []
    for name in options.databases:
        with _database(name) as url:
            ledger = Ledger.open(url)
            rows += ledger_rows(name, ledger, options.sizes, say=console.print)
            ledger.close()
    # A fault lasts up to six seconds itself: without any, what is ours alone.
    for studies, faults in ((options.undisturbed, 0), (options.studies, options.faults)):
        if studies:
            rows += under_load(studies, 3600.0 / options.per_hour, faults, console)
    console.print(table(rows))
    console.print(f"written: {write('load', rows)}")


@contextmanager
def _database(name: str) -> Iterator[str]:
    if name == "SQLite":
        with tempfile.TemporaryDirectory() as place:
            yield f"sqlite:///{place}/ledger.sqlite3"
        return
    server = PostgresqlServer(free_port, as_installed=True)
    try:
        server.start()
        yield server.url(server.new_database())
    finally:
        server.remove()


def under_load(studies: int, every_s: float, faults: int, console: Console) -> Iterator[Row]:
    """Let studies stream in under faults; yield the percentiles of door to result beyond the quiet time."""
    with tempfile.TemporaryDirectory() as place, _house(Path(place)) as house:
        console.print(f"{studies} studies are made, and given to the archive")
        sent = [write_mr_series(Path(place) / "studies" / str(seed), seed=seed, slices=4) for seed in range(studies)]
        for study in sent:
            house.orthanc.take(study)
        house.start()
        stream = Stream(sent, house.stack.port, every_s=every_s)
        stream.start()
        for number, fault in enumerate(schedule(_SEED, faults), start=1):
            # Spread over the whole stream.
            while stream.is_alive() and stream.answered * faults < number * studies:
                stream.join(0.5)
            house.suffer(fault)
            console.print(f"fault {number} of {faults}: {fault.harm} {fault.part}; {stream.answered} studies answered")
        stream.join()
        while len(_delivered(house.stack)) < studies:
            time.sleep(_LOOKED_EVERY_S)
        seconds = [(job.door_to_result_s or 0.0) - QUIET_TIME_S for job in _delivered(house.stack)]
        house.stack.stop()
    what = f"of {studies} studies, one in {every_s:.2f} s, {faults} faults"
    for share in _SHARES:
        yield Row(
            case=f"door to result beyond the quiet time, p{share * 100:g} {what}",
            unit="s",
            ours=round(percentile(seconds, share), 2),
            target=1.0,
        )


@contextmanager
def _house(folder: Path) -> Iterator[TorturedHouse]:
    (folder / "orthanc").mkdir()
    (folder / "redis").mkdir()
    orthanc = OrthancServer(folder / "orthanc", dicom_port=free_port(), http_port=free_port())
    orthanc.start()
    redis = started(folder / "redis", free_port, wait_for)
    stack = Stack(
        folder / "wetread",
        port=free_port(),
        broker_url=redis.url,
        archive_port=orthanc.dicom_port,
        extra=f"[web]\nport = {free_port()}\n",
    )
    write_threshold_model(stack.models)
    try:
        yield TorturedHouse(stack, orthanc, redis, wait_for)
    finally:
        stack.stop()
        redis.stop()
        orthanc.stop()


def _delivered(stack: Stack) -> list[JobRow]:
    ledger = stack.ledger()
    try:
        return [job for job in ledger.jobs(limit=_ALL) if job.model_id == "constant-answer" and job.delivered]
    finally:
        ledger.close()


if __name__ == "__main__":
    main()
