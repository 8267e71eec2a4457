"""Objects on their way to a destination, on a real database."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, job_of, next_batch, record, result_file
from worker.errors import IllegalTransition, LeaseLost
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import OutgoingBatch
from worker.jobs.retention import Keeping, why_unsettled
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Delivery, ResultObject
from worker.object_kinds import DEFAULT_KINDS, REJECTION


@pytest.fixture
def read_job(ledger: Ledger, queue_job: Callable[..., int]) -> int:
    """A job that was read, with two objects for two destinations."""
    job_id = queue_job()
    claim = claim_next(ledger)
    results = [result_file(kind, f"1.2.{number}") for number, kind in enumerate(("SEG", "SR"))]
    record(ledger, claim, results, {"near": DEFAULT_KINDS, "far": DEFAULT_KINDS})
    return job_id


def postpone(ledger: Ledger, outgoing: OutgoingBatch, give_up_after_s: float = 1e6) -> None:
    """Put a batch back because the archive is away."""
    ledger.postpone(outgoing, reason="away", first_retry_s=30, longest_retry_s=600, give_up_after_s=give_up_after_s)


def test_objects_leave_in_order_and_once(ledger: Ledger, read_job: int) -> None:
    """A batch holds all objects of the job for one destination, the SEG before the SR, and is claimed once."""
    claimed = next_batch(ledger)
    assert (claimed.job_id, [item.kind for item in claimed.objects]) == (read_job, ["SEG", "SR"])
    assert ledger.claim_deliveries("near", lease_s=60) is None


def test_delivered_means_every_destination(ledger: Ledger, read_job: int) -> None:
    """A job is delivered only when every object is accepted by every destination."""
    for destination in ("near", "far"):
        row = job_of(ledger, read_job)
        assert not row.delivered
        for item in next_batch(ledger, destination).objects:
            ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
    row = job_of(ledger, read_job)
    assert row.delivered


def test_one_destination_in_trouble_does_not_hold_another(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """While one archive is away the other gets its objects; the first is asked again after its wait."""
    postpone(ledger, next_batch(ledger, "far"))
    assert ledger.claim_deliveries("far", lease_s=60) is None
    assert next_batch(ledger).job_id == read_job
    clock.seconds += 31
    assert next_batch(ledger, "far").job_id == read_job


def test_a_deliverer_that_died_is_replaced(ledger: Ledger, clock: ManualLedgerClock, read_job: int) -> None:
    """Its lease runs out, another sends the same objects, and its own late answer is refused."""
    late = next_batch(ledger)
    clock.seconds += 61
    assert ledger.free_expired_deliveries() == 2
    again = next_batch(ledger)
    assert again.job_id == read_job
    with pytest.raises(LeaseLost):
        ledger.delivered(late.objects[0], DeliveryState.ACCEPTED)
    ledger.delivered(again.objects[0], DeliveryState.ACCEPTED)


def test_a_deliverer_that_takes_long_keeps_what_it_sends(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """For as long as it renews its lease; what it has told, or another has taken over, is left as it is."""
    slow = next_batch(ledger)
    ledger.delivered(slow.objects[0], DeliveryState.ACCEPTED)
    clock.seconds += 50
    ledger.renew_deliveries(slow, lease_s=60)
    clock.seconds += 50
    assert ledger.free_expired_deliveries() == 0
    clock.seconds += 20
    assert ledger.free_expired_deliveries() == 1
    again = next_batch(ledger)
    ledger.renew_deliveries(slow, lease_s=1000)
    clock.seconds += 61
    assert ledger.free_expired_deliveries() == 1
    assert [item.kind for item in again.objects] == ["SR"]
    assert read_job == again.job_id


def test_only_what_was_not_answered_is_sent_again(ledger: Ledger, clock: ManualLedgerClock, read_job: int) -> None:
    """When the archive goes away between two objects, the accepted one stays accepted."""
    claimed = next_batch(ledger)
    ledger.delivered(claimed.objects[0], DeliveryState.ACCEPTED)
    postpone(ledger, claimed)
    clock.seconds += 31
    again = next_batch(ledger)
    assert (again.job_id, [item.kind for item in again.objects]) == (read_job, ["SR"])


def test_a_destination_that_stays_away_is_given_up(ledger: Ledger, read_job: int) -> None:
    """After the last day the object is abandoned, with the reason."""
    postpone(ledger, next_batch(ledger), give_up_after_s=-1)
    row = job_of(ledger, read_job)
    assert {(item.state, item.reason) for item in row.deliveries if item.destination == "near"} == {
        (DeliveryState.ABANDONED, "away")
    }


def test_what_waits_for_a_destination_that_is_no_more_may_be_waived(ledger: Ledger, read_job: int) -> None:
    """Nobody would ever send it, and its study would never be settled; what waits for the others goes on waiting."""
    with pytest.raises(IllegalTransition, match="none that waits for elsewhere"):
        ledger.waive(read_job, gone="elsewhere")
    assert ledger.waive(read_job, gone="far") == 2
    row = job_of(ledger, read_job)
    assert Counter((item.destination, item.state) for item in row.deliveries) == {
        ("near", DeliveryState.PENDING): 2,
        ("far", DeliveryState.WAIVED): 2,
    }


def test_what_was_refused_may_be_waived(ledger: Ledger, read_job: int) -> None:
    """The job is delivered then, with who said so in its timeline; what has arrived or waits is left as it is."""
    claimed = next_batch(ledger)
    ledger.delivered(claimed.objects[0], DeliveryState.ACCEPTED)
    ledger.delivered(claimed.objects[1], DeliveryState.REFUSED, status=0xA900, reason="no")
    with pytest.raises(IllegalTransition, match="no result"):
        ledger.waive(read_job + 1)
    with pytest.raises(IllegalTransition, match="nothing of job 1 waits for elsewhere"):
        ledger.waive(read_job, gone="elsewhere")
    assert ledger.waive(read_job, by="meyer") == 1
    row = job_of(ledger, read_job)
    assert Counter((item.destination, item.state) for item in row.deliveries) == {
        ("near", DeliveryState.ACCEPTED): 1,
        ("near", DeliveryState.WAIVED): 1,
        ("far", DeliveryState.PENDING): 2,
    }
    assert "no" in {item.reason for item in row.deliveries}
    for item in next_batch(ledger, "far").objects:
        ledger.delivered(item, DeliveryState.ACCEPTED)
    row = job_of(ledger, read_job)
    assert row.delivered
    assert [
        event.detail["by"] for event in ledger.timeline(row.study_instance_uid) if event.kind == "admin action"
    ] == ["meyer"]
    assert ledger.send_again(read_job) == 1


def test_what_was_refused_is_sent_again_when_asked(ledger: Ledger, read_job: int) -> None:
    """After an admin has mended the archive, refused and abandoned objects go out again, and accepted ones do not."""
    claimed = next_batch(ledger)
    ledger.delivered(claimed.objects[0], DeliveryState.ACCEPTED)
    ledger.delivered(claimed.objects[1], DeliveryState.REFUSED, status=0xA900, reason="no")
    postpone(ledger, next_batch(ledger, "far"), give_up_after_s=-1)
    assert ledger.send_again(read_job) == 3
    assert [item.kind for item in next_batch(ledger).objects] == ["SR"]
    postpone(ledger, next_batch(ledger, "far"), give_up_after_s=3600)
    row = job_of(ledger, read_job)
    assert DeliveryState.ABANDONED not in {item.state for item in row.deliveries}


def test_nothing_of_a_superseded_job_is_sent_again(ledger: Ledger, read_job: int) -> None:
    """A newer read came between the admin's look and the wish: what was refused would wait for ever."""
    for item in next_batch(ledger).objects:
        ledger.delivered(item, DeliveryState.REFUSED, status=0xA900, reason="no")
    ledger.close_revision(assembled(files=("s/a/1.dcm", "s/a/3.dcm")), {}, [planned(input_key="more")])
    claim = claim_next(ledger)
    record(ledger, claim, inputs_digest="j")
    assert ledger.send_again(read_job) == 0
    row = job_of(ledger, read_job)
    assert row.state is JobState.SUPERSEDED
    assert {item.state for item in row.deliveries} == {DeliveryState.REFUSED, DeliveryState.REPLACED}


