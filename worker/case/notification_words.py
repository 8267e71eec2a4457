"""What people are told, in sentences: that a read is critical or late, and the message that a channel sends."""

from collections.abc import Sequence

from dicom_node.archives.identity import StudyIdentity
from models.interpreting.critical_reason import CriticalReason
from worker.case.rounding import Between
from worker.case.sentences import Words, words_in
from worker.jobs.notification_records import Message, OutgoingNotice
from worker.settings import ReportSettings

#: A message names so many reasons; a read with a hundred nodules must not bury the rest.
_MOST_REASONS = 5
_HOUR_S, _MINUTE_S = 3600.0, 60.0


def reason_sentence(reason: CriticalReason, words: Words) -> str:
    """Return what was found and which limit it crosses; of what is cut by the edge of the images, that it is."""
    told = _reason(reason, words)
    return words.cut(told) if reason.cut else told


def _reason(reason: CriticalReason, words: Words) -> str:
    name = reason.names.get(words.language) or words.term(reason.name)
    if reason.number is not None:
        name = f"{name} {reason.number}"
    if reason.answer is not None:
        name = words.say("{name}: {value}", name=name, value=words.concept(reason.answer))
    if reason.value is None:
        return name
    if reason.kind == "count":
        return _count_sentence(reason, name, words)
    if reason.kind in ("certainty", "probability"):
        # A bare percentage beside "stenosis" would be read as a narrowing.
        least = reason.at_least or 0.0
        shares = {"name": name, "limit": words.exact(least), "number": words.certainty(reason.value, (least,))}
        if reason.kind == "probability":
            return words.say("{name}: probability {number} % (critical from {limit} %)", **shares)
        return words.say("{name}: certainty {number} % (critical from {limit} %)", **shares)
    limits = Between(
        at_least=() if reason.at_least is None else (reason.at_least,),
        at_most=() if reason.at_most is None else (reason.at_most,),
    )
    told = {"name": name, "number": words.amount(reason.value, reason.unit, limits)}
    if reason.at_least is not None:
        limit = words.with_unit(words.exact(reason.at_least), reason.unit)
        return words.say("{name}: {number} (critical from {limit})", limit=limit, **told)
    limit = words.with_unit(words.exact(reason.at_most or 0.0), reason.unit)
    return words.say("{name}: {number} (critical up to {limit})", limit=limit, **told)


def _count_sentence(reason: CriticalReason, name: str, words: Words) -> str:
    told = {"name": name, "number": words.exact(reason.value or 0.0)}
    if reason.at_least is not None:
        limit = words.exact(reason.at_least)
        return words.say("{name}: {number} found (critical from {limit})", limit=limit, **told)
    limit = words.exact(reason.at_most or 0.0)
    return words.say("{name}: {number} found (critical up to {limit})", limit=limit, **told)


def critical_sentences(reasons: Sequence[CriticalReason], words: Words) -> tuple[str, ...]:
    """Return what says first that a read is critical, one sentence a reason; nothing where it is not."""
    told = [
        words.say("CRITICAL: {reason}", reason=reason_sentence(reason, words)) for reason in reasons[:_MOST_REASONS]
    ]
    if more := len(reasons) - len(told):
        told.append(words.count("CRITICAL: {count} more finding", "CRITICAL: {count} more findings", more))
    return tuple(told)


def late_sentences(late_after_s: float | None, words: Words) -> tuple[str, ...]:
    """Return what says that a read came after its deadline; nothing where it did not."""
    if late_after_s is None:
        return ()
    return (words.say("LATE: this read was expected within {time}.", time=duration(late_after_s, words)),)


def duration(seconds: float, words: Words) -> str:
    """Return a time span as a person says it: 90 s, 10 min, 1.5 h."""
    for size, unit in ((_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= 2 * size:
            return f"{_short(seconds / size, words)} {unit}"
    return f"{_short(seconds, words)} s"


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
    words = words_in(report.language)
    sentences = _critical(outgoing, words) if outgoing.topic == "critical" else _overdue(outgoing, words)
    model = f"{outgoing.model_name} {outgoing.model_version}"
    return Message(
        key=outgoing.key,
        notification_id=outgoing.notification_id,
        name=outgoing.name,
        topic=outgoing.topic,
        title=" ".join(sentences[0].split()),
        sentences=(*sentences, words.say("Model: {model}.", model=model)),
        study_instance_uid=outgoing.study_instance_uid,
        accession_number=identity.accession_number,
        patient=identity if patient_data else None,
        model=model,
        created_at=outgoing.created_at.astimezone(report.zone),
        step=outgoing.step,
        language=report.language,
        is_read=outgoing.topic == "critical" or outgoing.is_read,
    )


def body_lines(message: Message) -> tuple[str, ...]:
    """Return the message as lines of plain text, for channels that have no fields."""
    words, patient = words_in(message.language), message.patient
    identity = [
        ("Accession number", message.accession_number),
        ("Study Instance UID", message.study_instance_uid),
        *([("Patient name", patient.patient_name), ("Patient ID", patient.patient_id)] if patient else []),
        *([("Birth date", patient.patient_birth_date)] if patient else []),
    ]
    command = f"wetread acknowledge {message.name} --by NAME"
    return (
        *message.sentences,
        "",
        *(f"{words.term(name)}: {_in_one_line(value)}" for name, value in identity if value),
        "",
        words.say("To acknowledge: {command}", command=command),
    )


def _in_one_line(value: str) -> str:
    """Return a value from the wire so that it cannot be taken for a sentence of ours."""
    return "".join(character if character.isprintable() else " " for character in value)


def _critical(outgoing: OutgoingNotice, words: Words) -> tuple[str, ...]:
    research = [words.say("RESEARCH: this model is not cleared for clinical use.")] if outgoing.research else []
    unverified = words.say("Made by an AI model, not verified by a physician.")
    return (*critical_sentences(outgoing.reasons, words), *research, unverified)


def _overdue(outgoing: OutgoingNotice, words: Words) -> tuple[str, ...]:
    if outgoing.is_read:  # it came while this channel was away, or waited for its step
        return late_sentences(outgoing.deadline_s or 0.0, words)
    time = duration(outgoing.deadline_s or 0.0, words)
    return (words.say("NOT READ IN TIME: a study was to be read within {time} and is not read yet.", time=time),)


def _short(value: float, words: Words) -> str:
    return words.number(value, 0 if value == int(value) else 1)
