"""A single value that is none stops nobody else, hides no page, and what it is of ends where an admin sees it."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, text

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.queueing.test_outbox import Broker
from worker.errors import LedgerAway
from worker.jobs.job import DeliveryState, JobState, Priority
from worker.jobs.job_records import Claim, ResultFile
from worker.jobs.notification import ChannelRule, NotificationState, who_is_told
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Delivery, Event
from worker.object_kinds import DEFAULT_KINDS
from worker.queueing.outbox import Reconciler
from worker.settings import WorkerSettings

#: Of the first row of each, a state that nobody knows.
ODD = {
    "UPDATE job SET state = 'odd' WHERE id = 1": "SELECT state FROM job WHERE id = 1",
    "UPDATE delivery SET state = 'odd' WHERE id = 1": "SELECT state FROM delivery WHERE id = 1",
    "UPDATE notification SET state = 'odd' WHERE id = 1": "SELECT state FROM notification WHERE id = 1",
}


def harm(ledger: Ledger, statement: str, *, anywhere: bool = False, **values: object) -> None:
    """Do what somebody else has done, where this database takes it."""
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql" and not anywhere:
            pytest.skip("PostgreSQL does not take that")
        session.execute(text(statement), values)


def claim(ledger: Ledger) -> Claim | None:
    """Claim what is next."""
    return ledger.claim(["cpu"], worker="w", lease_s=60)


def read_next(ledger: Ledger) -> int:
    """Read what is next, with one object for an archive; return the job's id."""
    claimed = claim(ledger)
    assert claimed is not None
    made = ResultFile(
        kind="SR",
        sop_class_uid="1.2",
        sop_instance_uid=f"1.9.{claimed.job_id}",
        series_instance_uid="1.3",
        file="f",
        sha256="0",
    )
    ledger.finish(
        claimed,
        results=[made],
        destinations={"pacs": DEFAULT_KINDS},
        runtime="r",
        inputs_digest="i",
        recipe_digest="c",
    )
    return claimed.job_id


def deliver_all(ledger: Ledger) -> list[int]:
    """Send all that is due; return the jobs."""
    sent = []
    while (batch := ledger.claim_deliveries("pacs", lease_s=60)) is not None:
        sent.append(batch.job_id)
        ledger.delivered(batch.objects[0], DeliveryState.ACCEPTED)
    return sent


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE model SET name = CAST(X'ff41' AS TEXT)",
        "UPDATE study SET calling_ae_title = CAST(X'ff41' AS TEXT) WHERE id = 1",
        "UPDATE job SET input_key = CAST(X'ff41' AS TEXT) WHERE id = 1",
        "UPDATE revision SET files_digest = CAST(X'ff41' AS TEXT) WHERE id = 1",
    ],
)
def test_bytes_that_no_text_has_do_not_look_like_a_ledger_that_is_away(
    ledger: Ledger, queue_job: Callable[..., int], statement: str
) -> None:
    """Everything would wait for ever: they are read as far as they can be, and the check names them."""
    queue_job("1.2.1")
    queue_job("1.2.2")
    harm(ledger, statement)
    assert [read_next(ledger), read_next(ledger)] == [1, 2]
    assert deliver_all(ledger) == [1, 2]
    assert len(ledger.jobs()) == len(ledger.studies()) == 2
    table, column = statement.split()[1], statement.split()[3]
    assert [(found[0], found[2]) for found in ledger.unreadable()] == [(table, column)]


@pytest.mark.parametrize("value", ["first", float("inf"), 1e300])
def test_a_wait_that_would_never_end_is_over(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], value: object
) -> None:
    """Of a job, a delivery, and of the leases of both."""
    queue_job("1.2.1")
    harm(ledger, "UPDATE job SET clock = :mark, not_before_s = :value", mark=clock.mark, value=value)
    assert claim(ledger) is not None
    harm(ledger, "UPDATE job SET lease_until_s = :value", value=value)
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 1
    read_next(ledger)
    harm(ledger, "UPDATE delivery SET clock = :mark, not_before_s = :value", mark=clock.mark, value=value)
    assert ledger.claim_deliveries("pacs", lease_s=60) is not None
    assert ledger.free_expired_deliveries() == 0
    harm(ledger, "UPDATE delivery SET lease_until_s = :value", value=value)
    assert ledger.free_expired_deliveries() == 1
    assert deliver_all(ledger) == [1]


