"""The frame of a Structured Report: SR Document modules (PS3.3 C.17), evidence, and the items that all begin with."""

from collections.abc import Iterable, Sequence
from io import BytesIO

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from models.card.card_parts import Concept
from worker.case.case import Case
from worker.case.superseded import predecessors
from worker.languages import Language
from worker.object_kinds import Kind
from worker.objects.object_encoding import stamp
from worker.objects.sr_evidence import evidence_items
from worker.provenance import Provenance, device_uid

#: PS3.16 CID 5000 with the codes of RFC 5646.
_LANGUAGES: dict[Language, str] = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "ja": "Japanese",
    "zh": "Chinese",
}

_CHARACTERS = "ISO_IR 192"

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


def language(case: Case) -> LanguageOfContentItemAndDescendants:
    """Return TID 1204: the language of our sentences."""
    code = case.report.language
    return LanguageOfContentItemAndDescendants(
        CodedConcept(value=code, scheme_designator="RFC5646", meaning=_LANGUAGES[code])
    )


def observation_context(provenance: Provenance) -> ObservationContext:
    """Return TID 1001 with the algorithm as the observing device (TID 1004), equal to the contributing equipment."""
    card = provenance.card
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(card), name=card.name, manufacturer_name=card.manufacturer, model_name=card.name
    )
    return ObservationContext(
        observer_device_context=ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    )


def algorithm(case: Case) -> AlgorithmIdentification:
    """Return TID 4019; its parameters are the site's thresholds, where it has any."""
    card = case.provenance.card
    return AlgorithmIdentification(
        name=card.name,
        version=card.version,
        parameters=case.report.thresholds or None,
        family=coded(card.family),
        manufacturer=card.manufacturer,
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


def comment(sentence: str) -> TextContentItem:
    """Return a sentence for people as an item."""
    return TextContentItem(name=codes.DCM.Comment, value=sentence, relationship_type=RelationshipTypeValues.CONTAINS)


def container(
    name: CodedConcept | Code, items: Iterable[Dataset], *, template: str | None = None, root: bool = False
) -> Dataset:
    """Return a CONTAINER of these items; below the root it is contained by what it is put into."""
    made = ContainerContentItem(
        name=name,
        is_content_continuous=False,
        template_id=template,
        relationship_type=None if root else RelationshipTypeValues.CONTAINS,
    )
    # As pydicom does it: highdicom would look at each item again at every level, which takes longer than making it.
    Dataset.__setattr__(made, "ContentSequence", list(items))
    return made


def encoded_once(items: Iterable[Dataset]) -> list[Dataset]:
    """Return items that stand in many groups as they will stand in the file, so that they are encoded only here."""
    made = []
    for item in items:
        buffer = DicomBytesIO()
        buffer.is_implicit_VR, buffer.is_little_endian = False, True
        write_dataset(buffer, item, _CHARACTERS)
        made.append(read_dataset(BytesIO(buffer.getvalue()), is_implicit_VR=False, is_little_endian=True))
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
    if earlier := predecessors(case.superseded, kind):
        report.PredecessorDocumentsSequence = earlier
    report.CurrentRequestedProcedureEvidenceSequence = evidence_items(evidence)
    mark_explicit(report)
    return report


def mark_explicit(dataset: Dataset) -> None:
    """Say that all VRs are known, else pydicom looks for ambiguous ones below each item anew: half of its time."""
    characters = convert_encodings(_CHARACTERS) if "SpecificCharacterSet" in dataset else default_encoding
    dataset.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding=characters)
    for element in dataset.elements():
        if element.VR == "SQ" and not element.is_raw:
            for item in element.value:
                mark_explicit(item)
