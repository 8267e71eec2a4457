"""ORU^R01 and ACK as text, read back with a library that did not write them."""

import hl7
import pytest

from ops.notifiers.hl7_message import acknowledgement_of, escaped, oru_of
from tests.unit.ops.notifiers.conftest import PATIENT, a_message
from worker.jobs.notification_records import Message
from worker.notifying.notification_settings import Hl7Settings

ENGINE = Hl7Settings(
    kind="hl7", name="ris", host="192.0.2.9", sending_facility="NORTH", receiving_application="RIS", processing_id="T"
)


def parsed(message: Message) -> hl7.Message:
    """Return what a receiver reads."""
    return hl7.parse(oru_of(message, ENGINE))


def test_the_header_names_both_sides_and_the_characters(message: Message) -> None:
    """ORU^R01^ORU_R01, version 2.5.1, UTF-8 in MSH-18, the key as control id, which is at most 20 characters."""
    oru = parsed(message)
    header = oru.segment("MSH")
    assert [str(header[n]) for n in (3, 4, 5, 6)] == ["WETREAD", "NORTH", "RIS", ""]
    assert str(header[7]) == "20260102030405+0000"
    assert (str(header[9]), str(header[11]), str(header[12])) == ("ORU^R01^ORU_R01", "T", "2.5.1")
    assert str(header[10]) == message.key
    assert (str(header[18]), str(header[19])) == ("UNICODE UTF-8", "en^^ISO639")


def test_the_result_is_preliminary(message: Message) -> None:
    """OBR-25 and each finding's OBX-11 are P; the study UID is order detail; the priority is STAT."""
    oru = parsed(message)
    assert str(oru.segment("OBR")[25]) == "P"
    study, *findings = oru.segments("OBX")
    assert (str(study[3]), str(study[5]), str(study[11])) == ("113014^DICOM Study^DCM", "1.2.3", "O")
    assert [(str(line[2]), str(line[8]), str(line[11])) for line in findings] == [("TX", "AA", "P")] * 2
    assert [oru.unescape(str(line[5])) for line in findings] == list(message.sentences)
    assert [str(line[1]) for line in (study, *findings)] == ["1", "2", "3"]
    assert str(oru.segment("TQ1")[9]) == "S^STAT^HL70485"


def test_a_read_that_is_overdue_has_no_result_yet() -> None:
    """OBR-25 and OBX-11 say that it is pending, and nothing is abnormal."""
    oru = parsed(a_message(topic="overdue", is_read=False))
    assert (str(oru.segment("OBR")[25]), str(oru.segments("OBX")[1][11]), str(oru.segments("OBX")[1][8])) == (
        "I",
        "I",
        "",
    )


def test_a_read_that_came_late_is_preliminary() -> None:
    """There is a result by now; that it is late makes nothing abnormal."""
    oru = parsed(a_message(topic="overdue"))
    line = oru.segments("OBX")[1]
    assert (str(oru.segment("OBR")[25]), str(line[11]), str(line[8])) == ("P", "P", "")


def test_delimiters_in_values_are_escaped(message: Message) -> None:
    """An accession number with every delimiter in it arrives as it was, in OBR-3 and OBR-18."""
    oru = parsed(message)
    order = oru.segment("OBR")
    assert [oru.unescape(str(order[n])) for n in (3, 18)] == ["A~1\\2&3"] * 2


def test_a_value_cannot_start_a_segment() -> None:
    """Line ends and control characters become spaces."""
    assert escaped("a\rOBX|9\nb\x0b\x1cc") == "a OBX\\F\\9 b  c"


def test_without_patient_data_there_is_no_pid(message: Message) -> None:
    """The group is optional (HL7 v2.5.1 7.3.1); where the site lets them go, all of it is there."""
    assert "PID" not in {str(segment[0]) for segment in parsed(message)}
    oru = parsed(a_message(patient=PATIENT))
    patient = oru.segment("PID")
    assert oru.unescape(str(patient[3][0][0])) == "PAT|7^8"
    assert str(patient[3][0][3]) == "HOSPITAL"
    assert str(patient[7]) == "19700131"


def test_a_person_name_changes_its_order() -> None:
    """DICOM has prefix before suffix, XPN the other way round; ideographs are a repetition of their own."""
    patient = parsed(a_message(patient=PATIENT)).segment("PID")
    assert str(patient[5]) == "Müller^Hans^Otto^Jr.^Dr.^^L^A~山田^太郎^^^^^L^I"


def test_a_study_without_accession_number_has_a_filler_number() -> None:
    """OBR-3 is required: the notification's key stands in."""
    order = parsed(a_message(accession_number="")).segment("OBR")
    assert str(order[3]) == "0123456789abcdef0123^WETREAD"
    assert len(str(order[18])) == 0


def test_the_same_notification_is_the_same_message(message: Message) -> None:
    """A receiver that gets it twice can tell by comparing bytes."""
    assert oru_of(message, ENGINE) == oru_of(message, ENGINE)
    assert oru_of(message, ENGINE).encode().decode() == oru_of(message, ENGINE)


@pytest.mark.parametrize("line_end", ["\r", "\r\n", "\n"])
def test_an_ack_is_read_whatever_its_separator(line_end: str) -> None:
    """MSH-1 names the separator; some engines end segments with line feeds."""
    said = acknowledgement_of(line_end.join(("MSH#^~\\&#RIS####20260102##ACK#1#P#2.5.1", "MSA#AR#abc#busy", "")))
    assert (said.code, said.control_id) == ("AR", "abc")


@pytest.mark.parametrize("text", ["", "HTTP/1.1 400 Bad Request", "MSH", "MSH|^~\\&|RIS\rERR|x"])
def test_what_is_no_ack_is_told(text: str) -> None:
    """Another protocol on this port is no acknowledgement."""
    with pytest.raises(ValueError, match="without MS"):
        acknowledgement_of(text)
