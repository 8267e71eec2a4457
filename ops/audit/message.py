"""A record as an audit message: the XML of PS3.15 A.5.1, filled in as A.5.2 and A.5.3 want it. Pure."""

import base64
import re
import xml.etree.ElementTree as ET  # written here, never parsed
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from dicom_node.archives.identity import StudyIdentity
from ops.audit.records import Activity, Alert, Lapse, Record, Side, Transfer

#: A value from outside is cut to this: the longest message stays below the 32768 bytes of PS3.15 A.6.
_LONGEST = 256
#: What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: For what the schema wants and nobody knows.
NONE = "<none>"


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Who tells.

    Attributes:
        ae_title: Ours.
        process: Name of the process, such as ``wetread node``.
        host: Name of this machine; the same in all messages (A.5.2.4).
        source_id: Audit Source ID.
        site_id: Audit Enterprise Site ID; "" for none.
    """

    ae_title: str
    process: str
    host: str
    source_id: str
    site_id: str

    def side(self, *, requestor: bool) -> Side:
        """Return it as a side of a transfer."""
        return Side(ae_title=self.ae_title, address=self.host, requestor=requestor, process=self.process)


class _Code(NamedTuple):
    value: str
    meaning: str
    scheme: str = "DCM"


_BEGIN = _Code("110102", "Begin Transferring DICOM Instances")
_TRANSFERRED = _Code("110104", "DICOM Instances Transferred")
_ACTIVITY = _Code("110100", "Application Activity")
_START, _STOP = _Code("110120", "Application Start"), _Code("110121", "Application Stop")
_ALERT = _Code("110113", "Security Alert")
_NODE_AUTHENTICATION = _Code("110126", "Node Authentication")
_RECORDING = _Code("110134", "Audit Recording Started")
_APPLICATION = _Code("110150", "Application")
_SOURCE, _DESTINATION = _Code("110153", "Source Role ID"), _Code("110152", "Destination Role ID")
_STUDY = _Code("110180", "Study Instance UID")
_NODE_ID = _Code("110182", "Node ID")
_PATIENT = _Code("2", "Patient Number", "RFC-3881")

_EXECUTE = "E"
_SUCCESS, _MINOR, _SERIOUS = "0", "4", "8"
_MACHINE_NAME, _IP_ADDRESS = "1", "2"
_PERSON, _SYSTEM_OBJECT = "1", "2"
_ROLE_PATIENT, _ROLE_REPORT, _ROLE_SECURITY_RESOURCE = "1", "3", "13"
_APPLICATION_SERVER = "4"


def is_warning(record: Record) -> bool:
    """Say whether a record tells of what somebody should look at."""
    return isinstance(record, Alert | Lapse) or (isinstance(record, Transfer) and bool(record.failure))


def message(record: Record, teller: Teller, patient: StudyIdentity) -> bytes:
    """Return the message in UTF-8, without a line end in it.

    Args:
        record: What happened.
        teller: Who tells.
        patient: Whose study it is about; empty for records that are about none.
    """
    root = ET.Element("AuditMessage")
    match record:
        case Transfer():
            _transfer(root, record, teller, patient)
        case Alert():
            _alert(root, record, teller)
        case Lapse():
            _lapse(root, record, teller)
        case Activity():
            _activity(root, record, teller)
    return ('<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root, encoding="unicode")).encode()


def _transfer(root: ET.Element, record: Transfer, teller: Teller, patient: StudyIdentity) -> None:
    code, action = (_BEGIN, _EXECUTE) if record.begins else (_TRANSFERRED, record.action.value)
    _event(root, code, action, record.at, outcome=_SERIOUS if record.failure else _SUCCESS, why=record.failure)
    _participant(root, record.source, _SOURCE)
    _participant(root, record.destination, _DESTINATION)
    _audit_source(root, teller)
    study = _object(root, _STUDY, record.study_instance_uid, "study", kind=_SYSTEM_OBJECT, role=_ROLE_REPORT)
    description = ET.SubElement(study, "ParticipantObjectDescription")
    if patient.accession_number:
        ET.SubElement(description, "Accession", Number=_clean(patient.accession_number))
    for uid, count in record.sop_classes:
        ET.SubElement(description, "SOPClass", UID=_clean(uid), NumberOfInstances=str(count))
    person = _object(root, _PATIENT, patient.patient_id, patient.patient_name, kind=_PERSON, role=_ROLE_PATIENT)
    if patient.issuer_of_patient_id:
        _detail(person, "Issuer of Patient ID", _clean(patient.issuer_of_patient_id).encode())


def _alert(root: ET.Element, record: Alert, teller: Teller) -> None:
    caller = record.caller
    times = f" ({record.times} times)" if record.times > 1 else ""
    _event(root, _ALERT, _EXECUTE, record.at, outcome=_MINOR, kind=_NODE_AUTHENTICATION, why=caller.found + times)
    _participant(root, teller.side(requestor=False), _APPLICATION)
    # "Performing persons or processes": UserIsRequestor shall be FALSE.
    _participant(root, Side(ae_title=caller.calling_ae_title, address=caller.address, requestor=False), None)
    _audit_source(root, teller)
    subject = _object(
        root, _NODE_ID, caller.address, caller.calling_ae_title, kind=_SYSTEM_OBJECT, role=_ROLE_SECURITY_RESOURCE
    )
    called = f", called AE title {_clean(caller.called_ae_title)}" if caller.called_ae_title else ""
    _detail(subject, "Alert Description", f"{caller.stage.value}: {caller.found}{times}{called}".encode())


def _lapse(root: ET.Element, record: Lapse, teller: Teller) -> None:
    why = f"{record.lost} audit messages before this one could not be kept and are lost"
    _event(root, _ALERT, _EXECUTE, record.at, outcome=_SERIOUS, kind=_RECORDING, why=why)
    _participant(root, teller.side(requestor=False), _APPLICATION)
    _audit_source(root, teller)
    subject = _object(root, _NODE_ID, teller.host, teller.process, kind=_SYSTEM_OBJECT, role=_ROLE_SECURITY_RESOURCE)
    _detail(subject, "Alert Description", why.encode())


def _activity(root: ET.Element, record: Activity, teller: Teller) -> None:
    _event(root, _ACTIVITY, _EXECUTE, record.at, outcome=_SUCCESS, kind=_START if record.started else _STOP)
    _participant(root, teller.side(requestor=False), _APPLICATION)
    _audit_source(root, teller)


def _event(
    root: ET.Element, code: _Code, action: str, at: datetime, *, outcome: str, kind: _Code | None = None, why: str = ""
) -> None:
    event = ET.SubElement(
        root,
        "EventIdentification",
        EventActionCode=action,
        EventDateTime=at.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=outcome,
    )
    _coded(event, "EventID", code)
    if kind is not None:
        _coded(event, "EventTypeCode", kind)
    if why:
        ET.SubElement(event, "EventOutcomeDescription").text = _clean(why)


def _participant(root: ET.Element, side: Side, role: _Code | None) -> None:
    values = {"UserID": _clean(side.ae_title or side.address) or NONE}
    if side.ae_title:
        values["AlternativeUserID"] = f"AETITLES={_clean(side.ae_title)}"
    if side.process:
        values["UserName"] = side.process
    values["UserIsRequestor"] = str(side.requestor).lower()
    if side.address:
        values["NetworkAccessPointID"] = _clean(side.address)
        values["NetworkAccessPointTypeCode"] = _IP_ADDRESS if _is_numeric(side.address) else _MACHINE_NAME
    participant = ET.SubElement(root, "ActiveParticipant", values)
    if role is not None:
        _coded(participant, "RoleIDCode", role)


def _audit_source(root: ET.Element, teller: Teller) -> None:
    values = {"AuditEnterpriseSiteID": _clean(teller.site_id)} if teller.site_id else {}
    source = ET.SubElement(root, "AuditSourceIdentification", {**values, "AuditSourceID": _clean(teller.source_id)})
    ET.SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})


def _object(root: ET.Element, code: _Code, identifier: str, name: str, *, kind: str, role: str) -> ET.Element:
    made = ET.SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_clean(identifier) or NONE,
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    _coded(made, "ParticipantObjectIDTypeCode", code)
    # Not optional, whatever the tables of A.5.3 say: the schema wants a name or a query.
    ET.SubElement(made, "ParticipantObjectName").text = _clean(name) or NONE
    return made


def _detail(parent: ET.Element, kind: str, value: bytes) -> None:
    ET.SubElement(parent, "ParticipantObjectDetail", type=kind, value=base64.b64encode(value).decode())


def _coded(parent: ET.Element, name: str, code: _Code) -> None:
    ET.SubElement(parent, name, {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning})


def _clean(text: str) -> str:
    """Return a value from outside as XML can hold it, in one line."""
    return " ".join(_NOT_XML.sub("\ufffd", text[:_LONGEST]).split())


def _is_numeric(address: str) -> bool:
    return ":" in address or address.replace(".", "").isdigit()
