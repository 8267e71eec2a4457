"""What the ledger hands to whoever works, and takes from them: a claim, results, objects that may leave."""

from dataclasses import dataclass
from datetime import datetime

from worker.selecting.other_series import NO_OTHERS, OtherSeries


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A model as it is on disk.

    Attributes:
        model_id: The card's id.
        model_digest: Of the model's files.
        name: The card's name.
        version: The card's version.
    """

    model_id: str
    model_digest: str
    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job that this worker may work on until its lease runs out.

    Attributes:
        job_id: Of the ledger.
        fence: Grows with every claim; a write with an older one is refused.
        attempt: 1 for the first.
        study_instance_uid: (0020,000D).
        study_folder: In the spool.
        series_instance_uid: Of the input.
        files: Of the input, relative to the spool.
        model_id: The card's id.
        model_digest: The very model that it was queued for.
        queued_at: UTC; dates and times inside the results derive from it, so that a retry gives the same bytes.
        calling_ae_title: Who sent the study.
        others: What the study has beside what is read.
    """

    job_id: int
    fence: int
    attempt: int
    study_instance_uid: str
    study_folder: str
    series_instance_uid: str
    files: tuple[str, ...]
    model_id: str
    model_digest: str
    queued_at: datetime
    calling_ae_title: str = ""
    others: OtherSeries = NO_OTHERS


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """An encoded result on disk.

    Attributes:
        kind: One of `worker.object_kinds.KINDS`.
        sop_class_uid: (0008,0016).
        sop_instance_uid: (0008,0018).
        series_instance_uid: (0020,000E).
        file: Relative to the results folder.
        sha256: Of the file, hex.
    """

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class OutgoingObject:
    """One object that a deliverer may send now."""

    delivery_id: int
    fence: int
    attempts: int
    kind: str
    sop_instance_uid: str
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CommitmentBatch:
    """What one request for commitment asks for: objects of one job that one destination has taken.

    Attributes:
        job_id: Of the ledger.
        transaction_uid: (0008,1195), recorded before the request is made.
        instances: (SOP Class UID, SOP Instance UID) of each.
    """

    job_id: int
    transaction_uid: str
    instances: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class WithdrawnObject:
    """One object that is to be deleted where it went."""

    delivery_id: int
    job_id: int
    attempts: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class OutgoingBatch:
    """All objects of one job that wait for one destination.

    Attributes:
        job_id: Of the ledger.
        destination: Its name.
        study_instance_uid: (0020,000D).
        source_file: One of the files that were read, relative to the spool: whose study this was at receipt.
        released: Whether an admin said that the results belong to the study as it is now.
        objects: In the order in which they should be sent.
    """

    job_id: int
    destination: str
    study_instance_uid: str
    source_file: str
    released: bool
    objects: tuple[OutgoingObject, ...]
