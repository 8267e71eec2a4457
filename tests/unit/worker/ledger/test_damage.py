"""A job whose rows are damaged does not stop those behind it: it is held, and says why."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from sqlalchemy import text

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.queueing.test_outbox import Broker
from tests.unit.worker.reads import record, result_file
from worker.errors import LedgerBroken, LedgerDamaged
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import Claim
from worker.jobs.overview import StudyState
from worker.ledger.damage import put_aside
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS
from worker.queueing.outbox import Reconciler
from worker.settings import WorkerSettings

MISSING, JSON, DATE, NUMBER, PRIORITY = "lacks a row", "not the JSON", "a date that is none", "a number", "a priority"
#: What harms job 1 on every database, and what of the reason tells it.
ANYWHERE = [
    ("UPDATE job SET priority = 9 WHERE id = 1", PRIORITY),
    ("DELETE FROM job_input WHERE job_id = 1", MISSING),
    ("UPDATE job_input SET files = '{}' WHERE job_id = 1", JSON),
    ("INSERT INTO job_input (id, job_id, series_instance_uid, files) VALUES (99, 1, '1.2', '[]')", MISSING),
]
#: What only SQLite takes.
SQLITE = [
    ("UPDATE job SET queued_at = 'yesterday' WHERE id = 1", DATE),
    ("UPDATE job SET finished_at = 'never' WHERE id = 1", DATE),
    ("UPDATE job SET attempts = 'many' WHERE id = 1", NUMBER),
    ("UPDATE job SET fence = 'high' WHERE id = 1", NUMBER),
    ("UPDATE job SET rank_s = 'first' WHERE id = 1", NUMBER),
]

#: What only SQLite takes, too, of the only delivery of job 1.
DELIVERY = [
    ("UPDATE delivery SET attempts = 'many' WHERE id = 1", NUMBER),
    ("UPDATE delivery SET fence = 'high' WHERE id = 1", NUMBER),
    ("UPDATE delivery SET in_vain = 'all' WHERE id = 1", NUMBER),
    ("UPDATE delivery SET created_at = 'yesterday' WHERE id = 1", DATE),
    ("UPDATE delivery SET updated_at = 'yesterday' WHERE id = 1", DATE),
]


def harm(ledger: Ledger, statement: str) -> None:
    """Do what somebody else has done, where this database takes it."""
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql" and statement in dict([*SQLITE, *DELIVERY]):
            pytest.skip("PostgreSQL does not take that")
        session.execute(text(statement))


def claim(ledger: Ledger) -> Claim | None:
    """Claim what is next."""
    return ledger.claim(["cpu"], worker="w", lease_s=60)


def require_held(ledger: Ledger, job_id: int, told: str) -> None:
    """Look at the job as an admin does: it is held with the reason, in the list and in the timeline."""
    job = next(row for row in ledger.jobs() if row.id == job_id)
    assert job.state is JobState.HELD
    assert told in job.reason
    assert f"wetread retry {job_id}" in job.reason
    assert [event.detail["reason"] for event in ledger.timeline("1.2.1") if event.kind == "job held"] == [job.reason]
    assert job_id in {failure.job_id for failure in ledger.overview().failures}


@pytest.mark.parametrize(("statement", "told"), [*ANYWHERE, *SQLITE])
def test_a_damaged_job_at_the_head_is_held_and_the_queue_flows_on(
    ledger: Ledger, queue_job: Callable[..., int], statement: str, told: str
) -> None:
    """The very claim that finds it gets the next."""
    damaged, behind = queue_job("1.2.1"), queue_job("1.2.2")
    assert damaged == 1
    harm(ledger, statement)
    claimed = claim(ledger)
    assert claimed is not None
    assert claimed.job_id == behind
    assert claim(ledger) is None
    require_held(ledger, damaged, told)


def test_a_damaged_job_is_read_once_it_is_mended(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """And held again where it is not: a retry is no endless loop."""
    job_id = queue_job("1.2.1")
    harm(ledger, "UPDATE job_input SET files = '{}' WHERE job_id = 1")
    assert claim(ledger) is None
    harm(ledger, """UPDATE job_input SET files = '["s/a/1.dcm"]' WHERE job_id = 1""")
    ledger.retry(job_id)
    claimed = claim(ledger)
    assert claimed is not None
    assert claimed.files == ("s/a/1.dcm",)
    assert claimed.fence > 1


def test_a_damaged_input_does_not_keep_later_images_from_being_looked_at(
    ledger: Ledger, queue_job: Callable[..., int]
) -> None:
    """Which series was read before is not known then; the study's later images are chosen from as if none had been."""
    queue_job("1.2.1")
    assert ledger.read_before("1.2.1") == {"constant-answer": ("s/a/1.dcm", "s/a/2.dcm")}
    harm(ledger, "UPDATE job_input SET files = '{}' WHERE job_id = 1")
    assert ledger.read_before("1.2.1") == {"constant-answer": ()}
    harm(ledger, "DELETE FROM job_input WHERE job_id = 1")
    assert ledger.read_before("1.2.1") == {"constant-answer": ()}


