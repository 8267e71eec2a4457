"""Notifications on a real database with a clock that the test moves."""

from collections.abc import Callable

import pytest

from models.interpreting.critical_reason import CriticalReason
from tests.readings import PNEUMONIA
from tests.unit.worker.conftest import ManualLedgerClock, assembled
from tests.unit.worker.conftest import planned as planned_read
from tests.unit.worker.reads import claim_next, job_of, record
from worker.errors import IllegalTransition, LeaseLost, UnknownNotification
from worker.jobs.job import Priority
from worker.jobs.notification import ChannelRule, NoticeState, NotificationState, who_is_told
from worker.jobs.notification_records import CriticalRead, NotificationRow, OutgoingNotice
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS

REASONS = (CriticalReason(kind="certainty", name="Pneumonia", concept=PNEUMONIA, value=91.0, unit="%", at_least=80.0),)
CHANNELS = (ChannelRule(name="pager"), ChannelRule(name="desk"), ChannelRule(name="chief", step=2))


def read(ledger: Ledger, *, critical: bool = True) -> int:
    """Read the next job; return its id."""
    claim = claim_next(ledger)
    record(
        ledger,
        claim,
        destinations={"pacs": DEFAULT_KINDS},
        critical=CriticalRead(reasons=REASONS, research=True) if critical else None,
    )
    return claim.job_id


def plan(ledger: Ledger, channels: tuple[ChannelRule, ...] = CHANNELS) -> int:
    """Plan what is new; return its id."""
    ((notification_id, topic),) = ledger.new_notifications()
    ledger.plan_notification(notification_id, who_is_told(topic, channels))
    return notification_id


@pytest.fixture
def planned(ledger: Ledger, queue_job: Callable[..., int]) -> int:
    """A critical read whose pager and desk are to be told, then the chief."""
    queue_job()
    read(ledger)
    return plan(ledger)


def claimed(ledger: Ledger, channel: str) -> OutgoingNotice:
    """Claim what must be there."""
    outgoing = ledger.claim_notice(channel, lease_s=60)
    assert outgoing is not None
    return outgoing


def shown(ledger: Ledger) -> NotificationRow:
    """Return the only notification."""
    (row,) = ledger.notifications()
    return row


def states(ledger: Ledger) -> dict[str, NoticeState]:
    """Return what has become of each channel's notice."""
    return {notice.channel: notice.state for notice in shown(ledger).notices}


def failed(
    ledger: Ledger, outgoing: OutgoingNotice, *, refused: bool = False, give_up_after_s: float = 3600
) -> NoticeState:
    """Record that a channel did not take it."""
    return ledger.notice_failed(
        outgoing, reason="away", refused=refused, first_retry_s=5, longest_retry_s=60, give_up_after_s=give_up_after_s
    )


