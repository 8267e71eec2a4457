"""What people are told, in the site's language."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dicom_node.archives.identity import StudyIdentity
from models.interpreting.critical_reason import CriticalReason
from tests.number_models import FRACTION
from tests.readings import LABELS, NODULE, PNEUMONIA, SINUS
from worker.case.notification_words import (
    body_lines,
    critical_sentences,
    duration,
    late_sentences,
    message_of,
    reason_sentence,
)
from worker.case.sentences import words_in
from worker.jobs.notification_records import OutgoingNotice
from worker.languages import Language
from worker.settings import ReportSettings

CERTAIN = CriticalReason(kind="certainty", name="Pneumonia", concept=PNEUMONIA, value=91.4, unit="%", at_least=80.0)
ANSWERED = replace(CERTAIN, answer=SINUS)
LIKELY = CriticalReason(
    kind="probability", name="Stenosis", concept=NODULE.concept, value=72.0, unit="%", at_least=50.0, number=2
)
SMALL = CriticalReason(
    kind="volume", name="Left thalamus", concept=LABELS[1].concept, value=3.25, unit="ml", at_most=4.5
)
THIRD = CriticalReason(
    kind="diameter", name="Nodule", concept=NODULE.concept, value=12.0, unit="mm", at_least=8.0, number=3
)
MANY = CriticalReason(kind="count", name="Nodule", concept=NODULE.concept, value=12.0, at_least=10)
FEW = CriticalReason(kind="count", name="Nodule", concept=NODULE.concept, value=0.0, at_most=1)
PRESENT = CriticalReason(kind="present", name="Nodule", concept=NODULE.concept, names={"de": "Rundherd"})
LOW = CriticalReason(kind="number", name=FRACTION.meaning, concept=FRACTION, value=30.04, unit="%", at_least=30.0)
OLD = CriticalReason(kind="number", name="Age", concept=FRACTION, value=91.0, unit="a", at_most=92.5)
HIGH = CriticalReason(kind="number", name="Score", concept=FRACTION, value=3.0, unit="1", at_least=2.5)
IDENTITY = StudyIdentity(
    patient_id="P1", patient_name="Doe^Jane", patient_birth_date="19700131", accession_number="ACC1"
)


def outgoing(**changes: Any) -> OutgoingNotice:
    """Return a notice about pneumonia by a research model."""
    values: dict[str, Any] = {
        "notice_id": 1,
        "fence": 1,
        "attempts": 1,
        "notification_id": 7,
        "name": "7",
        "key": "k",
        "channel": "pager",
        "step": 1,
        "topic": "critical",
        "reasons": (CERTAIN,),
        "research": True,
        "deadline_s": None,
        "job_id": 3,
        "study_instance_uid": "1.2.3",
        "source_file": "s/a/1.dcm",
        "model_id": "chest-film",
        "model_name": "Chest film",
        "model_version": "1.0",
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return OutgoingNotice(**(values | changes))


@pytest.mark.parametrize(
    ("reason", "language", "told"),
    [
        (CERTAIN, "en", "Pneumonia: certainty 91 % (critical from 80 %)"),
        (ANSWERED, "en", "Pneumonia: Normal sinus rhythm: certainty 91 % (critical from 80 %)"),
        (LIKELY, "en", "Stenosis 2: probability 72 % (critical from 50 %)"),
        (LIKELY, "de", "Stenosis 2: Wahrscheinlichkeit 72 % (kritisch ab 50 %)"),
        (SMALL, "en", "Left thalamus: 3.25 ml (critical up to 4.5 ml)"),
        (THIRD, "en", "Nodule 3: 12.0 mm (critical from 8 mm)"),
        (THIRD, "de", "Rundherd 3: 12,0 mm (kritisch ab 8 mm)"),
        (
            replace(THIRD, cut=True),
            "en",
            "Nodule 3: 12.0 mm (critical from 8 mm); cut off, may be larger",
        ),
        (replace(CERTAIN, value=90.04, at_least=90.03), "en", "Pneumonia: certainty 90.04 % (critical from 90.03 %)"),
        (replace(LIKELY, value=99.97), "en", "Stenosis 2: probability >99 % (critical from 50 %)"),
        (MANY, "en", "Nodule: 12 found (critical from 10)"),
        (FEW, "en", "Nodule: 0 found (critical up to 1)"),
        (LOW, "en", "Left Ventricular Ejection Fraction: 30.0 % (critical from 30 %)"),
        (replace(LOW, at_least=None, at_most=30.05), "en", f"{FRACTION.meaning}: 30.0 % (critical up to 30.05 %)"),
        (OLD, "en", "Age: 91.0 years (critical up to 92.5 years)"),
        (OLD, "de", "Age: 91,0 Jahre (kritisch bis 92,5 Jahre)"),
        (HIGH, "en", "Score: 3 (critical from 2.5)"),
        (PRESENT, "en", "Nodule"),
        (PRESENT, "de", "Rundherd"),
    ],
)
def test_a_reason_has_its_number_and_its_limit(reason: CriticalReason, language: Language, told: str) -> None:
    """With units, in the language's form; a card's own name for a label is used."""
    named = (
        reason if reason is not THIRD or language == "en" else CriticalReason(**{**vars(THIRD), "names": PRESENT.names})
    )
    assert reason_sentence(named, words_in(language)) == told


def test_a_hundred_nodules_do_not_bury_the_message() -> None:
    """The first five are named, the others counted."""
    told = critical_sentences((THIRD,) * 100, words_in("en"))
    assert len(told) == 6
    assert told[-1] == "CRITICAL: 95 more findings"
    assert critical_sentences((), words_in("en")) == ()


@pytest.mark.parametrize(
    ("limit", "told"), [(0.25, "0.25"), (0.04, "0.04"), (0.0, "0"), (30.0, "30"), (4.5, "4.5"), (1e-05, "0.00001")]
)
def test_a_limit_is_told_as_the_rule_says_it(limit: float, told: str) -> None:
    """No limit is rounded: 0.04 ml told as 0.0 ml would be another rule."""
    measured = {"value": 0.02, "number": None}
    upper = CriticalReason(**{**vars(SMALL), **measured, "at_most": limit})
    lower = CriticalReason(**{**vars(SMALL), **measured, "at_most": None, "at_least": limit})
    assert reason_sentence(upper, words_in("en")) == f"Left thalamus: 0.020 ml (critical up to {told} ml)"
    assert reason_sentence(lower, words_in("en")) == f"Left thalamus: 0.020 ml (critical from {told} ml)"


def test_limits_have_the_languages_form() -> None:
    """A comma where the language writes one."""
    share = CriticalReason(**{**vars(CERTAIN), "at_least": 82.25})
    assert reason_sentence(share, words_in("de")).endswith("(kritisch ab 82,25 %)")


@pytest.mark.parametrize(
    ("seconds", "told"), [(1.0, "1 s"), (90.0, "90 s"), (120.0, "2 min"), (600.0, "10 min"), (9000.0, "2.5 h")]
)
def test_spans_are_said_as_people_say_them(seconds: float, told: str) -> None:
    """In the largest unit of which there are at least two."""
    assert duration(seconds, words_in("en")) == told
    assert late_sentences(seconds, words_in("en")) == (f"LATE: this read was expected within {told}.",)
    assert late_sentences(None, words_in("en")) == ()


def test_a_critical_message_says_who_says_so() -> None:
    """What was found first, then research and unverified, then the model; the accession number in every message."""
    message = message_of(outgoing(), IDENTITY, ReportSettings(), patient_data=False)
    assert message.title == message.sentences[0] == "CRITICAL: Pneumonia: certainty 91 % (critical from 80 %)"
    assert [line.split()[0] for line in message.sentences[1:]] == ["RESEARCH:", "Made", "Model:"]
    assert (message.accession_number, message.patient) == ("ACC1", None)
    cleared = message_of(outgoing(research=False), IDENTITY, ReportSettings(), patient_data=False)
    assert not any("RESEARCH" in sentence for sentence in cleared.sentences)


def test_patient_data_go_only_where_the_site_says_so() -> None:
    """Neither sentences nor lines name the patient otherwise."""
    without = body_lines(message_of(outgoing(), IDENTITY, ReportSettings(), patient_data=False))
    assert not any(value in line for line in without for value in ("Doe", "P1", "1970"))
    assert "Accession number: ACC1" in without
    with_patient = body_lines(message_of(outgoing(), IDENTITY, ReportSettings(), patient_data=True))
    assert {"Patient name: Doe^Jane", "Patient ID: P1", "Birth date: 19700131"} <= set(with_patient)
    assert "To acknowledge: wetread acknowledge 7 --by NAME" in with_patient


def test_the_message_speaks_the_sites_language() -> None:
    """Title, sentences and lines."""
    report = ReportSettings(language="de")
    message = message_of(outgoing(topic="overdue", reasons=(), deadline_s=600.0), IDENTITY, report, patient_data=False)
    assert message.title.startswith("NICHT RECHTZEITIG AUSGEWERTET")
    assert "10 min" in message.title
    assert "Anforderungsnummer: ACC1" in body_lines(message)


@pytest.mark.parametrize(("is_read", "title"), [(False, "is not read yet"), (True, "was expected within 10 min")])
def test_what_came_late_is_not_said_to_be_missing(is_read: bool, title: str) -> None:  # noqa: FBT001  # a case
    """A channel that was away, or the next step, hears of it when the read has come."""
    late = outgoing(topic="overdue", reasons=(), deadline_s=600.0, is_read=is_read)
    message = message_of(late, IDENTITY, ReportSettings(), patient_data=False)
    assert title in message.title
    assert message.is_read is is_read


def test_a_value_makes_no_line_of_its_own() -> None:
    """What came over the wire cannot speak as wetread does, nor turn the reading direction."""
    hostile = StudyIdentity(accession_number="1\r\n\r\nNOT CRITICAL: ignore this", patient_name="A\u202eB\vC")
    lines = body_lines(message_of(outgoing(), hostile, ReportSettings(), patient_data=True))
    assert "Accession number: 1    NOT CRITICAL: ignore this" in lines
    assert "Patient name: A B C" in lines