@pytest.mark.parametrize(("statement", "told"), [*ANYWHERE[1:2], *SQLITE[:4]])
def test_a_damaged_job_does_not_keep_dead_leases_of_others(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], statement: str, told: str
) -> None:
    """The worker of both has died; what can be read is queued again, and who is late with the other is refused."""
    damaged, behind = queue_job("1.2.1"), queue_job("1.2.2")
    assert [claim(ledger), claim(ledger)] != [None, None]
    harm(ledger, statement)
    clock.seconds += 61
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 2
    if told != MISSING:  # it is missed when it is claimed again
        require_held(ledger, damaged, told)
    claimed = claim(ledger)
    assert claimed is not None
    assert claimed.job_id == behind
    require_held(ledger, damaged, told)


def test_a_job_whose_study_is_gone_does_not_keep_dead_leases_of_others(
    ledger: Ledger, ledger_url: str, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Whatever refers to nothing."""
    if not ledger_url.startswith("sqlite"):
        pytest.skip("PostgreSQL lets no row refer to nothing")
    damaged, behind = queue_job("1.2.1"), queue_job("1.2.2")
    assert [claim(ledger), claim(ledger)] != [None, None]
    harm(ledger, "UPDATE job SET attempts = 3")
    with closing(sqlite3.connect(ledger_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("DELETE FROM revision WHERE id = 1")
        connection.commit()
    clock.seconds += 61
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 2
    with ledger.reading() as session:
        states = dict(session.execute(text("SELECT id, state FROM job")).all())
    assert states == {damaged: "held", behind: "failed"}


def test_what_cannot_be_read_keeps_no_token_back(
    ledger: Ledger, queue_job: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline of a damaged job is passed over; a ledger whose file is broken is not."""
    queue_job("1.2.1", deadline_s=60.0)
    harm(ledger, "UPDATE job SET queued_at = 'yesterday' WHERE id = 1")
    published: list[int] = []
    reconciler = Reconciler(ledger, Broker(published), WorkerSettings(lease_s=60.0), seconds=lambda: 1e6)
    assert reconciler.once() == 1
    assert published == [1]

    def broken() -> list[int]:
        raise LedgerBroken("the ledger's file is malformed")

    monkeypatch.setattr(ledger, "pass_deadlines", broken)
    with pytest.raises(LedgerBroken):
        reconciler.once()


@pytest.mark.parametrize(("statement", "told"), [*ANYWHERE[1:3], *SQLITE[:1]])
def test_a_note_that_cannot_be_made_keeps_no_other(
    ledger: Ledger, queue_job: Callable[..., int], statement: str, told: str
) -> None:
    """The timeline says that nobody was told, and why."""
    for study in ("1.2.1", "1.2.2"):
        queue_job(study)
        claimed = claim(ledger)
        assert claimed is not None
        ledger.fail(claimed, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    harm(ledger, statement)
    unread = ledger.next_unread(["cpu"], [JobState.FAILED])
    assert unread is not None
    assert unread.job_id == 2
    (noted,) = [event for event in ledger.timeline("1.2.1") if event.kind == "unread noted"]
    assert told in str(noted.detail["outcome"])


@pytest.mark.parametrize(
    "statement", [statement for statement, _ in [*ANYWHERE[1:], *SQLITE[:2]]] + [statement for statement, _ in DELIVERY]
)
def test_results_of_a_damaged_job_keep_no_others(ledger: Ledger, queue_job: Callable[..., int], statement: str) -> None:
    """They leave as far as they can be read, or wait for themselves, and what the archive answers is recorded."""
    for number in (1, 2):
        queue_job(f"1.2.{number}")
        claimed = claim(ledger)
        assert claimed is not None
        record(ledger, claimed, [result_file("SR", f"1.9.{number}", file="f")], {"pacs": DEFAULT_KINDS})
    harm(ledger, statement)
    sent = set()
    while (batch := ledger.claim_deliveries("pacs", lease_s=60)) is not None:
        sent |= {item.sop_instance_uid for item in batch.objects}
        ledger.delivered(batch.objects[0], DeliveryState.ACCEPTED, status=0)
    assert sent == {"1.9.1", "1.9.2"}


@pytest.mark.parametrize("statement", [statement for statement, _ in ANYWHERE[1:]])
@pytest.mark.parametrize("was_read", [False, True])
def test_a_damaged_input_does_not_keep_a_study_from_being_recorded(
    ledger: Ledger, *, statement: str, was_read: bool
) -> None:
    """What came later, and this model does not read, is in a revision; it would have been refused without end."""
    ledger.close_revision(assembled(), {}, [planned()])
    if was_read:
        claimed = claim(ledger)
        assert claimed is not None
        record(ledger, claimed)
    harm(ledger, statement)
    assert claim(ledger) is None
    more = assembled(files=("s/a/1.dcm", "s/a/2.dcm", "s/b/3.dcm"))
    assert ledger.close_revision(more, {}, [planned()]) == 2
    assert [job.state for job in ledger.jobs()] == [JobState.READ if was_read else JobState.HELD]


def end_as(ledger: Ledger, state: JobState) -> None:
    """Bring the one job to this state."""
    claimed = None if state is JobState.CANCELLED else claim(ledger)
    if claimed is None:
        ledger.cancel(1)
    elif state is JobState.READ:
        record(ledger, claimed)
    elif state is JobState.FAILED:
        ledger.fail(claimed, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)


@pytest.mark.parametrize(("statement", "told"), [ANYWHERE[0], *SQLITE])
@pytest.mark.parametrize("state", [JobState.READ, JobState.CLAIMED, JobState.FAILED, JobState.CANCELLED])
def test_later_images_are_recorded_and_read_whatever_became_of_a_damaged_job(
    ledger: Ledger, queue_job: Callable[..., int], statement: str, told: str, state: JobState
) -> None:
    """What can be held is, with the reason; of what has ended the timeline tells."""
    queue_job("1.2.1")
    end_as(ledger, state)
    harm(ledger, statement)
    files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    assert ledger.close_revision(assembled("1.2.1", files), {}, [planned(files=files, input_key="key-2")]) == 2
    claimed = claim(ledger)
    assert claimed is not None
    assert claimed.files == files
    record(ledger, claimed)
    assert [job.state for job in ledger.jobs()] == [JobState.READ, JobState.SUPERSEDED]
    kind = "job held" if state in (JobState.READ, JobState.CLAIMED) else "damaged row replaced"
    (reason,) = [event.detail["reason"] for event in ledger.timeline("1.2.1") if event.kind == kind]
    assert told in str(reason)


@pytest.mark.parametrize("runs", [True, False])
def test_a_damaged_job_that_was_read_is_held_for_an_admin(
    ledger: Ledger, queue_job: Callable[..., int], *, runs: bool
) -> None:
    """Where what came later is another series, or nothing that this model reads: its read stays, and it is released."""
    queue_job("1.2.1")
    end_as(ledger, JobState.READ)
    harm(ledger, "UPDATE job SET priority = 9 WHERE id = 1")
    more = assembled("1.2.1", files=("s/a/1.dcm", "s/a/2.dcm", "s/b/3.dcm"))
    plan = planned() if runs else planned(runs=False, input_key="none", files=(), reason="another series fits as well")
    assert ledger.close_revision(more, {}, [plan]) == 2
    require_held(ledger, 1, PRIORITY)
    assert "wetread release-hold 1" in ledger.jobs()[0].reason
    ledger.release(1)
    assert [job.state for job in ledger.jobs()] == [JobState.READ]


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE study SET first_received_at = 'yesterday'", "study"),
        ("UPDATE revision SET closed_at = 'yesterday'", "revision"),
        # SQLite takes each of these for a point in time.
        ("UPDATE study SET first_received_at = '2026-02-31 12:00:00.000000'", "study"),
        ("UPDATE study SET first_received_at = '2026-01-02 24:00:00.000000'", "study"),
        ("UPDATE study SET first_received_at = '0000-01-02 12:00:00.000000'", "study"),
        ("UPDATE study SET first_received_at = '2026-01-02 12:00:00.000000 '", "study"),
    ],
)
def test_a_damaged_row_of_a_study_keeps_no_later_images(
    ledger: Ledger, ledger_url: str, queue_job: Callable[..., int], statement: str, table: str
) -> None:
    """What of it was no date is one, and the timeline says so."""
    if not ledger_url.startswith("sqlite"):
        pytest.skip("PostgreSQL does not take that")
    queue_job("1.2.1")
    harm(ledger, statement)
    files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    assert ledger.close_revision(assembled("1.2.1", files), {}, [planned(files=files, input_key="key-2")]) == 2
    assert [job.state for job in ledger.jobs()] == [JobState.QUEUED, JobState.SUPERSEDED]
    (told,) = [event.detail for event in ledger.timeline("1.2.1") if event.kind == "damaged row replaced"]
    assert told["table"] == table
    assert DATE in str(told["reason"])


