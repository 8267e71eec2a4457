"""The ECG's measurements as an Enhanced SR by TID 3700: what was read, numbers of one lead, qualitative findings.

The networks read one lead, so the numbers stand in a TID 3714 group of that lead and nothing claims to be global.
"""

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    DateTimeContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EnhancedSRStorage
from pydicom.valuerep import DT

from models.card.card_preparation import WaveformPreparation
from models.card.manifest import Card
from models.findings import Finding, Measurement, Reading
from models.interpreting.presence import affirms, denies
from worker.case.case import Case
from worker.case.finding_sentences import summary_of
from worker.case.other_series_words import what_was_measured
from worker.objects.sr_document import (
    algorithm,
    coded,
    comment,
    container,
    document,
    language,
    observation_context,
    procedure_item,
)

_REPORT = CodedConcept(value="28010-7", scheme_designator="LN", meaning="ECG Report")
_FINDING = CodedConcept(value="271921002", scheme_designator="SCT", meaning="ECG finding")
_CERTAINTY = CodedConcept(value="111012", scheme_designator="DCM", meaning="Certainty of Finding")
_PERCENT = CodedConcept(value="%", scheme_designator="UCUM", meaning="Percent")
#: PS3.16 CID 3001.
_LEADS = {
    "I": codes.MDC.LeadI,
    "II": codes.MDC.LeadII,
    "III": codes.MDC.LeadIII,
    "aVR": codes.MDC.AvrAugmentedVoltageRight,
    "aVL": codes.MDC.AvlAugmentedVoltageLeft,
    "aVF": codes.MDC.AvfAugmentedVoltageFoot,
    "V1": codes.MDC.LeadV1,
    "V2": codes.MDC.LeadV2,
    "V3": codes.MDC.LeadV3,
    "V4": codes.MDC.LeadV4,
    "V5": codes.MDC.LeadV5,
    "V6": codes.MDC.LeadV6,
}


def build_ecg_report(case: Case) -> Dataset:
    """Return the SR of a waveform's reading."""
    reading, provenance = case.reading, case.provenance
    sections = [_waveform_information(case)]
    if reading.measurements:
        sections.append(container(codes.DCM.QuantitativeAnalysis, [_lead_measurements(reading, provenance.card)]))
    if reading.findings:
        sections.append(container(codes.DCM.QualitativeAnalysis, _answers(case), template="3717"))
    if told := what_was_measured(case):
        # TID 3700 is extensible: what no template of it has a place for stands in a summary of our own.
        sections.append(container(codes.DCM.Summary, map(comment, told)))
    root = container(
        _REPORT,
        (*language(case), *observation_context(provenance), procedure_item(case), *sections),
        template="3700",
        root=True,
    )
    return document(root, case.series.datasets, case, kind="ECG-SR", sop_class_uid=EnhancedSRStorage)


def _waveform_information(case: Case) -> Dataset:
    """TID 3708: when it was recorded, which object it is, what read it."""
    head, items = case.head, [*algorithm(case)]
    items.insert(0, _waveform_item(head))
    recorded = str(head.get("AcquisitionDateTime") or "")
    if recorded:
        items.insert(
            0,
            DateTimeContentItem(
                name=codes.DCM.ProcedureDatetime, value=DT(recorded), relationship_type=RelationshipTypeValues.CONTAINS
            ),
        )
    return container(codes.LN.CurrentProcedureDescriptions, items, template="3708")


def _waveform_item(head: Dataset) -> Dataset:
    # highdicom's WaveformContentItem raises KeyError, so a plain one takes the place of another item's class.
    reference = Dataset()
    reference.ReferencedSOPClassUID = head.SOPClassUID
    reference.ReferencedSOPInstanceUID = head.SOPInstanceUID
    item = CodeContentItem(
        name=codes.DCM.SourceOfMeasurement,
        value=codes.DCM.SourceOfMeasurement,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    del item.ConceptCodeSequence
    item.ValueType = "WAVEFORM"
    item.ReferencedSOPSequence = [reference]
    return item


def _lead_measurements(reading: Reading, card: Card) -> Dataset:
    items = []
    channel = card.preparation.channel if isinstance(card.preparation, WaveformPreparation) else ""
    items.append(
        CodeContentItem(
            name=codes.DCM.LeadID,
            value=_LEADS.get(channel, codes.MDC.UnspecifiedLead),
            relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
    )
    items += [_number(measurement) for measurement in reading.measurements]
    return container(codes.DCM.ECGLeadMeasurements, items, template="3714")


def _number(measurement: Measurement) -> NumContentItem:
    item = NumContentItem(
        name=coded(measurement.name),
        value=measurement.value,
        unit=coded(measurement.unit),
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    if measurement.method is not None:
        item.ContentSequence = [
            CodeContentItem(
                name=codes.DCM.Derivation,
                value=coded(measurement.method),
                relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
            )
        ]
    return item


def _answers(case: Case) -> list[Dataset]:
    """TID 3717: what is there as ECG findings, and what is not under its own name.

    A name of its own, since a program that gathers ECG findings would take an absent one among them for a present one.
    An answer that is neither yes nor no, such as a rhythm, has its question among its properties.
    """
    answers: list[Dataset] = [_answer(finding) for finding in case.reading.findings]
    if all(denies(finding) for finding in case.reading.findings):
        # The template asks for at least one ECG finding, in a code or in words.
        contains = RelationshipTypeValues.CONTAINS
        answers.insert(0, TextContentItem(name=_FINDING, value=summary_of(case), relationship_type=contains))
    return answers


def _answer(finding: Finding) -> CodeContentItem:
    item = CodeContentItem(
        name=coded(finding.name) if denies(finding) else _FINDING,
        value=coded(finding.name if affirms(finding) else finding.value),
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    properties: list[Dataset] = []
    if not (affirms(finding) or denies(finding)):
        properties.append(
            CodeContentItem(
                name=coded(finding.name),
                value=coded(finding.value),
                relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
            )
        )
    if finding.certainty_percent is not None:
        properties.append(
            NumContentItem(
                name=_CERTAINTY,
                value=finding.certainty_percent,
                unit=_PERCENT,
                relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
            )
        )
    if properties:
        item.ContentSequence = properties
    return item
