"""What `wetread validate` does: the output gate and other people's validators on files of anybody."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.misc import is_dicom

from dicom_node.sources.sources import entries_of
from ops.commands.validators import VALIDATORS, Validator, run
from worker.errors import WorkerError
from worker.gate.found_results import Found, Read, found, judge

GATE = "gate"
_PRIVATE = (
    "PatientID", "PatientBirthDate", "AccessionNumber", "IssuerOfPatientID", "PatientAddress", "PatientComments",
    "PatientTelephoneNumbers", "AdmissionID",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ObjectReport:
    """What is said of one result.

    Attributes:
        file: Its file.
        kind: Name of its SOP class.
        uid: SOP Instance UID.
        problems: By who found them; an empty tuple where nothing is wrong, no entry where nobody looked.
    """

    file: Path
    kind: str
    uid: str
    problems: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """What is said of the results of one read.

    Attributes:
        objects: Each of them.
        together: Problems of no single one, by who found them.
        sources: How many images it stands on are here.
        not_checked: Checks of the gate that could not be asked.
    """

    objects: tuple[ObjectReport, ...]
    together: Mapping[str, tuple[str, ...]]
    sources: int
    not_checked: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a validation comes to.

    Attributes:
        reads: In the order of their files.
        unreadable: Files that are no DICOM though they claim it, with the error's name; folders that cannot be looked
            into and links that are not followed, with why.
        others: DICOM files that are no results: images, which are taken as sources.
        not_dicom: How many files were passed over.
        false_alarms: What validators say that is no defect: who, why it is none, and the lines.
        asked: The gate and the validators that were asked.
        not_installed: Validators that are not here, and the package that brings them.
    """

    reads: tuple[ReadReport, ...]
    unreadable: Mapping[Path, str]
    others: int
    not_dicom: int
    false_alarms: Mapping[tuple[str, str], Collection[str]]
    asked: tuple[str, ...]
    not_installed: Mapping[str, str]

    @property
    def problems(self) -> int:
        """How many there are."""
        of_reads = (told for read in self.reads for told in (read.together, *(made.problems for made in read.objects)))
        return len(self.unreadable) + sum(len(lines) for told in of_reads for lines in told.values())


def validate(
    paths: Sequence[Path], against: Sequence[Path], say: Callable[[str], None], *, gate_only: bool = False
) -> Report:
    """Ask the gate and every validator that is installed of all results in these files and folders.

    Args:
        paths: Results of anybody; images among them are taken as sources.
        against: Sources.
        say: Is told what is being done.
        gate_only: Ask no validator.
    """
    say("reading")
    unreadable: dict[Path, str] = {}
    not_dicom: list[Path] = []
    here = list(_read(paths, unreadable, not_dicom))
    sources = [*_read(against, unreadable, not_dicom), *(one for one in here if not one.is_result)]
    results = [one for one in here if one.is_result]
    installed = [] if gate_only else [one for one in VALIDATORS if one.command() is not None]
    alarms: dict[tuple[str, str], dict[str, None]] = {}
    say("the gate")
    return Report(
        reads=tuple(_reported(read, installed, alarms, say) for read in judge(results, sources)),
        unreadable=unreadable,
        others=len(here) - len(results),
        not_dicom=len(not_dicom),
        false_alarms=alarms,
        asked=(GATE, *(one.tool for one in installed)),
        not_installed={} if gate_only else {one.tool: one.install for one in VALIDATORS if one not in installed},
    )


def _read(paths: Sequence[Path], unreadable: dict[Path, str], not_dicom: list[Path]) -> Iterator[Found]:
    for path, why in entries_of(paths):
        if why:
            unreadable[path] = why
            continue
        if path.name == "DICOMDIR" or not is_dicom(path):
            not_dicom.append(path)
            continue
        try:
            one = found(path)
        except (OSError, InvalidDicomError, WorkerError, EOFError, ValueError, AttributeError, KeyError) as error:
            unreadable[path] = type(error).__name__
            continue
        if one.uid and one.dataset.get("SOPClassUID"):
            yield one
        else:
            unreadable[path] = "no SOP Class or SOP Instance UID"


def _reported(
    read: Read,
    installed: Sequence[Validator],
    alarms: dict[tuple[str, str], dict[str, None]],
    say: Callable[[str], None],
) -> ReadReport:
    private = [value for one in (*read.results, *read.sources[:1]) for value in private_values(one.dataset)]

    def ask(validator: Validator, files: Sequence[Path]) -> tuple[str, ...]:
        say(f"{validator.tool}: {files[-1].name}")
        verdict = run(validator, files, private)
        for line, reason in verdict.false_alarms.items():
            alarms.setdefault((validator.tool, reason), {})[line] = None
        return verdict.problems

    objects = []
    for result, problems in zip(read.results, read.problems, strict=True):
        told: dict[str, tuple[str, ...]] = {GATE: tuple(map(str, problems))}
        for validator in installed:
            if not validator.together and (not validator.reports_only or result.dataset.get("Modality") == "SR"):
                told[validator.tool] = ask(validator, [result.path])
        objects.append(ObjectReport(file=result.path, kind=result.kind, uid=result.uid, problems=told))
    together: dict[str, tuple[str, ...]] = {GATE: tuple(map(str, read.together))}
    files = [one.path for one in (*read.sources, *read.results)]
    for validator in installed:
        if validator.together and len(files) > 1:
            together[validator.tool] = ask(validator, files)
    return ReadReport(
        objects=tuple(objects), together=together, sources=len(read.sources), not_checked=read.not_checked
    )


def private_values(dataset: Dataset) -> Iterator[str]:
    """Yield what must not be repeated of a patient: names and their parts, ids, birth date, accession number."""
    for element in dataset:
        if element.VR == "PN" and element.value:
            name = str(element.value)
            yield name
            yield from (part for group in name.split("=") for part in group.split("^") if part)
        elif element.keyword in _PRIVATE and element.value:
            yield str(element.value)


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as what `--json` prints."""
    return {
        "problems": report.problems,
        "reads": [
            {
                "objects": [
                    {"file": str(made.file), "kind": made.kind, "uid": made.uid, "problems": dict(made.problems)}
                    for made in read.objects
                ],
                "together": dict(read.together),
                "sources": read.sources,
                "not_checked": list(read.not_checked),
            }
            for read in report.reads
        ],
        "unreadable": {str(path): name for path, name in report.unreadable.items()},
        "not_results": report.others,
        "not_dicom": report.not_dicom,
        "known_false_alarms": [
            {"tool": tool, "reason": reason, "lines": list(lines)}
            for (tool, reason), lines in report.false_alarms.items()
        ],
        "asked": list(report.asked),
        "not_installed": dict(report.not_installed),
    }
