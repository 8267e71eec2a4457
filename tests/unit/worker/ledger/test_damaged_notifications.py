"""A notification whose rows are damaged keeps no other from being told, and calls an admin."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.unit.worker.ledger.test_notifications import CHANNELS, claimed, plan, read
from worker.errors import LedgerDamaged
from worker.jobs.notification import NoticeState, NotificationState, who_is_told
from worker.jobs.notification_records import from_ledger
from worker.ledger.ledger import Ledger

ANYWHERE = [
    """UPDATE notification SET detail = '{"reasons": [5]}' WHERE id = 1""",
    "UPDATE notification SET detail = '[]' WHERE id = 1",
    "UPDATE notification SET topic = 'weather' WHERE id = 1",
    "UPDATE notice SET state = 'gone' WHERE notification_id = 1 AND channel = 'desk'",
]
#: What only SQLite takes.
SQLITE = [
    "UPDATE notification SET detail = 'zz' WHERE id = 1",
    "UPDATE notification SET created_at = 'yesterday' WHERE id = 1",
    "UPDATE notice SET attempts = 'many' WHERE notification_id = 1",
    "UPDATE notice SET created_at = 'yesterday' WHERE notification_id = 1",
]


def harm(ledger: Ledger, statement: str) -> None:
    """Do what somebody else has done, where this database takes it."""
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql" and statement in SQLITE:
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


@pytest.mark.parametrize("statement", [*ANYWHERE, *SQLITE, "UPDATE notification SET state = 'gone' WHERE id = 1"])
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


def test_reasons_that_are_none_are_damage() -> None:
    """Whoever shows or tells them says so, and quotes nothing."""
    with pytest.raises(LedgerDamaged, match="critical finding"):
        from_ledger([{"concept": {"value": "CANARY"}}])
