"""Whether destinations answer, on a real database, and what a deliverer makes of it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from dicom_node.archives.sender import StoreOutcome
from dicom_node.errors import ArchiveUnreachable
from dicom_node.testing import InMemoryArchive
from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.reads import claim_next, job_of, record, result_file
from worker.delivery.delivery import Deliverer
from worker.delivery.destination import Destination
from worker.jobs.job import DeliveryState
from worker.ledger.ledger import Ledger
from worker.settings import DeliverySettings
from worker.testing import write_mr_series

JOBS = 6


@pytest.fixture
def archive() -> InMemoryArchive:
    """An archive that is away."""
    made = InMemoryArchive()
    made.away = True
    return made


@pytest.fixture
def waiting(tmp_path: Path, ledger: Ledger, queue_job: Callable[..., int]) -> list[int]:
    """Jobs with one result each."""
    jobs = []
    for number in range(JOBS):
        jobs.append(queue_job(study=f"1.2.{number}", files=("a",)))
        claim = claim_next(ledger)
        (file,) = write_mr_series(tmp_path / "results" / str(number), seed=number, slices=1)
        result = result_file(
            "SEG",
            str(pydicom.dcmread(file).SOPInstanceUID),
            file=f"{number}/{file.name}",
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        )
        record(ledger, claim, [result], {"pacs": ("SEG",)})
    return jobs


class House:
    """A deliverer whose clock a test moves."""

    def __init__(self, ledger: Ledger, archive: InMemoryArchive, folder: Path) -> None:
        self.now_s = 0.0
        self.destination = Destination(name="pacs", archive=archive, identity_check=False)
        self.deliverer = Deliverer(
            ledger=ledger,
            destinations={"pacs": self.destination},
            spool=folder / "spool",
            results=folder / "results",
            settings=DeliverySettings(breaker_after=2),
            clock=lambda: self.now_s,
        )

    def run(self) -> None:
        """Do all that is due."""
        while self.deliverer.step(self.destination):
            pass


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger, archive: InMemoryArchive) -> House:
    """The deliverer."""
    return House(ledger, archive, tmp_path)


def attempts(ledger: Ledger, jobs: list[int]) -> list[int]:
    """Return how often each job's result was tried."""
    rows = [ledger.job(job_id) for job_id in jobs]
    return [row.deliveries[0].attempts for row in rows if row is not None]


def test_an_archive_that_is_away_costs_few_attempts(
    ledger: Ledger, house: House, waiting: list[int], archive: InMemoryArchive, clock: ManualLedgerClock
) -> None:
    """Two jobs are tried, then none for hours; when it answers again all go at once, whatever their waits were."""
    house.run()
    assert sum(attempts(ledger, waiting)) == 2
    assert not ledger.destinations()["pacs"].answering
    assert "away" in ledger.destinations()["pacs"].reason
    for _ in range(100):
        house.now_s += 600.0
        clock.seconds += 600.0
        house.run()
    assert sum(attempts(ledger, waiting)) == 2
    archive.away = False
    house.now_s += 601.0
    house.run()
    assert ledger.destinations()["pacs"].answering
    assert len(archive.stored) == JOBS
    assert max(attempts(ledger, waiting)) == 2


class Choking(InMemoryArchive):
    """An archive that ends the association over some objects, and is well."""

    def __init__(self, over: set[str]) -> None:
        super().__init__()
        self.over = over

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """Say nothing of those, nor of what stands behind them."""
        if any(str(pydicom.dcmread(file).SOPInstanceUID) in self.over for file in files):
            raise ArchiveUnreachable("aborted")
        return super().store(files)


def test_what_an_archive_chokes_on_keeps_nothing_else(
    tmp_path: Path, ledger: Ledger, waiting: list[int], clock: ManualLedgerClock
) -> None:
    """It answers a probe, so it is there: later jobs go at once, and what it chokes on waits longer each time."""
    rows = [row for row in map(ledger.job, waiting) if row is not None]
    archive = Choking({row.deliveries[0].sop_instance_uid for row in rows[:3]})
    house = House(ledger, archive, tmp_path)
    house.run()
    assert len(archive.stored) == JOBS - 3
    assert not ledger.destinations()
    for _ in range(120):
        house.now_s += 30.0
        clock.seconds += 30.0
        house.run()
    # In an hour of 30 s that double, up to ten minutes.
    assert all(8 <= count <= 11 for count in attempts(ledger, waiting)[:3])


