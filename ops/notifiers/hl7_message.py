"""A notification as an HL7 v2.5.1 ORU^R01, and what an acknowledgement says. Pure text.

By hand: seven segments are written and two fields are read, with every value escaped in one place; the libraries parse
much and write little. Study Instance UID and accession number stand where IHE's Send Imaging Result (RAD-128) has them.
"""

from dataclasses import dataclass

from dicom_node.archives.identity import StudyIdentity
from worker.jobs.notification_records import Message
from worker.notifying.notification_settings import Hl7Settings

_ENCODING_CHARACTERS = "^~\\&"
#: HL7 v2.5.1 2.7.1; the escape character first, so that no escape is escaped again.
_ESCAPES = (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\"))
_FINDINGS = "59776-5^Procedure Findings^LN"
_COMMENT = "48767-8^Annotation comment^LN"
_STUDY = "113014^DICOM Study^DCM"
_PROCEDURE = "18748-4^Diagnostic imaging study^LN"
#: XPN.8, name representation code, by component group of a DICOM person name (PS3.5 6.2.1).
_REPRESENTATIONS = ("A", "I", "P")


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """What an ACK says.

    Attributes:
        code: MSA-1: AA, AE, AR, or CA, CE, CR.
        control_id: MSA-2, of the message that it answers.
    """

    code: str
    control_id: str


def oru_of(message: Message, settings: Hl7Settings) -> str:
    """Return the message, segments ended by carriage returns."""
    at = message.created_at.strftime("%Y%m%d%H%M%S%z")
    critical = message.topic == "critical"
    # P: preliminary; I: no results available yet (HL7 tables 0123 and 0085).
    status = "P" if message.is_read else "I"
    segments = [_msh(message, settings, at)]
    if message.patient is not None:
        segments.append(_pid(message.patient))
    segments.append(_obr(message, at, status))
    if critical:
        segments.append(_segment("TQ1", {1: "1", 9: "S^STAT^HL70485"}))
    # O: order detail description only, no result.
    segments.append(_segment("OBX", {1: "1", 2: "ST", 3: _STUDY, 5: escaped(message.study_instance_uid), 11: "O"}))
    segments += [
        _segment(
            "OBX",
            {
                1: str(number + 1),
                2: "TX",
                3: _FINDINGS if critical else _COMMENT,
                4: str(number),
                5: escaped(sentence),
                8: "AA" if critical else "",
                11: status,
                14: at,
                18: escaped(message.model),
            },
        )
        for number, sentence in enumerate(message.sentences, start=1)
    ]
    return "\r".join(segments) + "\r"


def escaped(text: str) -> str:
    """Return text that no receiver takes for delimiters or the end of a segment."""
    for delimiter, escape in _ESCAPES:
        text = text.replace(delimiter, escape)
    return "".join(character if character.isprintable() else " " for character in text)


def acknowledgement_of(text: str) -> Acknowledgement:
    """Return what an ACK says. Raises ValueError when it is none."""
    segments = [segment for segment in text.replace("\n", "\r").split("\r") if segment]
    if not segments or not segments[0].startswith("MSH") or len(segments[0]) <= len("MSH"):
        raise ValueError("an answer without MSH")
    separator = segments[0][3]
    for segment in segments:
        name, *fields = segment.split(separator)
        if name == "MSA" and fields:
            return Acknowledgement(code=fields[0].strip(), control_id=fields[1].strip() if len(fields) > 1 else "")
    raise ValueError("an answer without MSA")


def _msh(message: Message, settings: Hl7Settings, at: str) -> str:
    fields = {
        2: settings.sending_application,
        3: settings.sending_facility,
        4: settings.receiving_application,
        5: settings.receiving_facility,
        6: at,
        8: "ORU^R01^ORU_R01",
        9: message.key,
        10: settings.processing_id,
        11: "2.5.1",
        17: "UNICODE UTF-8",
        18: f"{escaped(message.language)}^^ISO639",
    }
    # MSH-1 is the separator itself, so that every number here is one less than the standard's.
    return _segment("MSH", {1: _ENCODING_CHARACTERS, **fields})


def _pid(patient: StudyIdentity) -> str:
    identifier = escaped(patient.patient_id)
    if patient.issuer_of_patient_id:
        identifier += f"^^^{escaped(patient.issuer_of_patient_id)}"
    fields = {1: "1", 3: identifier, 5: _name(patient.patient_name), 7: escaped(patient.patient_birth_date)}
    return _segment("PID", fields)


def _obr(message: Message, at: str, status: str) -> str:
    accession_number = escaped(message.accession_number)
    fields = {
        1: "1",
        3: accession_number or f"{message.key}^WETREAD",
        4: _PROCEDURE,
        7: at,
        18: accession_number,
        22: at,
        25: status,
    }
    return _segment("OBR", fields)


def _name(person_name: str) -> str:
    """Return a DICOM person name as repetitions of XPN: prefix and suffix change places."""
    repetitions = []
    for group, representation in zip(person_name.split("="), _REPRESENTATIONS, strict=False):
        family, given, middle, prefix, suffix = (escaped(part.strip()) for part in (*group.split("^"), *[""] * 5)[:5])
        if group.strip("^ "):
            repetitions.append(f"{family}^{given}^{middle}^{suffix}^{prefix}^^L^{representation}")
    return "~".join(repetitions)


def _segment(name: str, fields: dict[int, str]) -> str:
    values = [fields.get(number, "") for number in range(1, max(fields) + 1)]
    return "|".join((name, *values)).rstrip("|")