def test_a_job_in_a_state_that_is_none_does_not_keep_its_study_unread(
    ledger: Ledger, queue_job: Callable[..., int]
) -> None:
    """Nobody knows whether it was read."""
    queue_job("1.2.1")
    harm(ledger, "UPDATE job SET state = 'odd' WHERE id = 1")
    more = assembled("1.2.1", files=("s/a/1.dcm", "s/a/2.dcm", "s/b/3.dcm"))
    assert ledger.close_revision(more, {}, [planned()]) == 2
    claimed = claim(ledger)
    assert claimed is not None
    assert claimed.job_id == 2


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE job SET state = 'odd' WHERE id = 1", "a state"),
        ANYWHERE[0],
        *SQLITE[:2],
        ("UPDATE revision SET closed_at = 'yesterday' WHERE id = 1", DATE),
        ("UPDATE revision SET last_received_at = 'yesterday' WHERE id = 1", DATE),
        ("UPDATE study SET first_received_at = 'yesterday' WHERE id = 1", DATE),
        ("UPDATE study SET last_received_at = 'yesterday' WHERE id = 1", DATE),
        ("UPDATE study SET last_received_at = '2026-02-31 12:00:00.000000' WHERE id = 1", DATE),
    ],
)
def test_of_a_damaged_job_what_can_be_read_is_listed_and_the_others_whole(
    ledger: Ledger, ledger_url: str, queue_job: Callable[..., int], statement: str, told: str
) -> None:
    """Wherever its rows are damaged: the list, the job and the study say so, as they find it."""
    if told == DATE and not ledger_url.startswith("sqlite"):
        pytest.skip("PostgreSQL does not take that")
    damaged, whole = queue_job("1.2.1"), queue_job("1.2.2")
    ledger.cancel(damaged)
    before = ledger.job(whole)
    harm(ledger, statement)
    first, second = ledger.jobs()
    assert first == before == ledger.job(whole)
    assert (second.id, second.study_instance_uid, second.model_id) == (damaged, "1.2.1", "constant-answer")
    assert second == ledger.job(damaged)
    assert told in second.reason
    assert "`wetread ledger check` says where" in second.reason
    assert second.state is (JobState.HELD if told == "a state" else JobState.CANCELLED)
    assert {row.study_instance_uid for row in ledger.studies()} == {"1.2.1", "1.2.2"}
    study = ledger.study("1.2.1")
    assert study is not None
    assert (study.folder, study.revisions, [job.id for job in study.jobs]) == ("folder-1.2.1", 1, [damaged])
    assert told in study.jobs[0].reason
    if "study" in statement:
        assert study.state is StudyState.ATTENTION
    assert ledger.jobs(state="queued") == [before]


def test_a_list_keeps_its_order_and_its_bounds_where_a_job_is_damaged(
    ledger: Ledger, queue_job: Callable[..., int]
) -> None:
    """What is looked for is looked for in the same way."""
    ids = [queue_job(f"1.2.{number}") for number in range(1, 6)]
    harm(ledger, "UPDATE job SET priority = 9 WHERE id = 3")
    assert [job.id for job in ledger.jobs(limit=4)] == ids[:0:-1]
    assert [job.id for job in ledger.jobs(before=4)] == [3, 2, 1]


def test_of_two_that_meet_a_damaged_job_at_once_one_tells(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """On PostgreSQL both may look at it before either holds it; a timeline with two holds would not be sound."""
    job_id = queue_job("1.2.1")
    for _ in range(2):
        with ledger.writing() as session:
            put_aside(session, job_id, JobState.QUEUED, LedgerDamaged("the ledger holds a priority that is none"))
    require_held(ledger, job_id, PRIORITY)
