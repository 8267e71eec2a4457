"""What other people's validators say of our objects that is no defect of them: one table, each row with its reason.

Everything else that a validator calls an error or a warning is a problem.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Tool = Literal["dciodvfy", "dcentvfy", "DicomSRValidator", "dsrdump", "dsr2xml"]


@dataclass(frozen=True, kw_only=True)
class FalseAlarm:
    """Words of a validator that name no defect.

    Attributes:
        tools: Who says it.
        pattern: Regular expression that is found in the line.
        reason: Why it is no defect.
    """

    tools: tuple[Tool, ...]
    pattern: str
    reason: str


_DCMTK: tuple[Tool, ...] = ("dsrdump", "dsr2xml")

KNOWN: Final[tuple[FalseAlarm, ...]] = (
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"not present in standard DICOM IOD - \(0x0018,0x1002\) UI Device UID",
        reason="Device UID in Contributing Equipment Sequence is what IHE AI Results asks for (PS3.3 C.12.1)",
    ),
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"contains attributes not present in standard DICOM IOD - this is a Standard Extended SOP Class",
        reason="sums up the lines before it, each of which is judged by itself",
    ),
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"Value dubious for this VR .*Retired Person Name form",
        reason="a name without components is the source's and is passed on as it came",
    ),
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"Unrecognized defined term <QUANTITY> for value 4 of attribute <(Image|Frame) Type>",
        reason="value 4 of a parametric map's types has defined terms, which may be extended; the program knows few",
    ),
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"would be needed to build DICOMDIR",
        reason="a value that the source does not have is sent empty, which only a DICOMDIR would not allow (Type 2)",
    ),
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"Missing attribute Type 2C Conditional Element=<Laterality>",
        reason="(0020,0060) is for a paired body part alone, and the program cannot know that (PS3.3 C.7.3.1)",
    ),
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"Error - Information Object Not found$",
        reason="Label Map Segmentation is newer than the program, which has checked no module of it",
    ),
    FalseAlarm(
        tools=("dciodvfy",),
        pattern=r"SegmentSequence item number 1 \(from one\) with SegmentNumber of 0$",
        reason="in a label map the background is described too, as segment 0 (PS3.3 C.8.20.2)",
    ),
    FalseAlarm(
        tools=("dcentvfy",),
        pattern=r"Unrecognized SOP Class - [\d.]+\.66\.7 |IE <Unknown> versus|versus <Unknown>",
        reason="the program does not know Label Map Segmentation, which is newer than it",
    ),
    FalseAlarm(
        tools=("dcentvfy",),
        pattern=r"Different information entities for attribute - Element=<AccessionNumber>",
        reason="the number stands in the study of every object; the program looks for it in a series' request as well",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"\(121058,DCM,\"Procedure reported\"\).* not found in context group 100\b",
        reason="the list may be extended, so a site's own code of the procedure is as good (PS3.16 TID 1500, CID 100)",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"\((818981001|816094009|816092008|818982008|15776009|24136001|1217253001|1217256009),SCT,\"[^\"]*\"\) "
        r"not found in context group 4031\b",
        reason="chest, abdomen, pelvis and a few others have had these codes in the list since after the program was "
        "made (PS3.16 CID 4031)",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"^Error: Template 14(10|11) .*Row \d+\] (SCOORD|IMAGE|SCOORD3D) .*Missing conditional content item$",
        reason="a group about the whole image (TID 1501) beside others is held against the template of those; "
        "the output gate itself checks that each group is what its template says",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"/(TEXT|CODE) \((111001|111003|122405|111000),DCM,.*: Content Item not in template",
        reason="newer templates have TID 4019 in a measurement group, and IHE AI Results asks for it there",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"/CODE \(276214006,SCT,\"Finding category\"\): Content Item not in template",
        reason="newer templates have the category in a measurement group (PS3.16 TID 1410, 1411, 1501)",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"\(125007,DCM,\"Measurement Group\"\)/CODE \([^()]*\): Content Item not in template",
        reason="a qualitative evaluation may have any name (PS3.16 TID 1501), which the program does not expect",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"\(125007,DCM,\"Measurement Group\"\)/IMAGE \(121112,DCM,\"Source of Measurement\"\)",
        reason="a group about the whole image names its images (PS3.16 TID 1501), which the program holds against the "
        "templates of other groups",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"/IMAGE/(CODE \(123011,DCM,\"Contrast/Bolus Agent\"|TEXT \(113961,DCM,\"Reconstruction Algorithm\")\)"
        r": Content Item not in template",
        reason="what an image library says of an image may be extended (PS3.16 TID 1602)",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"^Warning: 1[\d.]*: /CONTAINER \(18748-4,LN,.*Content Item not in template",
        reason="the program knows the headings of TID 2000 by their former DCM codes, not by LOINC (PS3.16 CID 7001)",
    ),
    FalseAlarm(
        tools=("DicomSRValidator",),
        pattern=r"^Warning: 1[\d.]*: /CONTAINER \(28010-7,LN,\"ECG Report\"\).*Content Item not in template",
        reason="the program has no TID 3700",
    ),
    FalseAlarm(
        tools=_DCMTK,
        pattern=r"VR checker does not support this Specific Character Set: ISO_IR 192",
        reason="DCMTK without its Unicode library says that it did not look, not that something is wrong",
    ),
)

_SAID = {
    "dciodvfy": re.compile(r"^(Error|Warning|Abort)\b"),
    "dcentvfy": re.compile(r"^(Error|Warning|Abort)\b"),
    "DicomSRValidator": re.compile(r"^(Error|Warning)\b|Exception\b"),
    "dsrdump": re.compile(r"^[EFW]: "),
    "dsr2xml": re.compile(r"^[EFW]: "),
}
#: dciodvfy and dcentvfy quote values, which may be a patient's.
_VALUE = re.compile(r"= <.*> - ")
_TWO_VALUES = re.compile(r"\bValue \d+ <.*")


def real_problems(tool: str, output: str) -> list[str]:
    """Return what a validator found wrong, each once and without the values that it quotes; empty where all is well.

    Args:
        tool: One of `Tool`.
        output: Everything that it wrote, standard output and error together.
    """
    return list(dict.fromkeys(line for line in _complaints(tool, output) if _alarm(tool, line) is None))


def false_alarms(tool: str, output: str) -> dict[str, str]:
    """Return what a validator said that is no defect, and why it is none."""
    found = ((line, _alarm(tool, line)) for line in _complaints(tool, output))
    return {line: alarm.reason for line, alarm in found if alarm is not None}


def _alarm(tool: str, line: str) -> FalseAlarm | None:
    return next((alarm for alarm in KNOWN if tool in alarm.tools and re.search(alarm.pattern, line)), None)


def _complaints(tool: str, output: str) -> Iterator[str]:
    said = _SAID[tool]
    for line in output.splitlines():
        if said.search(line):
            yield _VALUE.sub("= <...> - ", _TWO_VALUES.sub("Value <...>", line.strip()))
    if tool == "DicomSRValidator" and "IOD validation complete" not in output:
        yield "Error: the validator did not get to its end"
