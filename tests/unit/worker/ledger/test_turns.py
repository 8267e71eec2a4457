"""Who is next, on a real database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next
from worker.jobs.job import Priority
from worker.jobs.turn import rank_s
from worker.ledger.ledger import Ledger
from worker.ledger.tables import UNRANKED_S, Job


def queue(ledger: Ledger, study: str, sender: str = "PACS", **changes: object) -> int:
    """Close a study of a sender with one job; return the job's id."""
    ledger.close_revision(replace(assembled(study), calling_ae_title=sender), {}, [planned(**changes)])
    return ledger.jobs(limit=1)[0].id


def claimed(ledger: Ledger, count: int = 1) -> list[int]:
    """Claim so many jobs; return their ids in order."""
    found = [ledger.claim(["cpu"], worker="w", lease_s=60) for _ in range(count)]
    return [claim.job_id for claim in found if claim is not None]


def waited(ledger: Ledger, job_id: int, since: timedelta) -> None:
    """Let a job have been queued so much earlier."""
    with ledger.writing() as session:
        job = session.get_one(Job, job_id)
        job.queued_at -= since
        job.rank_s = rank_s(Priority(job.priority), job.queued_at)


def test_a_stat_study_overtakes_all_that_wait(ledger: Ledger) -> None:
    """It is the very next, whoever sent it, and those that waited go on in their order."""
    waiting = [queue(ledger, f"1.2.{number}") for number in range(30)]
    stat = queue(ledger, "1.3", priority=Priority.STAT)
    assert claimed(ledger, 3) == [stat, *waiting[:2]]


def test_senders_take_turns(ledger: Ledger) -> None:
    """One who sent ten does not keep the two of another waiting, nor the other way round."""
    many = [queue(ledger, f"1.2.{number}", "RESEARCH") for number in range(10)]
    assert claimed(ledger, 2) == many[:2]
    few = [queue(ledger, f"1.3.{number}", "CT1") for number in range(2)]
    assert claimed(ledger, 6) == [few[0], many[2], few[1], *many[3:6]]


def test_an_urgent_job_waits_for_no_turn(ledger: Ledger) -> None:
    """Turns are between jobs that count alike."""
    first, second, routine = (
        queue(ledger, "1.2.1", "CT1", priority=Priority.URGENT),
        queue(ledger, "1.2.2", "CT1", priority=Priority.URGENT),
        queue(ledger, "1.2.3", "CT2"),
    )
    assert claimed(ledger, 3) == [first, second, routine]


def test_what_has_waited_for_long_is_not_overtaken(ledger: Ledger) -> None:
    """A routine job of yesterday goes before what is urgent now, so that no stream of urgent ones starves it."""
    routine = queue(ledger, "1.2.1")
    urgent = [queue(ledger, f"1.3.{number}", priority=Priority.URGENT) for number in range(3)]
    assert claimed(ledger) == urgent[:1]
    waited(ledger, routine, timedelta(hours=25))
    assert claimed(ledger, 3) == [routine, *urgent[1:]]


def test_a_job_that_waits_for_its_next_attempt_keeps_nobody(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """The sender's next job is claimed meanwhile, and the first is the next once its wait is over."""
    first, second, third = (queue_job(f"1.2.{number}") for number in range(3))
    claim = claim_next(ledger)
    ledger.fail(claim, reason="host gone", max_attempts=3, retry_delay_s=30, permanent=False)
    assert claimed(ledger) == [second]
    clock.seconds += 31
    assert claimed(ledger, 2) == [first, third]


def test_a_queue_has_its_own_line(ledger: Ledger) -> None:
    """A worker takes from the queues that it has, and only what a model needs decides in which one a job is."""
    pool = queue(ledger, "1.2.1", queue="gpu-pool", priority=Priority.STAT)
    cpu = queue(ledger, "1.2.2")
    assert claimed(ledger, 2) == [cpu]
    found = ledger.claim(["cpu", "gpu-pool"], worker="w", lease_s=60)
    assert found is not None
    assert found.job_id == pool


def test_a_claim_reads_one_entry_of_the_index_for_each_sender(ledger: Ledger) -> None:
    """What is asked does not depend on how much waits: the first job of a sender comes from the index, in order."""
    for sender in ("A", "B"):
        for number in range(3):
            queue(ledger, f"1.{ord(sender)}.{number}", sender)
    asked: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        asked.append((statement, parameters))

    event.listen(ledger._engine, "before_cursor_execute", hear)
    claimed(ledger)
    event.remove(ledger._engine, "before_cursor_execute", hear)
    heads = next((statement, parameters) for statement, parameters in asked if "LIMIT" in statement)
    if ledger._engine.dialect.name != "sqlite":
        pytest.skip("a planner with statistics reads a small table as it likes")
    with ledger._engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {heads[0]}", heads[1])
        steps = [str(row.detail) for row in plan]
    assert any("SEARCH job USING INDEX job_to_claim (state=? AND queue=? AND sender=?)" in step for step in steps), (
        steps
    )
    assert not any("TEMP B-TREE" in step or "SCAN job" in step for step in steps), steps


def test_a_node_of_the_version_before_may_queue(ledger: Ledger, clock: ManualLedgerClock) -> None:
    """It knows neither ranks nor turns: its job gets into line as soon as nobody has claimed it for a while."""
    queue(ledger, "1.2.1", "CT1")
    late = queue(ledger, "1.2.2", "CT1")
    with ledger.writing() as session:
        session.execute(update(Job).where(Job.id == late).values(sender="", rank_s=UNRANKED_S))
    ledger.tokens_published([token for token, _, _ in ledger.waiting_tokens()])
    assert len(claimed(ledger, 2)) == 1
    clock.seconds += 16
    assert ledger.requeue_silent(silent_s=15) == 1
    assert claimed(ledger) == [late]


def test_long_lines_get_few_tokens_at_once(ledger: Ledger, clock: ManualLedgerClock) -> None:
    """After a broker was flushed some hundred tokens are made; none where some wait in it, or the queue is held."""
    for number in range(3):
        queue(ledger, f"1.2.{number}")
    ledger.tokens_published([token for token, _, _ in ledger.waiting_tokens()])
    clock.seconds += 60
    assert ledger.queues() == ["cpu"]
    assert ledger.requeue_silent(silent_s=15, busy=["cpu"]) == 0
    ledger.hold_all("queue", "cpu")
    assert ledger.requeue_silent(silent_s=15) == 0
    ledger.resume_all("queue", "cpu")
    assert len(ledger.waiting_tokens()) == 3
    with ledger.writing() as session:
        session.execute(update(Job).values(queue="gpu"))
    assert ledger.requeue_silent(silent_s=15) == 0
