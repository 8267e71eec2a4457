"""What an admin changes, on a real database: it acts at once, and the timeline says who did it."""

from collections.abc import Callable

import pytest

from tests.unit.worker.conftest import assembled, planned
from tests.unit.worker.ledger.test_jobs import RESULT, finish, state
from tests.unit.worker.reads import claim_next, next_batch
from worker.errors import IllegalTransition, LeaseLost, UnknownJob, UnknownStudy
from worker.jobs.job import JobState, Priority
from worker.jobs.retention import Keeping
from worker.ledger.admin_actions import ADMIN_ACTION
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Job
from worker.object_kinds import DEFAULT_KINDS


def actions(ledger: Ledger, study: str = "1.2.3") -> list[tuple[str, str]]:
    """Return what was done to a study and its jobs, and by whom."""
    events = ledger.timeline(study)
    return [(str(event.detail["action"]), str(event.detail["by"])) for event in events if event.kind == ADMIN_ACTION]


def test_a_job_is_the_next_once_an_admin_says_so(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """It overtakes what came before, and the timeline says who wanted it."""
    queue_job("1.2.1")
    later = queue_job("1.2.3")
    ledger.prioritise(later, Priority.STAT, by="anna")
    assert claim_next(ledger).job_id == later
    assert actions(ledger) == [("prioritise", "anna")]


def test_a_study_keeps_what_an_admin_said(ledger: Ledger) -> None:
    """All of its jobs, those of images that come later too, whatever the settings say of them."""
    ledger.close_revision(assembled(), {}, [planned()])
    assert ledger.prioritise_study("1.2.3", Priority.BACKLOG) == 1
    more = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    again = planned(files=more, input_key="key-2", priority=Priority.STAT, because="rule 1")
    ledger.close_revision(assembled(files=more), {}, [again])
    assert [job.priority for job in ledger.jobs(state="queued")] == [Priority.BACKLOG]
    (said,) = [event.detail for event in ledger.timeline("1.2.3") if event.kind == "job queued"][1:]
    assert (said["priority"], said["because"]) == ("backlog", "an admin said so")


def test_what_is_unknown_or_over_is_refused(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A job or study that is not there, and a job that waits for nothing any more."""
    job_id = queue_job()
    ledger.cancel(job_id, by="anna")
    with pytest.raises(IllegalTransition, match="waits for nothing"):
        ledger.prioritise(job_id, Priority.STAT)
    with pytest.raises(UnknownJob):
        ledger.prioritise(99, Priority.STAT)
    with pytest.raises(UnknownStudy):
        ledger.prioritise_study("1.9", Priority.STAT)
    assert actions(ledger) == [("cancel", "anna")]


def test_a_worklist_raises_and_never_lowers(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """What an admin has said of the study counts more."""
    queue_job(priority=Priority.URGENT)
    assert ledger.raise_priority("1.2.3", Priority.ROUTINE, because="w") == 0
    assert ledger.raise_priority("1.2.3", Priority.STAT, because="w") == 1
    assert ledger.jobs()[0].priority is Priority.STAT
    ledger.prioritise_study("1.2.3", Priority.ROUTINE)
    assert ledger.raise_priority("1.2.3", Priority.STAT, because="w") == 0
    assert ledger.jobs()[0].priority is Priority.ROUTINE


def test_a_held_job_waits_for_its_admin(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Nobody claims it until it is resumed; then it is where it was."""
    held, other = queue_job("1.2.3"), queue_job("1.2.4")
    ledger.hold_job(held, by="anna")
    assert claim_next(ledger).job_id == other
    assert ledger.claim(["cpu"], worker="w", lease_s=60) is None
    assert "held by anna" in ledger.jobs(state="held")[0].reason
    assert ledger.resume_job(held, by="ben") is JobState.QUEUED
    assert claim_next(ledger).job_id == held
    assert actions(ledger) == [("hold", "anna"), ("resume", "ben")]


def test_a_job_that_is_being_read_can_be_held(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Its worker has worked for nothing, and that costs the study no attempt."""
    job_id = queue_job()
    working = claim_next(ledger)
    ledger.hold_job(job_id)
    with pytest.raises(LeaseLost):
        finish(ledger, working)
    ledger.resume_job(job_id)
    assert claim_next(ledger).attempt == 1


def test_results_of_a_held_job_stay(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A job that is read sends nothing while it is held, and is read when it is resumed."""
    job_id = queue_job()
    finish(ledger, claim_next(ledger))
    ledger.hold_job(job_id)
    assert ledger.claim_deliveries("pacs", lease_s=60) is None
    assert ledger.resume_job(job_id) is JobState.READ
    assert ledger.claim_deliveries("pacs", lease_s=60) is not None


def test_only_what_an_admin_holds_is_resumed(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A job whose patient has changed in the archive is not sent by a resume; the refusal says what would."""
    job_id = queue_job()
    finish(ledger, claim_next(ledger))
    batch = next_batch(ledger, "pacs")
    ledger.hold(batch, reason="PatientID in pacs differs")
    with pytest.raises(IllegalTransition, match="release-hold"):
        ledger.resume_job(job_id)
    unread = queue_job("1.2.4")
    ledger.hold_unread(claim_next(ledger), reason="which characters are these?")
    with pytest.raises(IllegalTransition, match=f"retry {unread}` reads it, `wetread cancel {unread}` reads it never"):
        ledger.resume_job(unread)
    assert state(ledger, job_id) is JobState.HELD
    with pytest.raises(IllegalTransition, match="cannot become held"):
        ledger.hold_job(job_id)


def refused_release(ledger: Ledger, job_id: int) -> str:
    """Return why a job is not released; it is what it was, and its patient's check still counts."""
    before = ledger.job(job_id)
    with pytest.raises(IllegalTransition) as refused:
        ledger.release(job_id)
    assert ledger.job(job_id) == before
    with ledger.reading() as session:
        assert not session.get_one(Job, job_id).released
    assert ("release-hold", "an admin") not in actions(ledger)
    return str(refused.value)


def test_a_failed_job_is_not_made_read_by_its_note(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A note that it was not read is no result: held by an admin or not, nobody has read the job."""
    job_id = queue_job()
    ledger.fail(claim_next(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    unread = ledger.next_unread(["cpu"], [JobState.FAILED])
    assert unread is not None
    ledger.note_unread(unread, results=[RESULT], destinations={"pacs": DEFAULT_KINDS}, why="told")
    assert f"`wetread retry {job_id}` reads it" in refused_release(ledger, job_id)
    ledger.retry(job_id)
    assert "read in its turn" in refused_release(ledger, job_id)
    ledger.hold_job(job_id)
    assert f"`wetread resume {job_id}`" in refused_release(ledger, job_id)
    ledger.resume_job(job_id)
    ledger.hold_unread(claim_next(ledger), reason="no character set")
    told = refused_release(ledger, job_id)
    assert "was not read: no character set" in told
    assert f"`wetread retry {job_id}` reads it, `wetread cancel {job_id}`" in told
    with pytest.raises(IllegalTransition, match=f"`wetread retry {job_id}` reads it, `wetread cancel") as resumed:
        ledger.resume_job(job_id)
    assert "release-hold" not in str(resumed.value), "there is nothing to send"


def test_a_worker_keeps_its_job_though_it_is_released(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """What is being read is not held, also where an earlier read of it is there: its worker's results are recorded."""
    job_id = queue_job()
    finish(ledger, claim_next(ledger))
    batch = next_batch(ledger, "pacs")
    ledger.hold(batch, reason="PatientID in pacs differs")
    ledger.retry(job_id)
    working = claim_next(ledger)
    assert "is claimed, not held" in refused_release(ledger, job_id)
    finish(ledger, working)
    assert "leave by themselves" in refused_release(ledger, job_id)


def test_what_an_admin_holds_is_resumed_not_released(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Nobody has said of it that the patient is right: the archives go on being asked."""
    job_id = queue_job()
    finish(ledger, claim_next(ledger))
    ledger.hold_job(job_id)
    assert f"`wetread resume {job_id}`" in refused_release(ledger, job_id)


def test_a_refused_release_offers_nothing_that_is_refused(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Without images a job is not read again, and one that later images have replaced goes nowhere."""
    job_id = queue_job()
    ledger.cancel(job_id)
    (study,) = ledger.ended_studies(before={Keeping.IMAGES: utc_now()}, told_of=[], committing=[]).studies
    ledger.note_removed(study.id, Keeping.IMAGES, files=2, freed_bytes=10)
    assert "wetread pull" in refused_release(ledger, job_id)
    more = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled(files=more), {}, [planned(files=more, input_key="key-2")])
    assert "later images" in refused_release(ledger, job_id)
    with pytest.raises(UnknownJob):
        ledger.release(99)


def test_nothing_is_claimed_from_a_held_queue(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """At once and as a whole; other queues go on, and so does this one when it is resumed, with new tokens."""
    job_id = queue_job(queue="gpu")
    ledger.tokens_published([token for token, _, _ in ledger.waiting_tokens()])
    assert ledger.hold_all("queue", "gpu", by="anna")
    assert not ledger.hold_all("queue", "gpu", by="ben"), "it was held already"
    assert ledger.claim(["gpu", "cpu"], worker="w", lease_s=60) is None
    assert [(row.kind, row.name, row.by) for row in ledger.holds()] == [("queue", "gpu", "anna")]
    assert ledger.overview().held == tuple(ledger.holds())
    assert ledger.resume_all("queue", "gpu")
    assert not ledger.resume_all("queue", "gpu")
    assert [job for _, _, job in ledger.waiting_tokens()] == [job_id]
    claimed = ledger.claim(["gpu", "cpu"], worker="w", lease_s=60)
    assert claimed is not None
    assert claimed.job_id == job_id


def test_nothing_is_sent_to_a_held_destination(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Results wait, and go when it is resumed."""
    queue_job()
    finish(ledger, claim_next(ledger))
    ledger.hold_all("destination", "pacs")
    assert ledger.claim_deliveries("pacs", lease_s=60) is None
    ledger.resume_all("destination", "pacs")
    assert ledger.claim_deliveries("pacs", lease_s=60) is not None


def test_each_action_says_who(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Retry and cancel too, by the user that the command line names."""
    job_id = queue_job()
    ledger.cancel(job_id, by="anna")
    ledger.retry(job_id, by="ben")
    assert actions(ledger) == [("cancel", "anna"), ("retry", "ben")]
    assert ledger.jobs()[0].reason == "asked for by ben"
