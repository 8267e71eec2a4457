"""A real ledger, with a clock that the test moves.

Whatever a test in `ledger/` proves of the ledger, it proves twice: on SQLite and on PostgreSQL.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from worker.ledger.clock import Reading
from worker.ledger.ledger import Ledger
from worker.ledger.planned_read import Planned

MODEL_DIGEST = "a" * 64


class ManualLedgerClock:
    """A ledger clock that stands until it is moved."""

    def __init__(self) -> None:
        self.mark = "boot-1"
        self.seconds = 1000.0

    def read(self) -> Reading:
        """Return where it stands."""
        return Reading(mark=self.mark, seconds=self.seconds)


@pytest.fixture
def clock() -> ManualLedgerClock:
    """The clock of `ledger`."""
    return ManualLedgerClock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of the ledger's contract on each database."""
    if "ledger_url" in metafunc.fixturenames and ".ledger." in metafunc.module.__name__:
        metafunc.parametrize("ledger_url", ("sqlite", "postgresql"), indirect=True)


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables: copied, it is there in a tenth of the time that all migrations take."""
    file = tmp_path_factory.mktemp("empty") / "ledger.sqlite3"
    Ledger.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path, empty_ledger: Path) -> str:
    """Where `ledger` is: in a SQLite file, or in a database on PostgreSQL; its tables are there and empty."""
    if getattr(request, "param", "sqlite") == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    file = shutil.copy(empty_ledger, tmp_path / "ledger.sqlite3")
    return f"sqlite:///{file}"


@pytest.fixture
def ledger(ledger_url: str, clock: ManualLedgerClock) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = Ledger.open(ledger_url, clock=clock)
    yield opened
    opened.close()


def assembled(study: str = "1.2.3", files: tuple[str, ...] = ("s/a/1.dcm", "s/a/2.dcm")) -> AssembledStudy:
    """Return a study of one series."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return AssembledStudy(
        study_instance_uid=study,
        folder=f"folder-{study}",
        series=(AssembledSeries(series_instance_uid=f"{study}.1", files=files),),
        completion=Completion.QUIET,
        calling_ae_title="PACS",
        first_received_at=now,
        last_received_at=now,
    )


def planned(**changes: object) -> Planned:
    """Return a plan for one model that runs."""
    values: dict[str, object] = {
        "model_id": "constant-answer",
        "model_digest": MODEL_DIGEST,
        "name": "Constant answer",
        "version": "1",
        "queue": "cpu",
        "runs": True,
        "series_instance_uid": "1.2.3.1",
        "files": ("s/a/1.dcm", "s/a/2.dcm"),
        "input_key": "key-1",
        "late_images": "rerun",
        "reason": "the only series",
    }
    return Planned(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def queue_job(ledger: Ledger) -> Callable[..., int]:
    """Return a function that closes a study with one job and gives the job's id."""

    def queue(study: str = "1.2.3", **changes: object) -> int:
        ledger.close_revision(assembled(study), {}, [planned(**changes)])
        return ledger.jobs(limit=1)[0].id

    return queue