def test_a_critical_read_is_recorded_with_the_read(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """One transaction makes the job read, puts its results before all others, and records the notification."""
    job_id = queue_job()
    read(ledger)
    job = job_of(ledger, job_id)
    assert job.priority is Priority.STAT
    row = shown(ledger)
    assert (row.job_id, row.topic, row.state, row.reasons) == (job_id, "critical", NotificationState.NEW, REASONS)
    assert "notification new" in [event.kind for event in ledger.timeline("1.2.3")]


def test_what_waits_for_a_channel_that_is_no_more_is_given_up_in_its_time(ledger: Ledger, planned: int) -> None:
    """Renamed, or taken out of the settings: else it would keep the study's images for ever."""
    assert planned
    assert ledger.lose_unserved(["desk", "chief"], give_up_after_s=3600) == 0
    assert ledger.lose_unserved(["pager", "desk"], give_up_after_s=-1) == 0
    assert ledger.lose_unserved(["desk", "chief"], give_up_after_s=-1) == 1
    assert states(ledger) == {"pager": NoticeState.LOST, "desk": NoticeState.PENDING, "chief": NoticeState.WAITING}
    assert ledger.claim_notice("pager", lease_s=60) is None
    (lost,) = [event for event in ledger.timeline("1.2.3") if event.kind == "notice lost"]
    assert lost.detail["reason"] == "the settings name no such channel any more"


def test_any_other_read_is_not(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Without a reason nothing is recorded and nothing hurries."""
    job_id = queue_job()
    read(ledger, critical=False)
    job = job_of(ledger, job_id)
    assert job.priority is Priority.ROUTINE
    assert ledger.notifications() == []


def test_a_late_worker_tells_nobody(ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]) -> None:
    """A read that the fence refuses leaves no notification behind either."""
    queue_job()
    late = claim_next(ledger)
    clock.seconds += 61
    ledger.free_expired(max_attempts=3, retry_delay_s=0)
    with pytest.raises(LeaseLost):
        record(ledger, late, critical=CriticalRead(reasons=REASONS, research=False))
    assert ledger.notifications() == []


def test_the_first_step_is_told_at_once(ledger: Ledger, planned: int) -> None:
    """Pager and desk may be told, with the same key; the chief waits. It is planned and claimed once."""
    pager, desk = claimed(ledger, "pager"), claimed(ledger, "desk")
    assert pager.key == desk.key
    assert (pager.notification_id, pager.research, pager.reasons) == (planned, True, REASONS)
    assert (pager.study_instance_uid, pager.source_file) == ("1.2.3", "s/a/1.dcm")
    assert ledger.claim_notice("pager", lease_s=60) is None
    assert ledger.claim_notice("chief", lease_s=60) is None
    assert ledger.new_notifications() == []
    assert ledger.plan_notification(planned, ()) is None


def test_unacknowledged_it_goes_to_the_next_step(ledger: Ledger, clock: ManualLedgerClock, planned: int) -> None:
    """After the stated time, and not before, the chief is told; when that time is up too it is unanswered."""
    ledger.notice_sent(claimed(ledger, "pager"))
    clock.seconds += 299
    assert ledger.escalate(escalate_after_s=300) == []
    assert ledger.claim_notice("chief", lease_s=60) is None
    clock.seconds += 1
    assert ledger.escalate(escalate_after_s=300) == [(planned, NotificationState.OPEN)]
    assert claimed(ledger, "chief").step == 2
    assert ledger.escalate(escalate_after_s=300) == []
    clock.seconds += 300
    assert ledger.escalate(escalate_after_s=300) == [(planned, NotificationState.UNANSWERED)]
    assert [row.id for row in ledger.notifications(unacknowledged=True)] == [planned]


def test_an_acknowledgement_ends_it(ledger: Ledger, clock: ManualLedgerClock, planned: int) -> None:
    """Whoever was not told yet is not told any more; who acknowledged is in the timeline; a second time is refused."""
    ledger.notice_sent(claimed(ledger, "pager"))
    ledger.acknowledge(planned, by="Dr. Meyer")
    assert ledger.claim_notice("desk", lease_s=60) is None
    clock.seconds += 10000
    assert ledger.escalate(escalate_after_s=300) == []
    row = shown(ledger)
    assert (row.state, row.acknowledged_by) == (NotificationState.ACKNOWLEDGED, "Dr. Meyer")
    assert states(ledger) == {
        "pager": NoticeState.SENT,
        "desk": NoticeState.NOT_NEEDED,
        "chief": NoticeState.NOT_NEEDED,
    }
    assert any(event.detail.get("by") == "Dr. Meyer" for event in ledger.timeline("1.2.3"))
    assert ledger.notifications(unacknowledged=True) == []
    with pytest.raises(IllegalTransition):
        ledger.acknowledge(planned, by="Dr. Other")
    with pytest.raises(UnknownNotification):
        ledger.acknowledge(99, by="Dr. Meyer")


def test_a_channel_may_acknowledge_by_answering(ledger: Ledger, planned: int) -> None:
    """A webhook that says so ends it; a second channel that says so at the same moment changes nothing."""
    pager, desk = claimed(ledger, "pager"), claimed(ledger, "desk")
    ledger.notice_sent(pager, answer="status 200", acknowledged_by="on call")
    ledger.notice_sent(desk, acknowledged_by="the desk")
    assert shown(ledger).acknowledged_by == "on call"
    assert states(ledger)["desk"] is NoticeState.SENT


def test_a_channel_that_is_away_is_tried_again(ledger: Ledger, clock: ManualLedgerClock, planned: int) -> None:
    """With a growing wait, the same key, and the others undisturbed."""
    first = claimed(ledger, "pager")
    assert failed(ledger, first) is NoticeState.PENDING
    assert ledger.claim_notice("pager", lease_s=60) is None
    assert claimed(ledger, "desk").key == first.key
    clock.seconds += 5
    second = claimed(ledger, "pager")
    assert (second.key, second.attempts) == (first.key, 2)
    failed(ledger, second)
    clock.seconds += 9
    assert ledger.claim_notice("pager", lease_s=60) is None
    clock.seconds += 1
    assert failed(ledger, claimed(ledger, "pager"), give_up_after_s=-1) is NoticeState.LOST


def test_when_no_channel_of_a_step_takes_it_the_next_is_told_at_once(ledger: Ledger, planned: int) -> None:
    """A refused message does not wait for the time to run out."""
    failed(ledger, claimed(ledger, "pager"), refused=True)
    assert ledger.escalate(escalate_after_s=300) == []
    failed(ledger, claimed(ledger, "desk"), refused=True)
    assert ledger.escalate(escalate_after_s=300) == [(planned, NotificationState.OPEN)]
    assert claimed(ledger, "chief").step == 2


def test_a_notifier_that_died_is_replaced(ledger: Ledger, clock: ManualLedgerClock, planned: int) -> None:
    """Its lease runs out, another tells with the same key, and its own late answer is refused."""
    late = claimed(ledger, "pager")
    clock.seconds += 61
    assert ledger.free_expired_notices() == 1
    again = claimed(ledger, "pager")
    assert again.key == late.key
    with pytest.raises(LeaseLost):
        ledger.notice_sent(late)
    ledger.notice_sent(again)
    assert states(ledger)["pager"] is NoticeState.SENT


def test_a_notifier_that_takes_long_keeps_what_it_tells(ledger: Ledger, clock: ManualLedgerClock, planned: int) -> None:
    """For as long as it renews its lease; not once another has taken over."""
    slow = claimed(ledger, "pager")
    clock.seconds += 50
    ledger.renew_notice(slow, lease_s=60)
    clock.seconds += 50
    assert ledger.free_expired_notices() == 0
    clock.seconds += 20
    assert ledger.free_expired_notices() == 1
    claimed(ledger, "pager")
    with pytest.raises(LeaseLost):
        ledger.renew_notice(slow, lease_s=60)


def test_a_job_that_is_read_again_and_is_critical_again_is_told_anew(ledger: Ledger, planned: int) -> None:
    """Who was told knows of another read, perhaps of another patient; it has a key of its own."""
    first = claimed(ledger, "pager")
    desk = claimed(ledger, "desk")
    ledger.notice_sent(first)
    ledger.acknowledge(planned, by="Dr. Meyer")
    (job,) = ledger.jobs()
    ledger.hold_job(job.id)
    ledger.retry(job.id)
    assert read(ledger) == job.id
    with pytest.raises(LeaseLost):
        ledger.notice_sent(desk)
    assert plan(ledger, CHANNELS[:2]) == planned
    (row,) = ledger.notifications()
    assert (row.state, row.acknowledged_by) == (NotificationState.OPEN, "")
    again = claimed(ledger, "pager")
    assert (again.key != first.key, again.attempts, again.step) == (True, 1, 1)
    assert claimed(ledger, "desk").key == again.key
    assert states(ledger)["chief"] is NoticeState.NOT_NEEDED
    ledger.acknowledge(planned, by="Dr. Sato", reading=2)


def test_an_earlier_message_does_not_acknowledge_what_a_later_read_has_found(ledger: Ledger, planned: int) -> None:
    """Who types what it says has not seen the later one, which stays open under a name of its own."""
    first = claimed(ledger, "pager")
    (job,) = ledger.jobs()
    ledger.hold_job(job.id)
    ledger.retry(job.id)
    read(ledger)
    plan(ledger, CHANNELS[:2])
    with pytest.raises(UnknownNotification, match=rf"{planned}\.2; look at it"):
        ledger.acknowledge(planned, by="Dr. Meyer")
    (row,) = ledger.notifications()
    assert (first.name, row.name, row.state) == (str(planned), f"{planned}.2", NotificationState.OPEN)
    assert claimed(ledger, "pager").name == row.name
    with pytest.raises(UnknownNotification):
        ledger.acknowledge(planned, by="Dr. Meyer", reading=3)
    ledger.acknowledge(planned, by="Dr. Meyer", reading=2)
    assert ledger.notifications(unacknowledged=True) == []


def test_what_was_acknowledged_while_it_was_being_sent_is_not_sent_again(
    ledger: Ledger, clock: ManualLedgerClock, planned: int
) -> None:
    """A failed or dead attempt of an acknowledged notification ends as not needed."""
    claimed(ledger, "pager")
    desk = claimed(ledger, "desk")
    ledger.acknowledge(planned, by="Dr. Meyer")
    failed(ledger, desk)
    clock.seconds += 61
    ledger.free_expired_notices()
    assert states(ledger)["pager"] is NoticeState.NOT_NEEDED
    assert states(ledger)["desk"] is NoticeState.NOT_NEEDED


def test_after_a_reboot_nothing_waits_for_a_clock_that_is_gone(
    ledger: Ledger, clock: ManualLedgerClock, planned: int
) -> None:
    """What was being sent is sent again, and the next are told: whatever was waited for has passed."""
    claimed(ledger, "pager")
    clock.mark, clock.seconds = "boot-2", 3.0
    assert ledger.free_expired_notices() == 1
    assert claimed(ledger, "pager").attempts == 2
    assert ledger.escalate(escalate_after_s=300) == [(planned, NotificationState.OPEN)]


def test_without_a_channel_the_admin_sees_it(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """It is *nobody*, counted in the overview, until somebody who was told otherwise acknowledges it."""
    queue_job()
    read(ledger)
    notification_id = plan(ledger, ())
    alerts = ledger.overview().alerts
    assert alerts.count(NotificationState.NOBODY) == 1
    assert [row.id for row in alerts.unacknowledged] == [notification_id]
    ledger.acknowledge(notification_id, by="Dr. Meyer")
    assert ledger.overview().alerts.unacknowledged == ()


def test_the_overview_tells_how_fast_people_were_told(ledger: Ledger, planned: int) -> None:
    """From the read to the first channel; a channel that lost it is counted as long as nobody has acknowledged."""
    assert ledger.overview().alerts.told_p95_s is None
    ledger.notice_sent(claimed(ledger, "pager"))
    failed(ledger, claimed(ledger, "desk"), refused=True)
    alerts = ledger.overview().alerts
    assert alerts.told_p95_s is not None
    assert alerts.lost == 1
    ledger.acknowledge(planned, by="Dr. Meyer")
    assert ledger.overview().alerts.lost == 0


def test_a_finding_that_a_read_again_takes_back_is_told_no_more(
    ledger: Ledger, clock: ManualLedgerClock, planned: int
) -> None:
    """The job is read again and is not critical: neither the desk nor the chief is told what no object says."""
    ledger.notice_sent(claimed(ledger, "pager"))
    (job,) = ledger.jobs()
    ledger.hold_job(job.id)
    ledger.retry(job.id)
    read(ledger, critical=False)
    clock.seconds += 301
    ledger.escalate(escalate_after_s=300)
    assert ledger.claim_notice("desk", lease_s=60) is None
    assert ledger.claim_notice("chief", lease_s=60) is None
    assert ledger.notifications(unacknowledged=True) == []


@pytest.mark.parametrize("critical", [True, False])
def test_a_finding_of_a_superseded_read_is_told_no_more(
    ledger: Ledger,
    clock: ManualLedgerClock,
    planned: int,
    critical: bool,  # noqa: FBT001
) -> None:
    """Later images are read: what is told from then on is what that read has found."""
    ledger.close_revision(
        assembled(files=("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")), {}, [planned_read(input_key="key-2")]
    )
    read(ledger, critical=critical)
    clock.seconds += 301
    ledger.escalate(escalate_after_s=300)
    assert ledger.claim_notice("pager", lease_s=60) is None
    assert len(ledger.new_notifications()) == critical


@pytest.mark.parametrize("later_images", [False, True])
def test_the_next_step_hears_of_an_overdue_read_that_it_has_come(
    ledger: Ledger,
    clock: ManualLedgerClock,
    queue_job: Callable[..., int],
    later_images: bool,  # noqa: FBT001
) -> None:
    """Also where a job of later images has read instead of the one that was late."""
    queue_job(deadline_s=120.0)
    clock.seconds += 121
    ledger.pass_deadlines()
    both = ("critical", "overdue")
    plan(ledger, (ChannelRule(name="pager", about=both), ChannelRule(name="chief", about=both, step=2)))
    first = claimed(ledger, "pager")
    assert not first.is_read
    ledger.notice_sent(first)
    if later_images:
        ledger.close_revision(
            assembled(files=("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")), {}, [planned_read(input_key="key-2")]
        )
    read(ledger, critical=False)
    clock.seconds += 300
    ledger.escalate(escalate_after_s=300)
    assert claimed(ledger, "chief").is_read
