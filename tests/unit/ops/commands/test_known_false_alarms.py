"""What validators say is sorted into defects and known false alarms."""

import re
from typing import get_args

import pytest

from ops.commands.known_false_alarms import KNOWN, Tool, false_alarms, real_problems

_DEVICE = "Warning - Attribute is not present in standard DICOM IOD - (0x0018,0x1002) UI Device UID "
_MISSING = "Error - Missing attribute Type 1 Required Element=<VerificationFlag> Module=<SRDocumentGeneral>"


def test_a_false_alarm_is_no_problem_and_is_told_with_its_reason() -> None:
    """A known line is left out of the problems and listed with why it is harmless."""
    output = f"Comprehensive3DSR\n{_DEVICE}\n"
    assert real_problems("dciodvfy", output) == []
    ((line, reason),) = false_alarms("dciodvfy", output).items()
    assert line == _DEVICE.strip()
    assert "IHE" in reason


def test_everything_else_is_a_problem_once() -> None:
    """What is not in the table is told, each line once, whatever else stands around it."""
    assert real_problems("dciodvfy", f"{_MISSING}\n{_DEVICE}\n{_MISSING}\nTable") == [_MISSING]
    assert real_problems("dsrdump", "W: Reading unknown/unsupported CompletionFlag (NONSENSE)\nReport") == [
        "W: Reading unknown/unsupported CompletionFlag (NONSENSE)"
    ]


def test_a_false_alarm_of_one_program_is_none_of_another() -> None:
    """A row counts for its own programs alone."""
    assert real_problems("dcentvfy", _DEVICE) == [_DEVICE.strip()]


def test_no_value_of_a_patient_is_repeated() -> None:
    """Values that dciodvfy and dcentvfy quote stay out of what is told."""
    lines = {
        "dciodvfy": "Error - Value invalid for this VR - (0x0010,0x0020) LO Patient ID  LO [1] = <SECRET> - too long",
        "dcentvfy": "Error - String attribute has different value - Element=<PatientName> IE=<Patient> for file <a> "
        "versus <b> Value 1 <SECRET^A> versus <SECRET^B>",
    }
    for tool, line in lines.items():
        (told,) = real_problems(tool, line)
        assert "SECRET" not in told
        assert "Patient" in told


def test_a_validator_that_broke_off_found_a_problem() -> None:
    """DicomSRValidator ends with success even after an exception; both the exception and the missing end are told."""
    told = real_problems("DicomSRValidator", "java.io.FileNotFoundException: x.dcm (No such file or directory)")
    assert len(told) == 2
    assert real_problems("DicomSRValidator", "Found EnhancedSR IOD\nIOD validation complete\n") == []


@pytest.mark.parametrize("alarm", KNOWN, ids=lambda alarm: alarm.reason[:40])
def test_every_row_is_complete(alarm: object) -> None:
    """Each row names programs that are known, a pattern that compiles and a reason."""
    row = next(known for known in KNOWN if known is alarm)
    assert set(row.tools) <= set(get_args(Tool))
    assert re.compile(row.pattern)
    assert row.reason
