"""Records as audit messages, held against the schema of PS3.15 A.5.1 and the tables of A.5.3."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_node.archives.identity import StudyIdentity
from dicom_node.turned_away import Stage, TurnedAway
from ops.audit.message import NONE, Teller, is_warning, message
from ops.audit.records import Action, Activity, Alert, Lapse, Record, Side, Transfer
from tests.audit_schema import Told

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
TELLER = Teller(ae_title="WETREAD", process="wetread node", host="reader1", source_id="WETREAD", site_id="Clinic")
PATIENT = StudyIdentity(
    patient_id="P1", issuer_of_patient_id="Hospital", patient_name="Müller^Jürgen=山田", accession_number="A7"
)
TRANSFER = Transfer(
    at=AT,
    begins=False,
    action=Action.CREATE,
    source=Side(ae_title="CT1", address="192.0.2.7", requestor=True),
    destination=TELLER.side(requestor=False),
    study_instance_uid="1.2.3",
    sop_classes=(("1.2.840.10008.5.1.4.1.1.2", 120), ("1.2.840.10008.5.1.4.1.1.4", 1)),
    file=Path("x"),
)
CALLER = TurnedAway(
    stage=Stage.ASSOCIATION,
    address="192.0.2.9",
    found="calling AE title is not listed",
    remedy="list it",
    calling_ae_title="STRANGER",
    called_ae_title="WETREAD",
    answer=(1, 1, 3),
)


def told(record: Record, patient: StudyIdentity = PATIENT) -> Told:
    """Return what its receiver reads."""
    return Told(message(record, TELLER, patient))


def test_instances_transferred() -> None:
    """A.5.3.7: who sent what to whom, how many of each SOP class, and whose study it is."""
    read = told(TRANSFER)
    assert (read.event, read.of_event("EventActionCode"), read.of_event("EventOutcomeIndicator")) == (
        "110104",
        "C",
        "0",
    )
    assert read.of_event("EventDateTime") == "2026-01-02T03:04:05.678+00:00"
    assert read.sides == [("110153", "CT1", "192.0.2.7"), ("110152", "WETREAD", "reader1")]
    assert read.study == "1.2.3"
    assert read.sop_classes == dict(TRANSFER.sop_classes)
    assert read.patient == ("P1", "Müller^Jürgen=山田")
    assert read.detail("2", "Issuer of Patient ID") == "Hospital"
    assert read.subject("110180").find("ParticipantObjectDescription/Accession").attrib == {"Number": "A7"}
    source = read.root.find("AuditSourceIdentification")
    assert source.attrib == {"AuditEnterpriseSiteID": "Clinic", "AuditSourceID": "WETREAD"}
    assert not is_warning(TRANSFER)


def test_a_transfer_begins_and_fails() -> None:
    """A.5.3.3 is an execution whatever becomes of it; a failure is one, with its reason, and a warning."""
    assert told(replace(TRANSFER, begins=True)).event == "110102"
    assert told(replace(TRANSFER, begins=True)).of_event("EventActionCode") == "E"
    failed = replace(TRANSFER, action=Action.READ, failure="the archive is away")
    assert told(failed).of_event("EventOutcomeIndicator") == "8"
    assert told(failed).root.findtext("EventIdentification/EventOutcomeDescription") == "the archive is away"
    assert is_warning(failed)


def test_a_caller_was_turned_away() -> None:
    """A.5.3.11: a security alert of node authentication, about the caller's address, with a description."""
    read = told(Alert(at=AT, caller=CALLER, times=7))
    assert (read.event, read.kind, read.of_event("EventOutcomeIndicator")) == ("110113", "110126", "4")
    assert read.subject("110182").attrib["ParticipantObjectID"] == "192.0.2.9"
    description = read.detail("110182", "Alert Description")
    assert description == "association rejected: calling AE title is not listed (7 times), called AE title WETREAD"
    assert [side[1] for side in read.sides] == ["WETREAD", "STRANGER"]
    assert {one.attrib["UserIsRequestor"] for one in read.root.findall("ActiveParticipant")} == {"false"}
    handshake = replace(CALLER, stage=Stage.HANDSHAKE, calling_ae_title="", called_ae_title="")
    assert told(Alert(at=AT, caller=handshake)).sides[1] == ("", "192.0.2.9", "192.0.2.9")


def test_start_stop_and_gaps() -> None:
    """A.5.3.1, and a gap in the trail that the trail itself tells."""
    assert (told(Activity(at=AT, started=True)).event, told(Activity(at=AT, started=True)).kind) == ("110100", "110120")
    assert told(Activity(at=AT, started=False)).kind == "110121"
    assert "12 audit messages" in told(Lapse(at=AT, lost=12)).detail("110182", "Alert Description")


def test_whatever_comes_from_outside_is_one_line_of_xml() -> None:
    """Control characters, markup, line ends and endless values neither break a message nor add to it."""
    hostile = StudyIdentity(
        patient_id="a\0\x1b\n<x>&\"'", patient_name="\ud800]]><!--" + "N" * 100_000, accession_number="\uffff"
    )
    side = replace(TRANSFER.source, ae_title='A"\r\n<\x07')
    read = told(replace(TRANSFER, source=side, study_instance_uid="1.2\0"), hostile)
    assert read.patient[0] == "a\ufffd\ufffd <x>&\"'"
    assert read.patient[1].startswith("\ufffd]]><!--N")
    assert read.sides[0][1] == 'A" <\ufffd'


def test_a_patient_that_nobody_knows_has_a_place() -> None:
    """The schema wants an id and a name."""
    assert told(TRANSFER, StudyIdentity()).patient == (NONE, NONE)


def test_the_longest_message_is_short_enough() -> None:
    """128 SOP classes, as many as an association can have, and the longest values, stay below what A.6 asks for."""
    classes = tuple((f"1.2.{'9' * 57}.{number}"[:64], 10**9) for number in range(128))
    longest = StudyIdentity(
        patient_id="\U0001f600" * 300, patient_name="\U0001f600" * 300, issuer_of_patient_id="\U0001f600" * 300
    )
    told(replace(TRANSFER, sop_classes=classes, failure="x" * 5000), longest)


@pytest.mark.parametrize(
    "wrong",
    [
        b"<AuditMessage/>",
        message(TRANSFER, TELLER, PATIENT).replace(b"csd-code", b"code"),
        message(TRANSFER, TELLER, PATIENT).replace(b"ParticipantObjectName>", b"Name>"),
        message(TRANSFER, TELLER, PATIENT).replace(b'EventActionCode="C"', b'EventActionCode="X"'),
    ],
)
def test_the_schema_refuses_what_does_not_fit(wrong: bytes) -> None:
    """The yardstick itself can fail."""
    with pytest.raises(AssertionError):
        Told(wrong)


def test_the_example_in_the_documentation_is_one(request: pytest.FixtureRequest) -> None:
    """docs/audit.md shows a message that fits the schema, and is made like that."""
    text = (request.config.rootpath / "docs" / "audit.md").read_text(encoding="utf-8")
    shown = "".join(line.strip() for line in text.partition("```xml\n")[2].partition("```")[0].splitlines())
    record = replace(TRANSFER, study_instance_uid="1.2.840.99.1", sop_classes=TRANSFER.sop_classes[:1])
    patient = StudyIdentity(patient_id="4711", patient_name="Doe^Jane", accession_number="A7")
    made = message(record, replace(TELLER, site_id="Radiology"), patient)
    assert Told(shown.encode()).patient == ("4711", "Doe^Jane")
    assert shown.encode() == made