def read_label_map(ledger: Ledger, root: str = "1.2", *more: str) -> None:
    """Read what is next: a label map and `more` for one destination that asked for it, and a SEG for another."""
    claim = claim_next(ledger)
    results = [result_file(kind, f"{root}.{number}") for number, kind in enumerate(("SEG", "LABELMAP", "SR", *more))]
    record(ledger, claim, results, {"near": ("LABELMAP", "SR", *more), "far": ("SEG",)})


@pytest.fixture
def label_map_job(ledger: Ledger, queue_job: Callable[..., int]) -> int:
    """A job that was read so."""
    job_id = queue_job()
    read_label_map(ledger)
    return job_id


def test_what_is_refused_is_replaced_where_something_can_stand_in(ledger: Ledger, label_map_job: int) -> None:
    """A refused label map is followed by the SEG to the same destination alone; the job then counts as delivered."""
    claimed = next_batch(ledger)
    assert [item.kind for item in claimed.objects] == ["LABELMAP", "SR"]
    ledger.delivered(claimed.objects[0], DeliveryState.REFUSED, reason="it takes no such SOP class")
    ledger.delivered(claimed.objects[1], DeliveryState.ACCEPTED, status=0)
    row = job_of(ledger, label_map_job)
    (replaced,) = [item for item in row.deliveries if item.kind == "LABELMAP"]
    assert (replaced.state, replaced.reason) == (DeliveryState.REPLACED, "it takes no such SOP class")
    assert not row.delivered
    again = next_batch(ledger)
    assert [item.kind for item in again.objects] == ["SEG"]
    far = next_batch(ledger, "far")
    assert [item.kind for item in far.objects] == ["SEG"]
    for item in (*again.objects, *far.objects):
        ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
    row = job_of(ledger, label_map_job)
    assert row.delivered
    assert not ledger.overview().failures


