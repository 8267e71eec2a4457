"""The broker: a worker whose way to Redis leads nowhere, or whose consumer has gone deaf."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.supervisor import Part, Supervisor
from tests.faults.half_open_proxy import HalfOpenProxy
from tests.redis_server import RedisServer
from tests.unit.worker.conftest import assembled, planned
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger
from worker.queueing.celery_app import TokenPublisher, make_app
from worker.queueing.outbox import Reconciler
from worker.settings import WorkerSettings

SETTINGS = WorkerSettings(reconcile_every_s=0.5, consumer_silence_s=6.0)


class House:
    """Jobs in a ledger, tokens in Redis, and Celery's worker kept running.

    No model is there, so a job that is claimed fails at once.

    Attributes:
        folder: Of its own.
        ledger: Where the jobs are.
    """

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        self.ledger = Ledger.open(f"sqlite:///{folder}/data/ledger.sqlite3")
        self._reconciler = Reconciler(self.ledger, TokenPublisher(make_app(redis_url, SETTINGS)), SETTINGS)
        self._stop = threading.Event()
        self._watching = threading.Thread()

    def start(self, broker_url: str, *program: str) -> None:
        """Start Celery's worker as `wetread worker` does, started again whenever it ends."""
        settings = self.folder / "wetread.json"
        values = {"data": str(self.folder / "data"), "broker": {"url": broker_url}, "worker": SETTINGS.model_dump()}
        settings.write_text(json.dumps(values))
        log = self.folder / "log"
        # The shell gives its place to the worker, and only leads its log into a file.
        shell = ("sh", "-c", f'exec "$@" >>{log} 2>&1', "sh", sys.executable, *program, "--settings", str(settings))
        part = Part(name="celery", argv=shell, grace_s=15.0, environment={"REMAP_SIGTERM": "SIGQUIT"})
        supervisor = Supervisor((part,))

        def run() -> None:
            supervisor.start(self._stop)
            supervisor.watch(self._stop)
            supervisor.stop()

        self._watching = threading.Thread(target=run)
        self._watching.start()

    def stop(self) -> None:
        """Stop the worker."""
        self._stop.set()
        self._watching.join()
        self.ledger.close()

    def log(self) -> str:
        """Return what the worker has logged."""
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    def queue(self, study: str) -> None:
        """Queue a job."""
        self.ledger.close_revision(assembled(study), {}, [planned()])

    def all_worked(self) -> bool:
        """Publish what waits; say whether a worker has taken every job."""
        self._reconciler.once()
        return all(job.state is JobState.FAILED for job in self.ledger.jobs())


@pytest.fixture
def house(tmp_path: Path, redis_server: RedisServer) -> Iterator[House]:
    """A house whose worker is not started yet."""
    made = House(tmp_path / "house", redis_server.url)
    yield made
    made.stop()


def test_row_37_a_half_open_way_to_redis_is_noticed(
    house: House, redis_server: RedisServer, wait_for: Callable[..., None]
) -> None:
    """Packets are dropped and no connection ends: the consumer connects again within half a minute and takes jobs."""
    with HalfOpenProxy(redis_server.port) as proxy:
        house.start(f"redis://127.0.0.1:{proxy.port}/0", "-P", "-m", "ops.cli", "celery-worker")
        house.queue("1.2.3")
        wait_for(house.all_worked, what="the worker takes jobs", deadline_s=90)
        assert proxy.freeze() > 0
        house.queue("1.2.4")
        wait_for(house.all_worked, what="it takes jobs again", deadline_s=60)
        house.stop()


def test_a_deaf_consumer_is_replaced(house: House, redis_server: RedisServer, wait_for: Callable[..., None]) -> None:
    """A worker that is up, connected and consumes nothing ends with the reason, and the next one works."""
    program = str(Path(__file__).with_name("deaf_worker.py"))
    house.start(redis_server.url, "-P", program, str(house.folder / "deaf"))
    house.queue("1.2.3")
    wait_for(house.all_worked, what="the job is taken", deadline_s=120)
    assert house.log().count("consumer is deaf") == 1, house.log()
