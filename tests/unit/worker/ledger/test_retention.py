"""The ledger says what became of studies, and forgets them when told to."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, next_batch, record, result_file
from worker.errors import IllegalTransition
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.notification import ChannelRule, NotificationState, who_is_told
from worker.jobs.notification_records import CriticalRead
from worker.jobs.retention import Keeping, due, why_unsettled
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.ledger.retention import Page
from worker.ledger.tables import Base, Compatibility, Model, Study, Turn
from worker.object_kinds import DEFAULT_KINDS


def page(ledger: Ledger, what: Keeping = Keeping.IMAGES, **more: object) -> Page:
    """Ask for the studies of which this is kept, however young."""
    values = {"before": {what: utc_now()}, "told_of": [JobState.FAILED], "committing": []} | more
    return ledger.ended_studies(**values)  # type: ignore[arg-type]


def read(ledger: Ledger, withdraw_from: Collection[str] = ()) -> None:
    """Let the next job be read, with one object for one destination."""
    claim = claim_next(ledger)
    seg = result_file("SEG", f"1.2.{claim.job_id}", file=f"f/{claim.job_id}/seg.dcm")
    record(ledger, claim, [seg], {"pacs": DEFAULT_KINDS}, withdraw_from=withdraw_from)


def deliver(ledger: Ledger) -> None:
    """Let the archive accept what waits."""
    batch = next_batch(ledger, "pacs")
    for item in batch.objects:
        ledger.delivered(item, DeliveryState.ACCEPTED)


def test_a_study_is_settled_when_its_results_are_accepted(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Queued, read and accepted in turn: only the last is settled, and not where a commitment is wanted."""
    queue_job()
    assert "waits to be read" in why_unsettled(page(ledger).studies[0])
    read(ledger)
    assert "wait for pacs" in why_unsettled(page(ledger).studies[0])
    deliver(ledger)
    assert why_unsettled(page(ledger).studies[0]) == ""
    assert "committed" in why_unsettled(page(ledger, committing=["pacs"]).studies[0])


