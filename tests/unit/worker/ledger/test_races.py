"""Several processes at the ledger at the same moment: each connects by itself, and all begin together."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import text, update

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, job_of, next_batch, record, result_file
from worker.errors import IllegalTransition, LeaseLost
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import Claim
from worker.jobs.patient_key import PatientKey
from worker.ledger.commitments import forget_commitment
from worker.ledger.database import LOCK
from worker.ledger.job_states import study_of
from worker.ledger.ledger import Ledger
from worker.ledger.superseded import take_place
from worker.ledger.tables import Delivery, Job
from worker.object_kinds import DEFAULT_KINDS

AT_ONCE = 6
Together = Callable[..., list[Any]]


@pytest.fixture
def together(ledger: Ledger, ledger_url: str, clock: ManualLedgerClock) -> Iterator[Together]:
    """Return a function that lets several ledgers do something at once, and gives their answers or errors."""
    with ExitStack() as opened:
        ledgers = [Ledger.open(ledger_url, clock=clock) for _ in range(AT_ONCE)]
        for one in ledgers:
            opened.callback(one.close)

        def run(*actions: Callable[[Ledger], Any]) -> list[Any]:
            answers: list[Any] = [None] * len(actions)
            barrier = threading.Barrier(len(actions))

            def act(number: int) -> None:
                barrier.wait()
                try:
                    answers[number] = actions[number](ledgers[number])
                except Exception as error:  # noqa: BLE001  # the outermost frame of a thread; the test looks at it
                    answers[number] = error

            threads = [threading.Thread(target=act, args=(number,)) for number in range(len(actions))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return answers

        yield run


def finish(ledger: Ledger, claimed: Claim, kinds: Sequence[str] = ("SEG", "SR")) -> None:
    """Record a result of each kind for one destination."""
    results = [
        result_file(kind, f"1.2.{claimed.job_id}.{number}", file=f"f/{claimed.job_id}/{kind}.dcm")
        for number, kind in enumerate(kinds)
    ]
    record(ledger, claimed, results, {"pacs": DEFAULT_KINDS})


def attempted(action: Callable[[Ledger], Any], times: int) -> Callable[[Ledger], list[Any]]:
    """Return the action done several times."""
    return lambda ledger: [action(ledger) for _ in range(times)]


def test_no_job_is_claimed_twice(ledger: Ledger, queue_job: Callable[..., int], together: Together) -> None:
    """Six workers empty a queue: each job goes to one of them, with fence 1, and none is left."""
    jobs = {queue_job(f"1.2.{number}") for number in range(2 * AT_ONCE)}
    take = attempted(lambda one: one.claim(["cpu"], worker="w", lease_s=60), 6)
    claims = [item for answer in together(*[take] * AT_ONCE) for item in answer if item is not None]
    claims += iter(lambda: ledger.claim(["cpu"], worker="w", lease_s=60), None)  # who met a lock went away without
    assert sorted(item.job_id for item in claims) == sorted(jobs)
    assert {item.fence for item in claims} == {1}


def test_two_nodes_close_one_study(ledger: Ledger, together: Together) -> None:
    """Nodes that saw the same files record one revision with one job and one token."""
    close = lambda one: one.close_revision(assembled(), {}, [planned()])  # noqa: E731  # said six times below
    assert together(*[close] * AT_ONCE) == [1] * AT_ONCE
    assert [job.state for job in ledger.jobs()] == [JobState.QUEUED]
    assert len(ledger.waiting_tokens()) == 1


def test_nodes_that_saw_different_files_number_their_revisions(ledger: Ledger, together: Together) -> None:
    """Each set of files is a revision of its own, and of their jobs one is left to be read."""

    def close(number: int) -> Callable[[Ledger], int]:
        files = tuple(f"s/a/{file}.dcm" for file in range(number + 1))
        plan = [planned(files=files, input_key=f"key-{number}")]
        return lambda one: one.close_revision(assembled(files=files), {}, plan)

    assert sorted(together(*map(close, range(AT_ONCE)))) == [1, 2, 3, 4, 5, 6]
    states = [job.state for job in ledger.jobs()]
    assert sorted(states) == [JobState.QUEUED] + [JobState.SUPERSEDED] * (AT_ONCE - 1)


def test_an_old_fence_does_not_finish(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], together: Together
) -> None:
    """Of workers that held one job after each other and finish at the same moment, the last one's results count."""
    queue_job()
    claims = []
    for number in range(AT_ONCE):
        claims.append(claim_next(ledger, f"w{number}"))
        if number < AT_ONCE - 1:
            clock.seconds += 61
            assert ledger.free_expired(max_attempts=10, retry_delay_s=0) == 1
    answers = together(*[lambda one, held=held: finish(one, held) for held in claims])
    assert [type(answer) for answer in answers[:-1]] == [LeaseLost] * (AT_ONCE - 1)
    assert answers[-1] is None
    (row,) = ledger.jobs()
    assert (row.state, len(row.deliveries)) == (JobState.READ, 2)


