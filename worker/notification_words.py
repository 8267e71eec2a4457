"""What people are told, in sentences: why a read is critical, and the message that a channel sends."""

from collections.abc import Sequence

from dicom_node.identity import StudyIdentity
from models.critical import CriticalReason
from worker.notification import Message, OutgoingNotice
from worker.settings import ReportSettings

#: A message names so many reasons; a read with a hundred nodules must not bury the rest.
_MOST_REASONS = 5


def reason_sentence(reason: CriticalReason) -> str:
    """Return what was found and which limit it crosses."""
    name = reason.name if reason.number is None else f"{reason.name} {reason.number}"
    if reason.value is None:
        return name
    limit = (
        f"at least {reason.at_least:g}" if reason.at_least is not None else f"at most {reason.at_most:g}"
    )
    return f"{name}: {reason.value:.3g} {reason.unit} (limit: {limit} {reason.unit})"


def reason_sentences(reasons: Sequence[CriticalReason]) -> tuple[str, ...]:
    """Return one sentence a reason, at most a handful, and how many more there are."""
    told = tuple(reason_sentence(reason) for reason in reasons[:_MOST_REASONS])
    more = len(reasons) - len(told)
    return (*told, f"and {more} more") if more else told


def message_of(
    outgoing: OutgoingNotice, identity: StudyIdentity, report: ReportSettings, *, patient_data: bool
) -> Message:
    """Return the message of a notice in the site's language.

    Args:
        outgoing: From the ledger.
        identity: As received; its accession number goes into every message.
        report: Names the language.
        patient_data: Whether the rest of the identity goes too.
    """
    model = f"{outgoing.model_name} {outgoing.model_version}"
    if outgoing.topic == "critical":
        reasons = reason_sentences(outgoing.reasons)
        title = f"CRITICAL: {reasons[0]}" if reasons else "CRITICAL"
        research = ("RESEARCH: this model is not cleared for clinical use.",) if outgoing.research else ()
        sentences = (*(f"CRITICAL: {each}" for each in reasons), *research, "Made by an AI model, not verified by a physician.")
    else:
        title = "NOT READ IN TIME"
        sentences = (f"{model} was to read this study within {(outgoing.deadline_s or 0) / 60:.3g} min and has not.",)
    return Message(
        key=outgoing.key,
        notification_id=outgoing.notification_id,
        topic=outgoing.topic,
        title=title,
        sentences=(*sentences, f"Model: {model}."),
        study_instance_uid=outgoing.study_instance_uid,
        accession_number=identity.accession_number,
        patient=identity if patient_data else None,
        model=model,
        created_at=outgoing.created_at.astimezone(),
        step=outgoing.step,
        language=report.language,
    )
