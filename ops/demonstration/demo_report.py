"""What the demonstration tells of the objects that it read back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom import dcmread
from pydicom.uid import (
    Comprehensive3DSRStorage,
    EnhancedSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ops.demonstration.demo import Outcome

#: SOP classes of results; the sources stay in the archive.
RESULT_CLASSES = (SegmentationStorage, Comprehensive3DSRStorage, EnhancedSRStorage, SecondaryCaptureImageStorage)
_MOST_FINDINGS = 6
#: What a UCUM unit says in braces is a remark, such as {H.B.} in {H.B.}/min.
_ANNOTATION = re.compile(r"\{[^}]*\}")


def study_of(file: Path) -> str:
    """Return the Study Instance UID of a file."""
    return str(dcmread(file, stop_before_pixels=True, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)


def instance_of(file: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return str(dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


def named_by_kind(files: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Move files to names that tell what they are; return them by kind."""
    named = {}
    for file in files:
        kind = _kind(dcmread(file, stop_before_pixels=True))
        named[kind] = file.replace(folder / f"{kind}.dcm")
    (folder / "incoming").rmdir()
    return dict(sorted(named.items()))


def findings_in(files: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the numbers and the coded findings of the reports, as sentences."""
    found: list[str] = []
    for kind, file in files.items():
        if kind in ("sr", "ecg-sr"):
            found += _sentences(dcmread(file), "")
    return tuple(found[:_MOST_FINDINGS])


def show(outcomes: "Sequence[Outcome]", console: Console) -> None:
    """Print a table of what came back."""
    table = Table("study", "model", "finding", "seconds", show_lines=True)
    table.add_column("objects (SOP Instance UID)", overflow="fold")
    for outcome in outcomes:
        objects = "\n".join(f"{kind}: {uid}" for kind, uid in outcome.objects.items())
        table.add_row(outcome.study, outcome.model, "\n".join(outcome.findings), f"{outcome.seconds:.1f}", objects)
    console.print(table)
    for outcome in outcomes:
        console.print(f"{outcome.study}: {outcome.picture}", highlight=False, soft_wrap=True)


def _kind(dataset: Any) -> str:
    """Return the kind, which is the last word of a result's series description."""
    return str(dataset.SeriesDescription).rsplit(" ", 1)[-1].lower()


def _sentences(item: Any, finding: str) -> Iterator[str]:
    """Walk a content tree: each number with its unit, under the finding that it belongs to, and each coded finding."""
    children = item.get("ContentSequence") or []
    names = {_name(child): child for child in children if child.get("ValueType") == "CODE"}
    if "Finding" in names:
        finding = _meaning(names["Finding"].ConceptCodeSequence)
    for child in children:
        if child.ValueType == "NUM" and child.MeasuredValueSequence:
            measured = child.MeasuredValueSequence[0]
            unit = _ANNOTATION.sub("", str(measured.MeasurementUnitsCodeSequence[0].CodeValue))
            yield f"{finding + ': ' if finding else ''}{_name(child)} {float(measured.NumericValue):.4g} {unit}"
        elif child.ValueType == "CODE" and _name(child) == "ECG finding":
            yield _meaning(child.ConceptCodeSequence)
        if child.ValueType == "CONTAINER":
            yield from _sentences(child, finding)


def _name(item: Any) -> str:
    sequence = item.get("ConceptNameCodeSequence")
    return _meaning(sequence) if sequence else ""


def _meaning(sequence: Any) -> str:
    return str(sequence[0].CodeMeaning)