def test_a_job_leaves_through_one_deliverer(ledger: Ledger, queue_job: Callable[..., int], together: Together) -> None:
    """Deliverers of one destination get whole jobs, in order, and none twice."""
    jobs = {queue_job(f"1.2.{number}") for number in range(AT_ONCE)}
    for _ in jobs:
        finish(ledger, claim_next(ledger))
    take = attempted(lambda one: one.claim_deliveries("pacs", lease_s=60), 3)
    batches = [batch for answer in together(*[take] * AT_ONCE) for batch in answer if batch is not None]
    batches += iter(lambda: ledger.claim_deliveries("pacs", lease_s=60), None)
    assert sorted(batch.job_id for batch in batches) == sorted(jobs)
    assert {tuple(item.kind for item in batch.objects) for batch in batches} == {("SEG", "SR")}


def test_an_archive_is_asked_once_to_commit(ledger: Ledger, queue_job: Callable[..., int], together: Together) -> None:
    """Deliverers that look at the same moment find the same job due, and one of them asks for it."""
    jobs = {queue_job(f"1.2.{number}") for number in range(AT_ONCE)}
    for _ in jobs:
        finish(ledger, claim_next(ledger))
        for item in next_batch(ledger, "pacs").objects:
            ledger.delivered(item, DeliveryState.ACCEPTED, status=0, commitment="wanted")
    ask = attempted(lambda one: one.claim_commitment("pacs", timeout_s=60, give_up_after_s=60), 3)
    asked = [batch for answer in together(*[ask] * AT_ONCE) for batch in answer if batch is not None]
    asked += iter(lambda: ledger.claim_commitment("pacs", timeout_s=60, give_up_after_s=60), None)
    assert sorted(batch.job_id for batch in asked) == sorted(jobs)


def test_reconcilers_count_a_lost_lease_once(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], together: Together
) -> None:
    """Six of them free the same leases, renew the same tokens and publish them, beside workers that claim."""
    for number in range(AT_ONCE):
        queue_job(f"1.2.{number}")
        claim_next(ledger, worker="died")
    clock.seconds += 61

    def reconcile(one: Ledger) -> int:
        freed = one.free_expired(max_attempts=3, retry_delay_s=0)
        one.free_expired_deliveries()
        one.pass_deadlines()
        one.requeue_silent(silent_s=15)
        one.tokens_published([token for token, _, _ in one.waiting_tokens()])
        one.claim(["cpu"], worker="w", lease_s=60)
        return freed

    assert sum(together(*[reconcile] * AT_ONCE)) == AT_ONCE
    assert {job.attempts for job in ledger.jobs()} <= {1, 2}