def test_a_token_that_would_never_be_silent_is_made_anew(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Else its job waits for a token for ever."""
    queue_job("1.2.1")
    harm(ledger, "UPDATE outbox SET published = 1, clock = :mark, published_s = 'first'", mark=clock.mark)
    assert ledger.requeue_silent(silent_s=30) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET finished_at = 'never' WHERE id = 1",
        "UPDATE job SET queued_at = 'yesterday' WHERE id = 1",
        "UPDATE deadline SET until_s = 'soon' WHERE job_id = 1",
        "UPDATE deadline SET within_s = 'soon' WHERE job_id = 1",
    ],
)
def test_the_deadlines_of_others_pass(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], statement: str
) -> None:
    """Where a job or its deadline is damaged."""
    queue_job("1.2.1", deadline_s=60.0)
    queue_job("1.2.2", deadline_s=60.0)
    harm(ledger, statement)
    clock.seconds += 61
    assert 2 in ledger.pass_deadlines()
    assert 2 not in ledger.pass_deadlines()


def test_a_job_with_a_damaged_deadline_is_read(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Nobody knows whether it comes late: no object says that it does."""
    queue_job("1.2.1", deadline_s=60.0)
    harm(ledger, "UPDATE deadline SET within_s = 'soon'")
    claimed = claim(ledger)
    assert claimed is not None
    clock.seconds += 61
    assert ledger.settle_deadline(claimed) is None


def test_a_place_in_the_turns_that_is_none_stops_no_queue(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """It is a place again after the next claim."""
    queue_job("1.2.1")
    queue_job("1.2.2")
    harm(ledger, "UPDATE turn SET served = 'many'")
    assert [read_next(ledger), read_next(ledger)] == [1, 2]


@pytest.mark.parametrize("statement", ["UPDATE study SET priority = 9", "UPDATE revision SET number = 'many'"])
def test_later_images_are_recorded(
    ledger: Ledger, ledger_url: str, queue_job: Callable[..., int], statement: str
) -> None:
    """Whatever stands in the rows of their study."""
    queue_job("1.2.1")
    harm(ledger, statement, anywhere="priority" in statement)
    files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled("1.2.1", files), {}, [planned(files=files, input_key="key-2")])
    assert [job.state for job in ledger.jobs()] == [JobState.QUEUED, JobState.SUPERSEDED]
    assert ledger.jobs()[0].priority is Priority.ROUTINE
    assert ledger_url


@pytest.mark.parametrize(
    ("told", "statement", "state"),
    [
        (None, "UPDATE job SET state = 'odd' WHERE id = 1", JobState.HELD),
        (JobState.READ, "UPDATE job SET state = 'odd' WHERE id = 1", JobState.HELD),
        (JobState.CANCELLED, "UPDATE job SET state = 'zzz' WHERE id = 1", JobState.CANCELLED),
        (JobState.FAILED, "UPDATE job SET state = '' WHERE id = 1", JobState.FAILED),
    ],
)
def test_a_job_in_a_state_that_is_none_is_seen(
    ledger: Ledger, queue_job: Callable[..., int], told: JobState | None, statement: str, state: JobState
) -> None:
    """It is held, and counted; one that had ended has ended."""
    queue_job("1.2.1")
    if told is JobState.READ:
        read_next(ledger)
    elif told is JobState.CANCELLED:
        ledger.cancel(1)
    elif told is JobState.FAILED:
        claimed = claim(ledger)
        assert claimed is not None
        ledger.fail(claimed, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    harm(ledger, statement, anywhere=True)
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 1
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 0
    overview = ledger.overview()
    assert overview.jobs[state] == 1
    if state is JobState.HELD:
        assert "a state of a job that is none" in overview.failures[0].reason
    if told is JobState.READ:
        ledger.release(1)
        assert deliver_all(ledger) == [1]
    else:
        ledger.retry(1)
        assert read_next(ledger) == 1


def test_a_delivery_in_a_state_that_is_none_waits_for_an_admin(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """The page is shown, others leave, and a retry sends it."""
    for number in (1, 2):
        queue_job(f"1.2.{number}")
        read_next(ledger)
    harm(ledger, "UPDATE delivery SET state = 'odd' WHERE id = 1", anywhere=True)
    assert ledger.overview().deliveries == {("pacs", DeliveryState.PENDING): 1}
    assert deliver_all(ledger) == [2]
    assert ledger.free_expired_deliveries() == 1
    (failure,) = ledger.overview().failures
    assert (failure.job_id, failure.what) == (1, "refused")
    assert "`wetread retry 1` sends it" in failure.reason
    assert ledger.send_again(1) == 1
    assert deliver_all(ledger) == [1]


def test_what_a_later_wetread_knows_is_left_alone(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Machines are updated one after the other: a state that this one does not know is no damage then."""
    queue_job("1.2.1")
    read_next(ledger)
    queue_job("1.2.2", deadline_s=0.0)
    ledger.pass_deadlines()
    for statement in ODD:
        harm(ledger, statement, anywhere=True)
    harm(ledger, "UPDATE alembic_version SET version_num = '9999'", anywhere=True)
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 0
    assert ledger.free_expired_deliveries() == 0
    assert ledger.escalate(escalate_after_s=60) == []
    harm(ledger, "UPDATE notification SET topic = 'odd', state = 'new' WHERE id = 1", anywhere=True)
    assert ledger.new_notifications() == []
    harm(ledger, "UPDATE notification SET topic = 'overdue', state = 'odd' WHERE id = 1", anywhere=True)
    assert ledger.overview().alerts.counts["overdue", NotificationState.UNANSWERED] == 1
    with ledger.reading() as session:
        assert [session.scalar(text(asked)) for asked in ODD.values()] == ["odd"] * 3


def test_a_message_that_a_later_wetread_knows_is_left_to_it(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """And keeps no other of its channel."""
    for number in (1, 2):
        queue_job(f"1.2.{number}", deadline_s=0.0)
    ledger.pass_deadlines()
    for notification_id, topic in ledger.new_notifications():
        ledger.plan_notification(notification_id, who_is_told(topic, [ChannelRule(name="pager", about=("overdue",))]))
    harm(ledger, "UPDATE notification SET topic = 'odd' WHERE id = 1", anywhere=True)
    harm(ledger, "UPDATE alembic_version SET version_num = '9999'", anywhere=True)
    claimed = ledger.claim_notice("pager", lease_s=60)
    assert claimed is not None
    assert claimed.notification_id == 2
    assert ledger.claim_notice("pager", lease_s=60) is None
    with ledger.reading() as session:
        assert session.scalar(text("SELECT topic FROM notification WHERE id = 1")) == "odd"
        assert session.scalar(text("SELECT state FROM notice WHERE notification_id = 1")) == "pending"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET queued_at = 'yesterday' WHERE id = 2",
        "UPDATE job SET queued_at = 12 WHERE id = 2",
        "UPDATE job SET priority = 9 WHERE id = 2",
        "UPDATE revision SET last_received_at = 'yesterday' WHERE id = 1",
        "UPDATE delivery SET created_at = 12",
        "UPDATE delivery SET updated_at = 12",
        "UPDATE job SET finished_at = 'never' WHERE id = 3",
        "UPDATE destination_state SET since = 'yesterday'",
    ],
)
def test_the_page_is_shown(ledger: Ledger, queue_job: Callable[..., int], statement: str) -> None:
    """With what can be read; what cannot is left out."""
    queue_job("1.2.2", priority=Priority.URGENT)
    queue_job("1.2.1")
    read_next(ledger)
    queue_job("1.2.3", priority=Priority.URGENT)
    claimed = claim(ledger)
    assert claimed is not None
    ledger.fail(claimed, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    if "revision" in statement or "updated_at" in statement:
        deliver_all(ledger)
    ledger.note_destination("pacs", answering=False, reason="away")
    harm(ledger, statement, anywhere="priority" in statement)
    overview = ledger.overview()
    assert overview.jobs[JobState.FAILED] == overview.jobs[JobState.QUEUED] == overview.jobs[JobState.READ] == 1
    assert [failure.job_id for failure in overview.failures] == [3]
    assert sum(overview.queued.values()) == 1
    assert not overview.destinations["pacs"].answering
    ledger.note_destination("pacs", answering=True)
    assert ledger.destinations()["pacs"].answering


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE delivery SET created_at = 'yesterday' WHERE id = 1",
        "UPDATE delivery SET updated_at = 12 WHERE id = 1",
        "UPDATE commitment SET created_at = 'yesterday' WHERE delivery_id = 1",
        "UPDATE commitment SET attempts = 'many' WHERE delivery_id = 1",
        "UPDATE commitment SET not_before_s = 'soon', clock = 'boot-1' WHERE delivery_id = 1",
        "UPDATE result_object SET created_at = 'yesterday' WHERE id = 1",
    ],
)
def test_all_that_must_be_committed_to_is_asked_for(
    ledger: Ledger, queue_job: Callable[..., int], statement: str
) -> None:
    """A damaged row of one job keeps no other, nor that one."""
    for number in (1, 2):
        queue_job(f"1.2.{number}")
        read_next(ledger)
        batch = ledger.claim_deliveries("pacs", lease_s=60)
        assert batch is not None
        ledger.delivered(batch.objects[0], DeliveryState.ACCEPTED, commitment="required")
    harm(ledger, statement)
    asked = [ledger.claim_commitment("pacs", timeout_s=60, give_up_after_s=3600) for _ in range(3)]
    assert [batch.instances[0][1] for batch in asked if batch is not None] == ["1.9.1", "1.9.2"]


def test_a_damaged_message_for_a_channel_that_is_no_more_keeps_no_other(
    ledger: Ledger, queue_job: Callable[..., int]
) -> None:
    """It is put aside, which calls an admin; the others are given up."""
    for number in (1, 2):
        queue_job(f"1.2.{number}", deadline_s=0.0)
    ledger.pass_deadlines()
    for notification_id, topic in ledger.new_notifications():
        ledger.plan_notification(notification_id, who_is_told(topic, [ChannelRule(name="gone", about=("overdue",))]))
    harm(ledger, "UPDATE notice SET updated_at = 'yesterday' WHERE id = 1")
    assert ledger.lose_unserved([], give_up_after_s=-1) == 1
    assert ledger.lose_unserved([], give_up_after_s=-1) == 0
    assert {row.state for row in ledger.notifications()} == {NotificationState.OPEN, NotificationState.UNANSWERED}


def test_a_queue_that_is_no_text_stops_no_reconciler(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """The tokens of all others go out."""
    queue_job("1.2.1")
    queue_job("1.2.2")
    harm(ledger, "UPDATE job SET queue = X'00ff' WHERE id = 1")
    harm(ledger, "DELETE FROM outbox")
    published: list[int] = []
    reconciler = Reconciler(ledger, Broker(published), WorkerSettings())
    for _ in range(2):
        reconciler.once()
    assert 2 in published
    job = ledger.job(1)
    assert job is not None
    assert job.state is JobState.HELD


def test_a_sender_that_is_no_text_has_its_turns(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """As it is read."""
    queue_job("1.2.1")
    harm(ledger, "UPDATE job SET sender = CAST(X'ff41' AS TEXT)")
    harm(ledger, "DELETE FROM outbox")
    assert ledger.requeue_silent(silent_s=30) == 1
    assert read_next(ledger) == 1


def test_the_ledger_is_still_away_where_it_is(ledger: Ledger) -> None:
    """Only what a row holds is read past."""
    with pytest.raises(LedgerAway), ledger.reading() as session:
        session.execute(text("SELECT 1 +"))
    with ledger.reading() as session:
        assert session.scalars(select(Delivery.id)).all() == session.scalars(select(Event.id)).all() == []


@pytest.mark.parametrize(
    "statement", ["UPDATE job SET queue = X'00ff' WHERE id = 1", "UPDATE job SET sender = X'00ff' WHERE id = 1"]
)
def test_a_name_that_is_no_text_keeps_no_dead_lease_of_others(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], statement: str
) -> None:
    """Its own job is put aside."""
    for number in (1, 2):
        queue_job(f"1.2.{number}")
        assert claim(ledger) is not None
    harm(ledger, statement)
    clock.seconds += 3600
    ledger.free_expired(max_attempts=3, retry_delay_s=0)
    assert {job.id: job.state for job in ledger.jobs()} == {1: JobState.HELD, 2: JobState.QUEUED}


def test_a_destination_that_is_no_text_keeps_no_dead_lease_of_others(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """What was being sent there waits under a name that says so."""
    for number in (1, 2):
        queue_job(f"1.2.{number}")
        read_next(ledger)
        assert ledger.claim_deliveries("pacs", lease_s=60) is not None
    harm(ledger, "UPDATE delivery SET destination = X'00ff' WHERE id = 1")
    clock.seconds += 3600
    assert ledger.free_expired_deliveries() == 2
    assert deliver_all(ledger) == [2]
    assert {it.destination: it.state for job in ledger.jobs() for it in job.deliveries} == {
        "damaged 1": DeliveryState.PENDING,
        "pacs": DeliveryState.ACCEPTED,
    }


@pytest.mark.parametrize("statement", ["UPDATE event SET detail = '{' WHERE id = 1", "UPDATE event SET at = 'then'"])
def test_a_damaged_line_hides_no_timeline(ledger: Ledger, queue_job: Callable[..., int], statement: str) -> None:
    """It says that it is damaged; the others are whole."""
    queue_job()
    before = ledger.timeline("1.2.3")
    harm(ledger, statement)
    damaged, *others = ledger.timeline("1.2.3")
    assert damaged.kind == before[0].kind
    assert "damaged" in damaged.detail
    assert [event.kind for event in others] == [event.kind for event in before[1:]]
