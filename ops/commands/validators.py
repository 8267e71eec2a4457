"""Other people's validators, each where it is installed: how it is called, and what of its words is a defect."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.commands.known_false_alarms import Tool, false_alarms, real_problems

_TIMEOUT_S = 600
_JARS = Path("/usr/share/java")
_JAVA_LIMITS = ("xpathTotalOpLimit", "xpathExprOpLimit", "xpathExprGrpLimit")
_PAIR = re.compile(r" for file <[^>]*> versus <[^>]*>")
_VALUE = re.compile(r"\bvalue <.*> for")
#: Shorter values would black out half of a line.
_SHORTEST_VALUE = 3


@dataclass(frozen=True, kw_only=True)
class Validator:
    """A program that judges DICOM files.

    Attributes:
        tool: Its name.
        install: What brings it, as told where it is missing.
        reports_only: Whether it judges structured reports alone.
        together: Whether it compares files instead of judging each.
        command: Returns the command before the files, None where it is not installed.
    """

    tool: Tool
    install: str
    reports_only: bool
    together: bool
    command: Callable[[], list[str] | None]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a validator says of a file, or of several together.

    Attributes:
        problems: Defects, without values of a patient.
        false_alarms: What it says that is none, and why.
    """

    problems: tuple[str, ...]
    false_alarms: Mapping[str, str]


def _program(name: str) -> Callable[[], list[str] | None]:
    def find() -> list[str] | None:
        # pynetdicom's scripts lie beside Python and have the names of DCMTK's programs; those are not meant.
        path = shutil.which(name)
        return [path] if path and Path(path).parent != Path(sys.executable).parent else None

    return find


def sr_validator() -> list[str] | None:
    """Return the command of PixelMed's DicomSRValidator, without the file; None where it is not installed."""
    java = shutil.which("java")
    if java is None or not (_JARS / "pixelmed.jar").is_file():
        return None
    # Its style sheets are larger than Java allows by itself.
    limits = [f"-Djdk.xml.{limit}=0" for limit in _JAVA_LIMITS]
    # It lives for seconds: without the second compiler it takes half the work.
    short_lived = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    return [java, *short_lived, "-cp", f"{_JARS}/*", *limits, "com.pixelmed.validate.DicomSRValidator"]


VALIDATORS: tuple[Validator, ...] = (
    Validator(tool="dciodvfy", install="dicom3tools", reports_only=False, together=False, command=_program("dciodvfy")),
    Validator(tool="dcentvfy", install="dicom3tools", reports_only=False, together=True, command=_program("dcentvfy")),
    Validator(
        tool="DicomSRValidator", install="pixelmed-apps", reports_only=True, together=False, command=sr_validator
    ),
    Validator(tool="dsrdump", install="dcmtk", reports_only=True, together=False, command=_program("dsrdump")),
)


def run(validator: Validator, files: Sequence[Path], private: Sequence[str]) -> Verdict:
    """Ask a validator of files; several where it compares.

    Args:
        validator: One that is installed.
        files: What it judges.
        private: Values of the patients, which are struck out of what it says.
    """
    command = validator.command()
    if command is None:
        raise ValueError(f"{validator.tool} is not installed")
    try:
        done = subprocess.run(  # noqa: S603  # a program of the system's, and files that the caller has named
            [*command, *map(str, files)], capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict(problems=(f"took longer than {_TIMEOUT_S} s",), false_alarms={})
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    told = [_rule(without(line, private)) for line in real_problems(validator.tool, output)]
    if done.returncode < 0:
        told.append(f"was ended by signal {-done.returncode}")
    alarms = {_rule(without(line, private)): reason for line, reason in false_alarms(validator.tool, output).items()}
    return Verdict(problems=tuple(dict.fromkeys(told)), false_alarms=alarms)


def _rule(line: str) -> str:
    """Return a line without values, and without the two files that it compares: of hundreds it says the same."""
    return _VALUE.sub("value <...> for", _PAIR.sub("", line))


def without(line: str, private: Sequence[str]) -> str:
    """Return a line with every one of these values struck out, the longest first."""
    for value in sorted((value for value in private if len(value) >= _SHORTEST_VALUE), key=len, reverse=True):
        line = re.sub(re.escape(value), "<...>", line, flags=re.IGNORECASE)
    return line