def test_what_waits_too_long_behind_an_open_breaker_is_given_up(
    ledger: Ledger, house: House, waiting: list[int]
) -> None:
    """As it is without one: an admin sees it, and can have it sent again."""
    house.run()
    assert ledger.abandon_overdue("pacs", give_up_after_s=60, reason="no") == 0
    assert ledger.abandon_overdue("pacs", give_up_after_s=-1, reason="no") == JOBS
    row = job_of(ledger, waiting[0])
    assert (row.deliveries[0].state, row.deliveries[0].reason) == (DeliveryState.ABANDONED, "no")


def test_a_restart_does_not_try_everything_anew(
    ledger: Ledger, house: House, waiting: list[int], archive: InMemoryArchive, tmp_path: Path
) -> None:
    """Another deliverer begins with what the one before it has found: it probes, and delivers when that is answered."""
    house.run()
    again = House(ledger, archive, tmp_path)
    again.deliverer._remember(again.destination)
    again.run()
    assert sum(attempts(ledger, waiting)) == 2
    archive.away = False
    again.now_s = 61.0
    again.run()
    assert len(archive.stored) == JOBS


def test_what_need_not_be_committed_to_any_more_has_arrived_after_a_restart(
    ledger: Ledger, house: House, waiting: list[int]
) -> None:
    """Its archive never commits, and the site has stopped to require it."""
    batch = ledger.claim_deliveries("pacs", lease_s=60)
    assert batch is not None
    for item in batch.objects:
        ledger.delivered(item, DeliveryState.ACCEPTED, commitment="required")
    requires = replace(house.destination, commitment="required")
    for destination, state in ((requires, DeliveryState.UNCOMMITTED), (house.destination, DeliveryState.ACCEPTED)):
        house.deliverer._remember(destination)
        row = ledger.job(batch.job_id)
        assert row is not None
        assert {item.state for item in row.deliveries} == {state}
    assert waiting


def test_a_refusal_is_an_answer(ledger: Ledger, house: House, waiting: list[int], archive: InMemoryArchive) -> None:
    """An archive that refuses everything is there: each object is refused by itself."""
    archive.away = False
    archive.refuse_with = dict.fromkeys(
        (row.deliveries[0].sop_instance_uid for row in map(ledger.job, waiting) if row is not None), 0xA700
    )
    house.run()
    assert attempts(ledger, waiting) == [1] * JOBS
    assert not ledger.destinations()


def test_a_destination_that_is_gone_is_forgotten(ledger: Ledger) -> None:
    """What the settings no longer name is not cried out for ever."""
    ledger.note_destination("old", answering=False, reason="away")
    ledger.note_destination("pacs", answering=False, reason="away")
    assert not ledger.keep_destinations(["pacs"])
    assert list(ledger.destinations()) == ["pacs"]


def test_what_waits_for_a_destination_that_is_gone_is_told(
    ledger: Ledger, waiting: list[int], archive: InMemoryArchive, tmp_path: Path
) -> None:
    """Nothing would ever send it, and it is not on its way; once the settings name it again it goes."""
    assert ledger.keep_destinations(["renamed"]) == {"pacs": JOBS}
    told = ledger.destinations()["pacs"]
    assert not told.answering
    assert "name no such destination; name it again" in told.reason
    ledger.waive(waiting[0], gone="pacs")
    assert ledger.keep_destinations(["renamed"]) == {"pacs": JOBS - 1}
    ledger.waive(waiting[1], gone="pacs")
    assert "pacs" in ledger.destinations()
    archive.away = False
    again = House(ledger, archive, tmp_path)
    assert not ledger.keep_destinations(["pacs"])
    again.deliverer._remember(again.destination)
    again.run()
    assert len(archive.stored) == JOBS - 2
    assert ledger.destinations()["pacs"].answering


def test_once_all_of_it_is_waived_a_destination_that_is_gone_is_forgotten(ledger: Ledger, waiting: list[int]) -> None:
    """At once, not with the next start: its metric would go on calling somebody. One waits to be committed to."""
    batch = ledger.claim_deliveries("pacs", lease_s=60)
    assert batch is not None
    for item in batch.objects:
        ledger.delivered(item, DeliveryState.UNCOMMITTED, commitment="required")
    assert ledger.keep_destinations(["renamed"]) == {"pacs": JOBS}
    for job in waiting:
        assert "pacs" in ledger.destinations()
        ledger.waive(job, gone="pacs")
    assert not ledger.destinations()
