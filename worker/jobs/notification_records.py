"""What is told of a job: as the ledger keeps it, as a notifier and a channel get it, as the admin sees it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dicom_node.archives.identity import StudyIdentity
from models.card.card_parts import Concept
from models.interpreting.critical_reason import CriticalReason
from worker.errors import LedgerDamaged
from worker.jobs.notification import NoticeState, NotificationState, Topic


def for_ledger(reasons: Iterable[CriticalReason]) -> list[dict[str, Any]]:
    """Return reasons as the ledger keeps them: codes and numbers, so that each reader's language is chosen later."""
    return [_kept(reason) for reason in reasons]


def from_ledger(kept: Iterable[Mapping[str, Any]]) -> tuple[CriticalReason, ...]:
    """Return reasons from what the ledger keeps. Raises LedgerDamaged where they are none.

    Keys that are not known are passed over: a later release beside this one may say more, and the rest must be told.
    """
    try:
        return tuple(CriticalReason(**{**_known(CriticalReason, each), **_concepts(each)}) for each in kept)
    except (TypeError, ValueError, KeyError, AttributeError):
        # Their words would quote the values.
        raise LedgerDamaged("the ledger holds a reason of a critical finding that is none") from None


def _kept(reason: CriticalReason) -> dict[str, Any]:
    kept = vars(reason) | {"concept": reason.concept.model_dump()}
    answer, cut = kept.pop("answer"), kept.pop("cut")
    # Left out where there is nothing to say: a release before this one knows no such things, and reads the rest.
    return kept | ({} if answer is None else {"answer": answer.model_dump()}) | ({"cut": True} if cut else {})


def _concepts(kept: Mapping[str, Any]) -> dict[str, Concept]:
    codes = {key: kept[key] for key in ("concept", "answer") if key == "concept" or key in kept}
    return {key: Concept.model_validate(_known(Concept, code)) for key, code in codes.items()}


def _known(kind: type, kept: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kept.items() if key in kind.__annotations__}


def name_of(notification_id: int, reading: int) -> str:
    """Return what people call a notification by: its number; of a later reading of its job the reading's number too.

    So nobody who was told of one reading acknowledges what the next has found.
    """
    return str(notification_id) if reading == 1 else f"{notification_id}.{reading}"


@dataclass(frozen=True, kw_only=True)
class CriticalRead:
    """What the ledger is to remember of a critical read.

    Attributes:
        reasons: At least one.
        research: Whether the model is not cleared for clinical use, which every message says.
    """

    reasons: tuple[CriticalReason, ...]
    research: bool


@dataclass(frozen=True, kw_only=True)
class OutgoingNotice:
    """A notice that a notifier may send now.

    Attributes:
        notice_id: Of the ledger.
        fence: Grows with every claim; an answer with an older one is refused.
        attempts: This one included.
        notification_id: Of the ledger.
        name: What `wetread acknowledge` takes.
        key: Of the notification, the same in every channel and attempt: whoever gets it twice can tell.
        channel: Its name.
        step: Of the escalation.
        topic: What it is about.
        reasons: Why it is critical; empty for what is overdue.
        research: Whether the model is not cleared for clinical use.
        deadline_s: The card's, for what is overdue.
        job_id: Of the ledger.
        study_instance_uid: (0020,000D).
        source_file: One of the files that were read, relative to the spool; empty where there is none.
        model_id: The card's id.
        model_name: The card's name.
        model_version: The card's version.
        created_at: When it was recorded, UTC.
        is_read: Whether the study has been read by now: what is overdue may have come, though late.
    """

    notice_id: int
    fence: int
    attempts: int
    notification_id: int
    name: str
    key: str
    channel: str
    step: int
    topic: Topic
    reasons: tuple[CriticalReason, ...]
    research: bool
    deadline_s: float | None
    job_id: int
    study_instance_uid: str
    source_file: str
    model_id: str
    model_name: str
    model_version: str
    created_at: datetime
    is_read: bool = False


@dataclass(frozen=True, kw_only=True)
class NoticeRow:
    """A notice as the admin sees it."""

    channel: str
    step: int
    state: NoticeState
    attempts: int
    reason: str
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class NotificationRow:
    """A notification as the admin sees it.

    Attributes:
        name: What `wetread acknowledge` takes.
        told_after_s: From its recording until the first channel had it; None before that.
    """

    id: int
    name: str
    topic: Topic
    state: NotificationState
    job_id: int
    study_instance_uid: str
    model_id: str
    reasons: tuple[CriticalReason, ...]
    created_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    told_after_s: float | None
    notices: tuple[NoticeRow, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class Message:
    """What a channel's client sends. Its repr shows nothing, so that none gets into a log.

    Attributes:
        key: The same at every attempt: who gets it twice can tell.
        notification_id: Of the ledger.
        name: What `wetread acknowledge` takes.
        topic: What it is about.
        title: One line in the site's language.
        sentences: What was found or is missing, who says so and what to do, in the site's language.
        study_instance_uid: (0020,000D).
        accession_number: (0008,0050); empty where the study has none.
        patient: Whose study it is, where the site lets that go to this channel.
        model: Name and version.
        created_at: When it was recorded, with the site's zone.
        step: Of the escalation.
        language: Of title and sentences, such as "de".
        is_read: Whether there is a read, also one that came late.
    """

    key: str
    notification_id: int
    name: str
    topic: Topic
    title: str
    sentences: tuple[str, ...]
    study_instance_uid: str
    accession_number: str
    patient: StudyIdentity | None
    model: str
    created_at: datetime
    step: int
    language: str = "en"
    is_read: bool = True

    def __repr__(self) -> str:
        """Name what it is about, no content."""
        return f"Message({self.key}, {self.topic})"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a channel's other side said.

    Attributes:
        acknowledged_by: Who has acknowledged by answering; empty where the message is only taken.
        text: What it said, for the timeline; names no patient.
    """

    acknowledged_by: str = ""
    text: str = ""
