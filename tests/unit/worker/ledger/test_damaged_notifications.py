"""A notification whose rows are damaged keeps no other from being told, and calls an admin."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.ledger.test_notifications import CHANNELS, claimed, plan, read
from tests.unit.worker.reads import job_of
from worker.errors import LedgerDamaged, UnknownNotification
from worker.jobs.job import JobState
from worker.jobs.notification import NoticeState, NotificationState, who_is_told
from worker.jobs.notification_records import from_ledger
from worker.ledger.ledger import Ledger

ANYWHERE = [
    """UPDATE notification SET detail = '{"reasons": [5]}' WHERE id = 1""",
    "UPDATE notification SET detail = '[]' WHERE id = 1",
    """UPDATE notification SET detail = '{"reading": "twice"}' WHERE id = 1""",
    "UPDATE notification SET topic = 'weather' WHERE id = 1",
    "UPDATE notification SET state = 'gone' WHERE id = 1",
    "UPDATE notice SET state = 'gone' WHERE notification_id = 1 AND channel = 'desk'",
]
#: What only SQLite takes.
SQLITE = [
    "UPDATE notification SET detail = 'zz' WHERE id = 1",
    "UPDATE notification SET created_at = 'yesterday' WHERE id = 1",
    "UPDATE notice SET attempts = 'many' WHERE notification_id = 1",
    "UPDATE notice SET created_at = 'yesterday' WHERE notification_id = 1",
    "UPDATE notice SET fence = 'high' WHERE notification_id = 1",
]


#: What only SQLite takes, too, and what harms more than one row.
MORE = [
    "UPDATE job SET queued_at = 'yesterday', finished_at = 'never' WHERE id = 1",
    "UPDATE notification SET key = zeroblob(id), topic = 'weather'",
    "UPDATE notice SET channel = zeroblob(id), created_at = 'yesterday'",
]


def harm(ledger: Ledger, statement: str) -> None:
    """Do what somebody else has done, where this database takes it."""
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql" and statement in [*SQLITE, *MORE]:
            pytest.skip("PostgreSQL does not take that")
        session.execute(text(statement))


@pytest.fixture
def two(ledger: Ledger, queue_job: Callable[..., int]) -> tuple[int, int]:
    """Two critical reads of which people are being told."""
    ids = []
    for study in ("1.2.3", "1.2.4"):
        queue_job(study)
        read(ledger)
        ids.append(plan(ledger))
    return ids[0], ids[1]


def read_again(ledger: Ledger, job_id: int, *, critical: bool) -> None:
    """Do what an admin and a worker do."""
    ledger.hold_job(job_id)
    ledger.retry(job_id)
    assert read(ledger, critical=critical) == job_id


def name(ledger: Ledger, notification_id: int) -> str:
    """Return what people see it called."""
    return next(row.name for row in ledger.notifications() if row.id == notification_id)


def tell(ledger: Ledger) -> list[int]:
    """Do what a notifier does; return what the pager was told of."""
    told = []
    ledger.escalate(escalate_after_s=300)
    while (outgoing := ledger.claim_notice("pager", lease_s=60)) is not None:
        told.append(outgoing.notification_id)
        ledger.notice_sent(outgoing)
    ledger.escalate(escalate_after_s=300)
    ledger.free_expired_notices()
    return told


@pytest.mark.parametrize("statement", [*ANYWHERE, *SQLITE])
def test_others_are_told_and_an_admin_is_called(ledger: Ledger, two: tuple[int, int], statement: str) -> None:
    """It is *unanswered*, and can be acknowledged."""
    harm(ledger, statement)
    assert tell(ledger) == [two[1]]
    other, damaged = ledger.notifications()
    assert (other.id, other.state) == (two[1], NotificationState.OPEN)
    assert (damaged.topic, damaged.state) == ("critical", NotificationState.UNANSWERED)
    assert {notice.state for notice in damaged.notices} == {NoticeState.LOST}
    assert [event.kind for event in ledger.timeline("1.2.3")][-1] == "notification put aside"
    assert ledger.overview().alerts.count(NotificationState.UNANSWERED) == 1
    ledger.acknowledge(two[0], by="Dr. Meyer")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE notification SET topic = 'weather' WHERE id = 1", *[it for it in SQLITE if "notice " not in it]],
)
def test_what_cannot_be_planned_keeps_no_other(ledger: Ledger, queue_job: Callable[..., int], statement: str) -> None:
    """Nor is it taken for something of which nobody asks to hear."""
    for study in ("1.2.3", "1.2.4"):
        queue_job(study)
        read(ledger)
    harm(ledger, statement)
    states = [
        ledger.plan_notification(notification_id, who_is_told(topic, CHANNELS))
        for notification_id, topic in ledger.new_notifications()
    ]
    assert states == [NotificationState.UNANSWERED, NotificationState.OPEN]
    assert claimed(ledger, "pager").notification_id == 2


@pytest.mark.parametrize("statement", [*ANYWHERE, *SQLITE])
def test_pages_show_what_can_be_read(ledger: Ledger, two: tuple[int, int], statement: str) -> None:
    """Before anybody has put it aside: one row must not hide all the others."""
    harm(ledger, statement)
    assert [row.id for row in ledger.notifications()] == [two[1], two[0]]
    assert sum(ledger.overview().alerts.counts.values()) == 2


def test_without_its_source_it_is_told_all_the_same(ledger: Ledger, two: tuple[int, int]) -> None:
    """A message without accession number is better than none."""
    harm(ledger, "UPDATE job_input SET files = '{}' WHERE job_id = 1")
    first = claimed(ledger, "pager")
    assert (first.notification_id, first.source_file) == (two[0], "")


@pytest.mark.parametrize("statement", [*ANYWHERE, *SQLITE])
def test_nobody_acknowledges_by_an_earlier_message_what_was_put_aside(
    ledger: Ledger, two: tuple[int, int], statement: str
) -> None:
    """It keeps its name, and what the next read finds has one that no message had before."""
    for number in (2, 3):
        read_again(ledger, two[0], critical=True)
        if number == 2:
            assert (plan(ledger, CHANNELS), name(ledger, two[0])) == (two[0], "1.2")
            harm(ledger, statement)
            assert name(ledger, two[0]) == "1.2"
            tell(ledger)
            assert name(ledger, two[0]) == "1.2"
    plan(ledger, CHANNELS)
    assert name(ledger, two[0]) == "1.3"
    for earlier in (1, 2):
        with pytest.raises(UnknownNotification):
            ledger.acknowledge(two[0], by="Dr. Meyer", reading=earlier)
    assert claimed(ledger, "pager").name == "1.3"
    ledger.acknowledge(two[0], by="Dr. Meyer", reading=3)


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("statement", [*ANYWHERE, *SQLITE])
def test_a_read_does_not_fail_over_what_was_told_of_the_one_before(
    ledger: Ledger,
    two: tuple[int, int],
    statement: str,
    critical: bool,  # noqa: FBT001
) -> None:
    """Nobody can tell it any more, also where somebody has acknowledged it; what this read finds is told."""
    ledger.acknowledge(two[0], by="Dr. Meyer")
    harm(ledger, statement)
    read_again(ledger, two[0], critical=critical)
    job = job_of(ledger, two[0])
    assert job.state is JobState.READ
    assert len(ledger.new_notifications()) == critical
    assert [row.job_id for row in ledger.notifications(unacknowledged=True)].count(two[0]) >= critical


def test_what_is_damaged_and_was_acknowledged_frees_others(
    ledger: Ledger, two: tuple[int, int], clock: ManualLedgerClock
) -> None:
    """A notifier was telling it when it died, and another one."""
    assert [claimed(ledger, "pager").notification_id for _ in two] == list(two)
    ledger.acknowledge(two[0], by="Dr. Meyer")
    harm(ledger, "UPDATE notification SET detail = '[]' WHERE id = 1")
    clock.seconds += 61
    assert ledger.free_expired_notices() == 1
    assert claimed(ledger, "pager").notification_id == two[1]
    (_, damaged) = ledger.notifications()
    assert damaged.state is NotificationState.ACKNOWLEDGED


@pytest.mark.parametrize("statement", [*ANYWHERE, *SQLITE])
def test_what_nobody_has_put_aside_can_be_acknowledged(ledger: Ledger, two: tuple[int, int], statement: str) -> None:
    """Whoever is called must be able to end the call."""
    harm(ledger, statement)
    ledger.acknowledge(two[0], by="Dr. Meyer")
    assert [row.id for row in ledger.notifications(unacknowledged=True)] == [two[1]]


def test_a_damaged_job_is_told_of(ledger: Ledger, two: tuple[int, int]) -> None:
    """What was found stands elsewhere, and nothing of it is lost."""
    harm(ledger, MORE[0])
    assert tell(ledger) == list(two)
    ledger.acknowledge(two[0], by="Dr. Meyer")
    (other,) = ledger.notifications(unacknowledged=True)
    assert other.id == two[1]


@pytest.mark.parametrize("statement", MORE[1:])
def test_several_that_are_damaged_alike_are_put_aside(
    ledger: Ledger, two: tuple[int, int], queue_job: Callable[..., int], statement: str
) -> None:
    """What must differ from row to row still does; a third is told."""
    harm(ledger, statement)
    queue_job("1.2.5")
    read(ledger)
    third = plan(ledger)
    assert tell(ledger) == [third]
    assert [row.state for row in ledger.notifications()] == [
        NotificationState.OPEN,
        *[NotificationState.UNANSWERED] * 2,
    ]
    for notification_id in two:
        ledger.acknowledge(notification_id, by="Dr. Meyer")


def test_reasons_that_are_none_are_damage() -> None:
    """Whoever shows or tells them says so, and quotes nothing."""
    with pytest.raises(LedgerDamaged, match="critical finding"):
        from_ledger([{"concept": {"value": "CANARY"}}])