def test_of_contradicting_patients_one_read_is_uncertain(
    ledger: Ledger, queue_job: Callable[..., int], together: Together
) -> None:
    """Two reads of different people under one id, at the same moment: not both take the id to be certain."""
    for round_number in range(4):
        held = []
        for number in range(2):
            queue_job(f"1.2.{round_number}.{number}")
            held.append(claim_next(ledger))
        people = [
            PatientKey(id_key=f"id-{round_number}", issuer_key="", person_key=f"person-{number}") for number in range(2)
        ]
        certain = together(
            *[
                lambda one, it=it, person=person: one.note_patient(it, person, "20260102")
                for it, person in zip(held, people, strict=True)
            ]
        )
        assert sorted(certain) == [False, True]


def test_an_admin_cancels_what_a_worker_finishes(
    ledger: Ledger, queue_job: Callable[..., int], together: Together
) -> None:
    """One of them comes first, the other is told, and the ledger has what the first one wanted."""
    for number in range(4):
        job_id = queue_job(f"1.2.{number}")
        held = claim_next(ledger)
        finished, cancelled = together(lambda one, it=held: finish(one, it), lambda one, it=job_id: one.cancel(it))
        row = job_of(ledger, job_id)
        expected = JobState.READ if finished is None else JobState.CANCELLED
        assert row.state is expected
        assert isinstance(cancelled, IllegalTransition) if finished is None else isinstance(finished, LeaseLost)


def test_a_report_of_commitment_waits_for_a_newer_read_and_sees_it(
    ledger: Ledger, clock: ManualLedgerClock, together: Together
) -> None:
    """Nothing of the superseded job is put back to wait, which would be for ever."""
    ledger.close_revision(assembled(), {}, [planned()])
    finish(ledger, claim_next(ledger), ["SR"])
    batch = next_batch(ledger, "pacs")
    ledger.delivered(batch.objects[0], DeliveryState.ACCEPTED, status=0, commitment="required")
    asked = ledger.claim_commitment("pacs", timeout_s=100, give_up_after_s=1e6)
    assert asked is not None
    ledger.close_revision(assembled(files=("s/a/1.dcm", "s/a/3.dcm")), {}, [planned(input_key="more")])
    newer = claim_next(ledger)
    taken = threading.Event()

    def take_its_place(one: Ledger) -> None:
        with one.writing() as session:
            job = session.get_one(Job, newer.job_id)
            take_place(session, job, study_of(session, job), kept=[], withdraw_from=[], known=None)
            taken.set()
            time.sleep(0.5)  # while the report waits for the delivery
            session.execute(update(Job).where(Job.id != newer.job_id).values(state=JobState.SUPERSEDED))

    def report(one: Ledger) -> None:
        taken.wait()
        one.commitment_reported(
            asked.transaction_uid,
            committed=[],
            failed={asked.instances[0][1]: "no"},
            destinations=["pacs"],
            first_retry_s=1,
            longest_retry_s=1,
            give_up_after_s=1e6,
        )

    assert together(take_its_place, report) == [None, None]
    row = job_of(ledger, batch.job_id)
    assert [it.state for it in row.deliveries] == [DeliveryState.ABANDONED]


def test_who_asks_for_commitment_locks_a_delivery_before_its_wish(
    ledger: Ledger, ledger_url: str, queue_job: Callable[..., int], together: Together
) -> None:
    """As who records a report does: else each waits for the other, and the database ends one of them."""
    if ledger_url.startswith("sqlite"):
        pytest.skip("SQLite has one lock")
    queue_job()
    finish(ledger, claim_next(ledger), ["SR"])
    (item,) = next_batch(ledger, "pacs").objects
    ledger.delivered(item, DeliveryState.ACCEPTED, commitment="wanted")
    locked = threading.Event()

    def report(one: Ledger) -> None:
        with one.writing() as session:
            delivery = session.get_one(Delivery, item.delivery_id, with_for_update=LOCK)
            locked.set()
            blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while session.scalar(blocked) == 0:
                time.sleep(0.01)
            forget_commitment(session, delivery)

    def ask(one: Ledger) -> object:
        locked.wait()
        return one.claim_commitment("pacs", timeout_s=60, give_up_after_s=60)

    assert together(report, ask) == [None, None]