def test_what_stands_in_is_of_the_same_read(ledger: Ledger, label_map_job: int) -> None:
    """Of a job that was read again the archive gets nothing of the read before."""
    ledger.hold_job(label_map_job)
    ledger.retry(label_map_job)
    read_label_map(ledger, "1.3")
    claimed = next_batch(ledger)
    ledger.delivered(claimed.objects[0], DeliveryState.REFUSED, reason="it takes no such SOP class")
    ledger.delivered(claimed.objects[1], DeliveryState.ACCEPTED, status=0)
    assert [item.sop_instance_uid for item in next_batch(ledger).objects] == ["1.3.0"]


def test_a_note_of_rejection_is_waived_with_a_stand_in(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Neither the label map nor its stand-in is to arrive: the note would wait for them until it is given up."""
    job_id = queue_job()
    read_label_map(ledger, "1.2", REJECTION)
    for _ in range(2):
        claimed = next_batch(ledger)
        for item in claimed.objects:
            if item.kind != REJECTION:
                ledger.delivered(item, DeliveryState.REFUSED, status=0xA900, reason="no")
        ledger.postpone(claimed, reason="waits", first_retry_s=0, longest_retry_s=0, give_up_after_s=1e6)
    ledger.waive(job_id)
    row = job_of(ledger, job_id)
    states = {item.kind: item.state for item in row.deliveries if item.destination == "near"}
    assert states == {
        "LABELMAP": DeliveryState.REPLACED,
        "SEG": DeliveryState.WAIVED,
        "SR": DeliveryState.WAIVED,
        REJECTION: DeliveryState.WAIVED,
    }


def test_what_was_replaced_is_not_sent_again(ledger: Ledger, label_map_job: int) -> None:
    """By an admin's wish the SEG that was refused too goes again, and the label map never beside it."""
    claimed = next_batch(ledger)
    ledger.delivered(claimed.objects[0], DeliveryState.REFUSED, reason="no")
    ledger.delivered(claimed.objects[1], DeliveryState.ACCEPTED, status=0)
    ledger.delivered(next_batch(ledger).objects[0], DeliveryState.REFUSED, reason="no")
    assert ledger.send_again(label_map_job) == 1
    assert [item.kind for item in next_batch(ledger).objects] == ["SEG"]


def test_a_label_map_that_is_taken_goes_alone(ledger: Ledger, label_map_job: int) -> None:
    """Where the archive takes the label map the SEG never goes there."""
    for item in next_batch(ledger).objects:
        ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
    assert ledger.claim_deliveries("near", lease_s=60) is None


def test_a_held_job_sends_nothing_until_released(ledger: Ledger, read_job: int) -> None:
    """When the study's identity changed, nothing leaves to any destination before an admin releases it."""
    ledger.hold(next_batch(ledger), reason="PatientID differs")
    row = job_of(ledger, read_job)
    assert (row.state, row.reason) == (JobState.HELD, "PatientID differs")
    assert ledger.claim_deliveries("near", lease_s=60) is None
    assert ledger.claim_deliveries("far", lease_s=60) is None
    ledger.release(read_job)
    assert next_batch(ledger).released


def test_what_an_admin_said_of_one_read_does_not_hold_for_the_next(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """It was about the patient of then."""
    ledger.hold(next_batch(ledger), reason="PatientID differs")
    ledger.release(read_job)
    held = next_batch(ledger)
    ledger.hold(held, reason="PatientID differs once more")
    ledger.retry(read_job)
    claim = claim_next(ledger)
    result = result_file("SEG", "1.9", file="f/2.dcm")
    record(ledger, claim, [result], {"near": ["SEG"]})
    assert not next_batch(ledger).released


def test_two_archives_that_hold_a_job_at_once_both_get_it_when_it_is_released(ledger: Ledger, read_job: int) -> None:
    """The second to find another patient refuses nothing."""
    batches = [next_batch(ledger, destination) for destination in ("near", "far")]
    for claimed in batches:
        ledger.hold(claimed, reason="PatientID differs")
    ledger.release(read_job)
    assert [len(next_batch(ledger, destination).objects) for destination in ("near", "far")] == [2, 2]


@pytest.mark.parametrize("how", ["release", "resume job", "resume destination"])
def test_what_was_held_for_weeks_is_tried_as_long_as_anything(ledger: Ledger, read_job: int, how: str) -> None:
    """It is not given up at its first failure: it could not have been sent before."""
    if how == "release":
        ledger.hold(next_batch(ledger), reason="PatientID differs")
    elif how == "resume job":
        ledger.hold_job(read_job)
    else:
        ledger.hold_all("destination", "near")
    with ledger.writing() as session:
        session.execute(update(Delivery).values(created_at=utc_now() - timedelta(days=15)))
    if how != "resume destination":
        assert ledger.abandon_overdue("near", give_up_after_s=3600, reason="away") == 0
    if how == "release":
        ledger.release(read_job)
    elif how == "resume job":
        ledger.resume_job(read_job)
    else:
        ledger.resume_all("destination", "near")
    postpone(ledger, next_batch(ledger), give_up_after_s=3600)
    row = job_of(ledger, read_job)
    assert {item.state for item in row.deliveries if item.destination == "near"} == {DeliveryState.PENDING}


def ended_unread(ledger: Ledger, job_id: int, number: int = 9) -> None:
    """Have a job read again that was read, in vain, and the note of that written, for the near destination."""
    row = job_of(ledger, job_id)
    if row.state is JobState.READ:
        ledger.hold_job(job_id)
        ledger.retry(job_id)
    claim = claim_next(ledger)
    ledger.fail(claim, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    assert ledger.claim_deliveries("near", lease_s=60) is None, "not before the note is written either"
    unread = ledger.next_unread(["cpu"], [JobState.FAILED])
    assert unread is not None
    note = result_file("TEXT-SR", f"1.2.{number}", file=f"f/{number}.dcm")
    ledger.note_unread(unread, results=[note], destinations={"near": ["TEXT-SR"]}, why="told")


def test_after_an_end_without_a_read_only_the_note_leaves(ledger: Ledger, read_job: int) -> None:
    """What was read and held before is kept back: nobody waits for it, it is not given up, and it keeps no disk."""
    ended_unread(ledger, read_job)
    assert [(item.destination, item.count) for item in ledger.overview().waiting] == [("near", 1)]
    assert ledger.claim_deliveries("far", lease_s=60) is None
    assert ledger.abandon_overdue("far", give_up_after_s=-1, reason="away") == 0
    (note,) = next_batch(ledger).objects
    assert note.kind == "TEXT-SR"
    ledger.delivered(note, DeliveryState.ACCEPTED, status=0, commitment="required")
    asked = ledger.claim_commitment("near", timeout_s=100, give_up_after_s=1e6)
    assert asked is not None, "nothing else of the job is on its way"
    assert asked.instances == (("1.2", note.sop_instance_uid),)
    ledger.commitment_reported(
        asked.transaction_uid,
        committed=[note.sop_instance_uid],
        failed={},
        destinations=["near"],
        first_retry_s=1,
        longest_retry_s=1,
        give_up_after_s=1e6,
    )
    assert ledger.overview().waiting == ()
    ended = ledger.ended_studies(before={Keeping.IMAGES: utc_now()}, told_of=[JobState.FAILED], committing=[])
    assert why_unsettled(ended.studies[0]) == ""


def test_what_was_kept_back_leaves_where_the_job_is_read_so_again(ledger: Ledger, read_job: int) -> None:
    """And is tried as long as anything, though it was made long ago."""
    ended_unread(ledger, read_job)
    with ledger.writing() as session:
        session.execute(update(Delivery).values(created_at=utc_now() - timedelta(days=15)))
    ledger.retry(read_job)
    claim = claim_next(ledger)
    again = [result_file(kind, f"1.2.{number}") for number, kind in enumerate(("SEG", "SR"))]
    wanted = {"near": DEFAULT_KINDS, "far": DEFAULT_KINDS}
    record(ledger, claim, again, wanted)
    assert [item.kind for item in next_batch(ledger, "far").objects] == ["SEG", "SR"]
    outgoing = next_batch(ledger)
    assert [item.kind for item in outgoing.objects] == ["SEG", "SR"], "and no note that it was not read"
    postpone(ledger, outgoing, give_up_after_s=3600)
    row = job_of(ledger, read_job)
    states = {item.kind: item.state for item in row.deliveries if item.destination == "near"}
    assert states == {
        "SEG": DeliveryState.PENDING,
        "SR": DeliveryState.PENDING,
        "TEXT-SR": DeliveryState.REPLACED,
    }


def test_of_two_notes_the_later_one_leaves(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """The first had not left when the job was tried once more."""
    job_id = queue_job()
    ended_unread(ledger, job_id, 8)
    ledger.retry(job_id)
    ended_unread(ledger, job_id, 9)
    assert [item.sop_instance_uid for item in next_batch(ledger).objects] == ["1.2.9"]


def test_a_note_of_an_older_wetread_leaves(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """It kept no fence of what it made."""
    ended_unread(ledger, queue_job())
    with ledger.writing() as session:
        session.execute(update(ResultObject).values(fence=0))
    assert [item.kind for item in next_batch(ledger).objects] == ["TEXT-SR"]
