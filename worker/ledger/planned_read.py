"""What a revision means for a model: another read, a reason why not, or nothing new. Pure."""

from dataclasses import dataclass

from worker.jobs.job import JobState, Priority
from worker.jobs.job_records import ModelVersion
from worker.ledger.tables import ADDENDUM, Job
from worker.selecting.other_series import NO_OTHERS, OtherSeries

#: Why a job is skipped whose card wants a text SR about later images, not another read; a worker writes it.
_LATE_REASONS = {"ignore": "later images came; this model's card says to ignore them", "addendum": ADDENDUM}


@dataclass(frozen=True, kw_only=True)
class Planned(ModelVersion):
    """What selection decided for one model.

    Attributes:
        queue: Where it runs.
        runs: Whether there is a job to do.
        series_instance_uid: Of the input; empty where there is none.
        files: Of the input, relative to the spool.
        input_key: Digest of what is read: the same key is the same input, but for corrected headers.
        late_images: The card's policy.
        deadline_s: From queueing to the read; None where the card names none.
        reason: Why this series, or why not.
        held: Why an admin must look before it is read; empty where nothing speaks against it.
        priority: How urgent; an admin's word about the study counts more.
        because: Why so urgent.
        others: What the study has beside what is read.
        mended_digest: Where a file of the input was damaged and has come again: the digest of the input as it is now,
            as a job records what it has read; else empty.
    """

    queue: str
    runs: bool
    series_instance_uid: str
    files: tuple[str, ...]
    input_key: str
    late_images: str
    reason: str
    deadline_s: float | None = None
    held: str = ""
    priority: Priority = Priority.ROUTINE
    because: str = "nothing says otherwise"
    others: OtherSeries = NO_OTHERS
    mended_digest: str = ""


def state_in_revision(planned: Planned, last: Job | None, last_read: Job | None) -> tuple[JobState | None, str]:
    """Decide what a revision means for a model: a job, a reason why not, or (None) nothing new."""
    mended = last is not None and _is_mended(planned, last, last_read)
    if last is not None and last.input_key == planned.input_key and not mended and _stays(planned, last, last_read):
        return None, ""
    if not planned.runs:
        # What was read stays read: the model would not choose this study now, but nothing that it read has changed.
        return (None, "") if last_read is not None else (JobState.SKIPPED, planned.reason)
    if planned.held:
        return JobState.HELD, planned.held
    if last_read is not None and planned.late_images != "rerun" and not mended:
        return JobState.SKIPPED, _LATE_REASONS[planned.late_images]
    return JobState.QUEUED, ""


def starts_over(planned: Planned, last_read: Job | None) -> bool:
    """Tell whether a job that is being read must begin again, since a file of its input was mended meanwhile.

    Not where it has noted what it read, and that is what is here by now. Before it has, nobody knows.
    """
    if last_read is None or last_read.state != JobState.CLAIMED or not planned.mended_digest:
        return False
    return last_read.input_key == planned.input_key and last_read.inputs_digest != planned.mended_digest


def _is_mended(planned: Planned, last: Job, last_read: Job | None) -> bool:
    """Tell whether a model met other bytes of this very input than are here since a file of it was mended."""
    if not planned.mended_digest or last.input_key != planned.input_key:
        return False
    if last.state in (JobState.READ, JobState.SKIPPED) and last_read is not None and _may_leave(last_read):
        return last_read.input_key == planned.input_key and last_read.inputs_digest != planned.mended_digest
    if last.state == JobState.HELD and not last.held_from:
        # Whoever releases it would let go what was read of the damaged file: it is read again, and asked about again.
        return planned.runs and last.inputs_digest not in ("", planned.mended_digest)
    # What waits, or starts over, reads what is here by then; what an admin has held or cancelled stays so.
    return last.state == JobState.FAILED


def _may_leave(last_read: Job) -> bool:
    """Tell whether what was read leaves, or may be released; what an admin has held stays so."""
    return last_read.state == JobState.READ or (last_read.state == JobState.HELD and not last_read.held_from)


def _stays(planned: Planned, last: Job, last_read: Job | None) -> bool:
    """Tell whether the latest job of a model stays what it is, though a revision is closed that has its very input.

    Another series must not have it read again by a model that was updated in the meantime; what has not been read yet
    is read by the model that is here now.
    """
    if last.state == JobState.SKIPPED and last_read is None:
        return not planned.runs and last.model_digest == planned.model_digest
    return last.state not in (JobState.QUEUED, JobState.FAILED) or last.model_digest == planned.model_digest
