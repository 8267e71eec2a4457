"""The schema of PS3.15 A.5.1 as a table, what of an audit message does not fit it, and how one is read."""

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN, _TEXT, _EMPTY = r"(?s).*", r"(?s).*", r"\s*"
_INTEGER, _BOOLEAN, _DATE_TIME = r"-?\d+", "true|false|0|1", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_ONE, _OPTIONAL, _ANY, _SOME = (1, 1), (0, 1), (0, 10**6), (1, 10**6)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an element may be.

    Attributes:
        attributes: Name to what its value must match; a ``?`` at the end of the name makes it optional.
        children: In this order: names that stand for each other, how often, and their rule.
        text: What its text must match.
    """

    attributes: dict[str, str]
    children: tuple[tuple[dict[str, "Rule"], tuple[int, int]], ...] = ()
    text: str = _EMPTY


_CSD = {"codeSystemName": _TOKEN, "displayName?": _TOKEN, "originalText": _TOKEN}
_CODED = Rule(attributes={"csd-code": _TOKEN, **_CSD})
_OF_TEXT = Rule(attributes={}, text=_TEXT)
_VALUE_PAIR = Rule(attributes={"type": _TOKEN, "value": _BASE64})
_UID = Rule(attributes={"UID": _TOKEN})

_EVENT = Rule(
    attributes={"EventActionCode?": "[CRUDE]", "EventDateTime": _DATE_TIME, "EventOutcomeIndicator": "0|4|8|12"},
    children=(
        ({"EventID": _CODED}, _ONE),
        ({"EventTypeCode": _CODED}, _ANY),
        ({"EventOutcomeDescription": _OF_TEXT}, _OPTIONAL),
    ),
)
_PARTICIPANT = Rule(
    attributes={
        "UserID": _TEXT,
        "AlternativeUserID?": _TEXT,
        "UserName?": _TEXT,
        "UserIsRequestor": _BOOLEAN,
        "NetworkAccessPointID?": _TOKEN,
        "NetworkAccessPointTypeCode?": "[1-5]",
    },
    children=(({"RoleIDCode": _CODED}, _ANY),),
)
_SOURCE = Rule(
    attributes={"AuditEnterpriseSiteID?": _TOKEN, "AuditSourceID": _TOKEN},
    children=(
        (
            {"AuditSourceTypeCode": Rule(attributes={"csd-code": "[1-9]", **{f"{k}?": v for k, v in _CSD.items()}})},
            _ANY,
        ),
    ),
)
_DESCRIPTION = Rule(
    attributes={},
    children=(
        ({"MPPS": _UID}, _ANY),
        ({"Accession": Rule(attributes={"Number": _TOKEN})}, _ANY),
        (
            {
                "SOPClass": Rule(
                    attributes={"UID?": _TOKEN, "NumberOfInstances": _INTEGER}, children=(({"Instance": _UID}, _ANY),)
                )
            },
            _ANY,
        ),
        ({"Encrypted": Rule(attributes={}, text=_BOOLEAN)}, _OPTIONAL),
        ({"Anonymized": Rule(attributes={}, text=_BOOLEAN)}, _OPTIONAL),
    ),
)
_OBJECT = Rule(
    attributes={
        "ParticipantObjectID": _TOKEN,
        "ParticipantObjectTypeCode?": "[1-4]",
        "ParticipantObjectTypeCodeRole?": "[1-9]|1[0-9]|2[0-6]",
        "ParticipantObjectDataLifeCycle?": "[1-9]|1[0-5]",
        "ParticipantObjectSensitivity?": _TOKEN,
    },
    children=(
        ({"ParticipantObjectIDTypeCode": _CODED}, _ONE),
        (
            {
                "ParticipantObjectName": _OF_TEXT,
                "ParticipantObjectQuery": Rule(attributes={}, text=_BASE64),
            },
            _ONE,
        ),
        ({"ParticipantObjectDetail": _VALUE_PAIR}, _ANY),
        ({"ParticipantObjectDescription": _DESCRIPTION}, _ANY),
    ),
)
_MESSAGE = Rule(
    attributes={},
    children=(
        ({"EventIdentification": _EVENT}, _ONE),
        ({"ActiveParticipant": _PARTICIPANT}, _SOME),
        ({"AuditSourceIdentification": _SOURCE}, _ONE),
        ({"ParticipantObjectIdentification": _OBJECT}, _ANY),
    ),
)


class Told:
    """An audit message as its receiver reads it; one that does not fit the schema is an AssertionError."""

    def __init__(self, xml: bytes) -> None:
        assert len(xml) < 32768  # what PS3.15 A.6 wants a receiver to take
        assert b"\n" not in xml
        self.root = ET.fromstring(xml)  # noqa: S314  # our own
        assert self.root.tag == "AuditMessage"
        assert list(_misfits(self.root, _MESSAGE)) == []

    @property
    def event(self) -> str:
        """Event ID, such as "110104"."""
        return self.root.find("EventIdentification/EventID").attrib["csd-code"]

    @property
    def kind(self) -> str:
        """Event Type Code; "" where there is none."""
        code = self.root.find("EventIdentification/EventTypeCode")
        return "" if code is None else code.attrib["csd-code"]

    def of_event(self, name: str) -> str:
        """Return an attribute of the event."""
        return self.root.find("EventIdentification").attrib[name]

    @property
    def sides(self) -> list[tuple[str, str, str]]:
        """Role, User ID and network access point of each participant."""
        return [
            (
                "" if (role := one.find("RoleIDCode")) is None else role.attrib["csd-code"],
                one.attrib["UserID"],
                one.attrib.get("NetworkAccessPointID", ""),
            )
            for one in self.root.findall("ActiveParticipant")
        ]

    def subject(self, code: str) -> ET.Element:
        """Return the participant object whose identifier has this type."""
        (found,) = [
            one
            for one in self.root.findall("ParticipantObjectIdentification")
            if one.find("ParticipantObjectIDTypeCode").attrib["csd-code"] == code
        ]
        return found

    @property
    def study(self) -> str:
        """Study Instance UID."""
        return self.subject("110180").attrib["ParticipantObjectID"]

    @property
    def patient(self) -> tuple[str, str]:
        """Patient's id and name."""
        patient = self.subject("2")
        return patient.attrib["ParticipantObjectID"], patient.findtext("ParticipantObjectName") or ""

    @property
    def sop_classes(self) -> dict[str, int]:
        """How many instances of each SOP class."""
        found = self.subject("110180").iterfind("ParticipantObjectDescription/SOPClass")
        return {one.attrib["UID"]: int(one.attrib["NumberOfInstances"]) for one in found}

    def detail(self, code: str, kind: str) -> str:
        """Return a detail of the participant object of this type, decoded."""
        (found,) = [one for one in self.subject(code).iterfind("ParticipantObjectDetail") if one.get("type") == kind]
        return base64.b64decode(found.attrib["value"]).decode()


def _misfits(element: ET.Element, rule: Rule) -> Iterator[str]:
    """Yield what of an element does not fit."""
    known = {name.rstrip("?"): pattern for name, pattern in rule.attributes.items()}
    yield from (f"{element.tag}: {name}" for name in element.attrib if name not in known)
    yield from (
        f"{element.tag}: no {name}" for name in rule.attributes if name[-1] != "?" and name not in element.attrib
    )
    for name, value in element.attrib.items():
        if not re.fullmatch(known.get(name, ""), value):
            yield f"{element.tag}: {name} is {value!r}"
    if not re.fullmatch(rule.text, element.text or ""):
        yield f"{element.tag}: text {element.text!r}"
    rest = list(element)
    for rules, (least, most) in rule.children:
        count = 0
        while rest and rest[0].tag in rules and count < most:
            yield from _misfits(rest[0], rules[rest[0].tag])
            rest.pop(0)
            count += 1
        if count < least:
            yield f"{element.tag}: {count} of {', '.join(rules)}"
    yield from (f"{element.tag}: {child.tag} has no place there" for child in rest)
