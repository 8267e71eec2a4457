"""What is known of one attempt to deliver a batch, while it runs: the ledger is told of it, however it ends."""

from dataclasses import dataclass, field

from worker.jobs.job_records import OutgoingObject
from worker.jobs.study_awaited import Look


@dataclass(kw_only=True)
class DeliveryAttempt:
    """One attempt.

    Attributes:
        handed: What the destination may have from now on, though it does not answer for it.
        look: What it has said of the study.
    """

    handed: set[OutgoingObject] = field(default_factory=set)
    look: Look = ""
