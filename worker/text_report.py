"""The text SR: what a radiologist reads on any viewer, an Enhanced SR by TID 2000, one sentence an item."""

import textwrap
from collections.abc import Iterable

from highdicom.sr import CodedConcept, RelationshipTypeValues, TextContentItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EnhancedSRStorage

from models.findings import Measurement, Reading
from models.manifest import Card
from models.volume import Waveform
from worker.case import Case
from worker.sr_document import container, document, language, observation_context, procedure_item

#: A viewer that does not wrap (OHIF) shows this many characters.
LONGEST_LINE = 90
_NOT_VERIFIED = "Made by an AI model, not verified by a physician."
_RESEARCH = "RESEARCH: this model is not cleared for clinical use."


def build_text_report(case: Case) -> Dataset:
    """Return the text SR of a reading."""
    notes = (*case.series.repairs, *case.identity.repairs)
    return _text_document(case, findings=findings_of(case.reading), notes=notes)


def build_not_read(case: Case, reason: str) -> Dataset:
    """Return the text SR that says that this series was not read and why; `reason` names no patient."""
    return _text_document(case, findings=(f"Not read by {case.provenance.card.name} because {reason}",), notes=())


def findings_of(reading: Reading) -> tuple[str, ...]:
    """Return what was found, measured and not found, one sentence each, in the order of the card's labels."""
    found = [
        f"{structure.label.name}: {', '.join(measured(m) for m in structure.measurements)}"
        for structure in reading.structures
    ]
    answers = [
        f"{finding.name.meaning}: {finding.value.meaning}"
        + ("" if finding.certainty_percent is None else f" (certainty {finding.certainty_percent:.0f} %)")
        for finding in reading.findings
    ]
    whole = [
        f"{m.name.meaning}{f' ({m.method.meaning.lower()})' if m.method else ''}: {measured(m)}"
        for m in reading.measurements
    ]
    missing = [f"Looked for and not found: {label.name}." for label in reading.missing]
    nothing = [] if found or answers or whole or missing else ["Nothing was found and nothing measured."]
    return (*answers, *whole, *found, *missing, *nothing, *reading.warnings)


def measured(measurement: Measurement) -> str:
    """Return a number with its unit, in four significant digits, as a person reads it."""
    unit = {"{H.B.}/min": "/min", "1": ""}.get(measurement.unit.value, measurement.unit.value)
    digits = 0 if abs(measurement.value) >= 1000 else max(0, 3 - len(str(int(abs(measurement.value)))))  # noqa: PLR2004
    return f"{measurement.value:.{digits}f} {unit}".strip()


def lines_about(card: Card) -> tuple[str, ...]:
    """Return the sentences that stand first in every text SR: research or not, unverified, who made it."""
    said = (_NOT_VERIFIED, f"Model: {card.name}, version {card.version}, {card.manufacturer}.")
    return (_RESEARCH, *said) if card.research else said


def _text_document(case: Case, *, findings: Iterable[str], notes: Iterable[str]) -> Dataset:
    series, provenance = case.series, case.provenance
    images = len(series.frame_numbers) or len(series.datasets)
    what = "recording" if isinstance(series.source, Waveform) else f"series of {images} images"
    about = (*lines_about(provenance.card), f"It read one {case.head.get('Modality', '')} {what}.", *notes)
    root = container(
        codes.LN.DiagnosticImagingReport,
        (
            *language(),
            *observation_context(provenance),
            procedure_item(case),
            container(codes.LN.CurrentProcedureDescriptions, _texts(codes.DCM.ProcedureDescription, about)),
            container(codes.LN.Findings, _texts(codes.DCM.Finding, findings)),
        ),
        template="2000",
        root=True,
    )
    return document(root, series.datasets, case, kind="TEXT-SR", sop_class_uid=EnhancedSRStorage)


def _texts(name: CodedConcept, sentences: Iterable[str]) -> list[TextContentItem]:
    lines = [line for sentence in sentences for line in textwrap.wrap(sentence, LONGEST_LINE)]
    return [TextContentItem(name=name, value=line, relationship_type=RelationshipTypeValues.CONTAINS) for line in lines]
