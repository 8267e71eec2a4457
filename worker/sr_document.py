"""The frame of a Structured Report: SR Document modules (PS3.3 C.17), evidence, and the items that all begin with."""

from collections.abc import Iterable, Sequence

import highdicom as hd
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from models.manifest import Concept
from worker.case import Case
from worker.object_encoding import stamp
from worker.object_kinds import Kind
from worker.provenance import Provenance, device_uid

ENGLISH = CodedConcept(value="en-US", scheme_designator="RFC5646", meaning="English (United States)")

#: PS3.16 CID 100 has LOINC codes of whole modalities: what was done, where the source does not say it.
_PROCEDURES = {
    "MR": codes.LN.MRIUnspecifiedBodyRegion,
    "CT": codes.LN.CTUnspecifiedBodyRegion,
    "CR": codes.LN.XRUnspecifiedBodyRegion,
    "DX": codes.LN.XRUnspecifiedBodyRegion,
    "PT": codes.LN.PETUnspecifiedBodyRegion,
    "NM": codes.LN.NMUnspecifiedBodyRegion,
    "ECG": codes.cid3670._12LeadECG,  # noqa: SLF001  # pydicom's name for a code that begins with a digit
}


def coded(concept: Concept) -> CodedConcept:
    """Return a card's concept as highdicom takes it."""
    return CodedConcept(value=concept.value, scheme_designator=concept.scheme, meaning=concept.meaning)


def language() -> LanguageOfContentItemAndDescendants:
    """Return TID 1204: all our sentences are English."""
    return LanguageOfContentItemAndDescendants(ENGLISH)


def observation_context(provenance: Provenance) -> ObservationContext:
    """Return TID 1001 with the algorithm as the observing device (TID 1004), equal to the contributing equipment."""
    card = provenance.card
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(card), name=card.name, manufacturer_name=card.manufacturer, model_name=card.name
    )
    return ObservationContext(
        observer_device_context=ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    )


def algorithm(provenance: Provenance) -> AlgorithmIdentification:
    """Return TID 4019."""
    card = provenance.card
    return AlgorithmIdentification(
        name=card.name, version=card.version, family=coded(card.family), manufacturer=card.manufacturer
    )


def procedure_reported(case: Case) -> CodedConcept:
    """Return the procedure that was analysed: the source's own code, else that of its modality."""
    for item in case.identity.attributes.get("ProcedureCodeSequence", ()):
        parts = tuple(
            str(item.get(keyword) or "") for keyword in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
        )
        if all(parts):
            return CodedConcept(value=parts[0], scheme_designator=parts[1], meaning=parts[2])
    code = _PROCEDURES.get(str(case.head.get("Modality", "")), codes.SCT.ImagingProcedure)
    return CodedConcept.from_code(code)


def procedure_item(case: Case) -> CodeContentItem:
    """Return the item of the procedure that was analysed."""
    return CodeContentItem(
        name=codes.DCM.ProcedureReported,
        value=procedure_reported(case),
        relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
    )


def container(
    name: CodedConcept, items: Iterable[ContentItem], *, template: str | None = None, root: bool = False
) -> ContainerContentItem:
    """Return a CONTAINER of these items; below the root it is contained by what it is put into."""
    made = ContainerContentItem(
        name=name,
        is_content_continuous=False,
        template_id=template,
        relationship_type=None if root else RelationshipTypeValues.CONTAINS,
    )
    made.ContentSequence = hd.sr.ContentSequence(list(items), is_root=False)
    return made


def document(
    root: Dataset,
    evidence: Sequence[Dataset],
    case: Case,
    *,
    kind: Kind,
    sop_class_uid: str,
) -> Dataset:
    """Return the SR whose content tree is `root`.

    It is complete, preliminary and unverified (PS3.3 C.17.2), and lists as evidence all of `evidence`: what was read,
    and the segmentation it speaks of.
    """
    report = Dataset()
    report.update({element.tag: element for element in root if element.keyword != "RelationshipType"})
    stamp(report, case, kind=kind, sop_class_uid=sop_class_uid)
    report.CompletionFlag = "COMPLETE"
    report.PreliminaryFlag = "PRELIMINARY"
    report.VerificationFlag = "UNVERIFIED"
    report.PerformedProcedureCodeSequence = []
    report.ReferencedPerformedProcedureStepSequence = []
    report.CurrentRequestedProcedureEvidenceSequence = _evidence(evidence)
    return report


def _evidence(instances: Sequence[Dataset]) -> list[Dataset]:
    """Return one item a study, with its series and their instances, in the order given (PS3.3 C.17.2.3)."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for instance in instances:
        reference = Dataset()
        reference.ReferencedSOPClassUID = instance.SOPClassUID
        reference.ReferencedSOPInstanceUID = instance.SOPInstanceUID
        series = studies.setdefault(str(instance.StudyInstanceUID), {})
        series.setdefault(str(instance.SeriesInstanceUID), []).append(reference)
    items = []
    for study_uid, all_series in studies.items():
        item = Dataset()
        item.StudyInstanceUID = study_uid
        item.ReferencedSeriesSequence = []
        for series_uid, references in all_series.items():
            entry = Dataset()
            entry.SeriesInstanceUID = series_uid
            entry.ReferencedSOPSequence = references
            item.ReferencedSeriesSequence.append(entry)
        items.append(item)
    return items