def test_a_failed_job_is_not_settled_before_its_note(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Who is told of failures is told with words from the images."""
    queue_job()
    claim = claim_next(ledger)
    ledger.fail(claim, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    assert "a note to be written" in why_unsettled(page(ledger).studies[0])
    unread = ledger.next_unread(["cpu"], [JobState.FAILED])
    assert unread is not None
    ledger.note_unread(unread, results=[], destinations={}, why="none wanted")
    assert why_unsettled(page(ledger).studies[0]) == ""


def test_pages_go_through_all_studies_once(ledger: Ledger) -> None:
    """Also where many came at the same moment."""
    for number in range(7):
        ledger.close_revision(assembled(f"1.2.{number}"), {}, [])
    seen, after = [], None
    while True:
        found = page(ledger, after=after, limit=3)
        seen += [study.study_instance_uid for study in found.studies]
        after = found.after
        if after is None:
            break
    assert sorted(seen) == [f"1.2.{number}" for number in range(7)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET state = 'gone' WHERE id <= 4",
        # What only SQLite takes.
        "UPDATE study SET last_received_at = '0-' || id WHERE id <= 4",
        "UPDATE study SET last_received_at = 7, folder = 7 WHERE id <= 4",
        "UPDATE study SET last_received_at = 'z-' || id WHERE id > 3",
    ],
)
def test_a_page_of_damaged_studies_does_not_end_it(
    ledger: Ledger, queue_job: Callable[..., int], statement: str
) -> None:
    """Each is looked at once, and so are all that can be read."""
    for number in range(1, 8):
        queue_job(f"1.2.{number}")
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql" and "study" in statement:
            pytest.skip("PostgreSQL does not take that")
        session.execute(text(statement))
    seen: list[str] = []
    damaged: list[int] = []
    after = None
    for _ in range(7):
        found = page(ledger, after=after, limit=2)
        seen += [study.study_instance_uid for study in found.studies]
        damaged += [study_id for study_id, _ in found.damaged]
        if (after := found.after) is None:
            break
    whole = range(1, 4) if "z-" in statement else range(5, 8)
    assert (seen, after) == ([f"1.2.{number}" for number in whole], None)
    assert len(damaged) == len(set(damaged))


def test_what_is_removed_is_not_looked_at_again(ledger: Ledger) -> None:
    """Until images come again."""
    ledger.close_revision(assembled(), {}, [])
    (study,) = page(ledger).studies
    ledger.note_removed(study.id, Keeping.IMAGES, files=2, freed_bytes=10)
    assert page(ledger).studies == ()
    assert page(ledger, Keeping.RESULTS).studies[0].gone == {Keeping.IMAGES}
    ledger.close_revision(assembled(files=("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")), {}, [])
    assert [item.id for item in page(ledger).studies] == [study.id]


def test_a_job_without_images_is_not_retried(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """It could only fail; the error says how the images come back, and that then a retry reads them."""
    job_id = queue_job()
    ledger.cancel(job_id)
    ledger.note_removed(page(ledger).studies[0].id, Keeping.IMAGES, files=2, freed_bytes=10)
    with pytest.raises(IllegalTransition, match=f"`wetread pull` the study; .* `wetread retry {job_id}` once more"):
        ledger.retry(job_id)
    assert queue_job() == job_id  # the same images bring no other job
    ledger.retry(job_id)
    assert [(job.id, job.state) for job in ledger.jobs()] == [(job_id, "queued")]


def test_a_forgotten_study_leaves_no_row(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Whatever table points to it, and nothing of another study goes with it."""
    queue_job("1.2.3", deadline_s=60.0)
    queue_job("1.2.4")
    read(ledger)
    read(ledger)
    deliver(ledger)
    with ledger.reading() as session:
        before = {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.tables.values()
        }
    first, second = page(ledger).studies
    ledger.forget_study(first.id)
    assert len(ledger.jobs()) == 2, "rows of images that are here stay"
    for study in (first, second):
        ledger.note_removed(study.id, Keeping.IMAGES, files=2, freed_bytes=10)
    ledger.forget_study(first.id)
    assert [row.study_instance_uid for row in ledger.jobs()] == [second.study_instance_uid]
    assert ledger.timeline(first.study_instance_uid) == []
    ledger.forget_study(second.id)
    with ledger.reading() as session:
        after = {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.tables.values()
        }
    assert sum(before.values()) > 10  # type: ignore[arg-type]
    left = {name for name, count in after.items() if count}
    # Which models there are, who takes turns, and which versions can work here, is not about a study.
    assert left == {table.__tablename__ for table in (Model, Turn, Compatibility)}


def test_rows_stay_while_objects_are_to_be_deleted(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Only the ledger knows which they are; images and results may go, and rows where nothing is deleted any more."""
    queue_job()
    read(ledger)
    deliver(ledger)
    files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled(files=files), {}, [planned(files=files, input_key="key-2")])
    read(ledger, withdraw_from=["pacs"])
    deliver(ledger)
    everything = dict.fromkeys(Keeping, utc_now() + timedelta(days=1))
    (study,) = page(ledger, withdrawing=["pacs"]).studies
    assert (why_unsettled(study), study.withdrawing) == ("", {"pacs"})
    assert due(study, everything) == (Keeping.IMAGES, Keeping.RESULTS)
    assert due(page(ledger).studies[0], everything) == tuple(Keeping)
    item = ledger.next_withdrawal("pacs")
    assert item is not None
    ledger.withdrawn(item)
    now = ledger.study_end(study.id, told_of=[], committing=[], withdrawing=["pacs"])
    assert now is not None
    assert due(now, everything) == tuple(Keeping)


@pytest.mark.parametrize("how", ["waived", "superseded"])
def test_rows_do_not_stay_for_what_is_never_deleted(ledger: Ledger, queue_job: Callable[..., int], how: str) -> None:
    """Where nothing of the newer read comes any more the earlier one stands, and nobody waits for its deletion."""
    queue_job()
    read(ledger)
    deliver(ledger)
    files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled(files=files), {}, [planned(files=files, input_key="key-2")])
    read(ledger, withdraw_from=["pacs"])
    newer = ledger.jobs(limit=1)[0].id
    if how == "waived":
        batch = next_batch(ledger, "pacs")
        ledger.delivered(batch.objects[0], DeliveryState.REFUSED, status=0xA900)
        ledger.waive(newer)
    else:
        # It is held, and was read of a file that was damaged.
        batch = next_batch(ledger, "pacs")
        ledger.hold(batch, reason="PatientID differs")
        mended = replace(assembled(files=files), mended=frozenset(files[:1]))
        ledger.close_revision(mended, {}, [planned(files=files, input_key="key-2", mended_digest="now")])
        assert ledger.jobs()[1].state is JobState.SUPERSEDED
        ledger.cancel(ledger.jobs(limit=1)[0].id)
    (study,) = page(ledger, withdrawing=["pacs"]).studies
    assert (why_unsettled(study), study.withdrawing) == ("", frozenset())
    assert due(study, dict.fromkeys(Keeping, utc_now() + timedelta(days=1))) == tuple(Keeping)


def test_a_study_is_quiet_since_the_last_thing_that_happened(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Days are counted from the delivery, not from the receipt."""
    queue_job()
    read(ledger)
    deliver(ledger)
    with ledger.writing() as session:
        session.execute(update(Study).values(last_received_at=utc_now() - timedelta(days=50)))
    (study,) = page(ledger).studies
    assert utc_now() - study.quiet_since < timedelta(minutes=5)


def test_images_stay_while_a_channel_is_tried_again(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """The last step's time has run out, but its channel is away and gets the message yet: words of it are in them."""
    queue_job()
    claim = claim_next(ledger)
    record(ledger, claim, critical=CriticalRead(reasons=(), research=False))
    ((notification, topic),) = ledger.new_notifications()
    ledger.plan_notification(notification, who_is_told(topic, [ChannelRule(name="ris")]))
    clock.seconds += 301
    assert ledger.escalate(escalate_after_s=300) == [(notification, NotificationState.UNANSWERED)]
    assert "told of its critical finding" in why_unsettled(page(ledger).studies[0])
    outgoing = ledger.claim_notice("ris", lease_s=60)
    assert outgoing is not None
    assert "told of its critical finding" in why_unsettled(page(ledger).studies[0])
    ledger.notice_sent(outgoing)
    assert why_unsettled(page(ledger).studies[0]) == ""
