"""Which images to look at first: a Key Object Selection (PS3.3 A.35.4, PS3.16 TID 2010) of slices and results."""

from collections.abc import Iterator, Mapping

from highdicom.sr import CodeContentItem, RelationshipTypeValues, TextContentItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import KeyObjectSelectionDocumentStorage

from models.interpreting.presence import denies
from models.volume import Waveform
from worker.case.case import Case
from worker.case.picture_words import banner
from worker.object_kinds import Kind
from worker.objects.image_references import image_count, image_reference
from worker.objects.key_slices import key_slices
from worker.objects.object_encoding import stamp
from worker.objects.sr_document import container, language, observation_context
from worker.objects.sr_evidence import evidence_items


def build_key_objects(case: Case, made: Mapping[Kind, Dataset]) -> Dataset | None:
    """Return the selection; None where nothing was found, since then nothing is of interest.

    It names the key slices or the waveform, the summary and the reports, as far as these were made for anybody.
    """
    reading = case.reading
    positive = [finding for finding in reading.findings if not denies(finding)]
    if not (reading.structures or reading.detections or positive):
        return None
    results = [made[kind] for kind in ("SC", "SR", "REGION-SR", "ECG-SR", "TEXT-SR") if kind in made]
    slices = [] if isinstance(case.series.source, Waveform) else key_slices(reading, image_count(case))
    shown = [case.series.datasets[0 if case.series.frame_numbers else k] for k in slices] or [case.head]
    root = container(
        codes.DCM.OfInterest,
        (
            *language(case),
            *observation_context(case.provenance),
            TextContentItem(
                name=codes.DCM.KeyObjectDescription,
                value=banner(case),
                relationship_type=RelationshipTypeValues.CONTAINS,
            ),
            *_items(case, slices, made),
            *(unnamed_item("IMAGE" if "Rows" in result else "COMPOSITE", _reference(result)) for result in results),
        ),
        template="2010",
        root=True,
    )
    selection = Dataset()
    selection.update({element.tag: element for element in root if element.keyword != "RelationshipType"})
    stamp(selection, case, kind="KO", sop_class_uid=KeyObjectSelectionDocumentStorage)
    selection.ReferencedPerformedProcedureStepSequence = []
    state = [made["GSPS"]] if "GSPS" in made and slices else []
    unique = {str(source.SOPInstanceUID): source for source in (*shown, *results, *state)}
    selection.CurrentRequestedProcedureEvidenceSequence = evidence_items(list(unique.values()))
    return selection


def _items(case: Case, slices: list[int], made: Mapping[Kind, Dataset]) -> Iterator[Dataset]:
    if not slices:
        yield unnamed_item("WAVEFORM", _reference(case.head))
    drawn_over = _drawn_over(made["GSPS"]) if "GSPS" in made else set()
    for k in slices:
        reference = image_reference(case, k)
        if (str(reference.ReferencedSOPInstanceUID), int(reference.get("ReferencedFrameNumber", 0))) in drawn_over:
            reference.ReferencedSOPSequence = [_reference(made["GSPS"])]
        yield unnamed_item("IMAGE", reference)


def _drawn_over(state: Dataset) -> set[tuple[str, int]]:
    """Return the images, or frames, that a presentation state speaks of."""
    return {
        (str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber", 0)))
        for annotation in state.GraphicAnnotationSequence
        for image in annotation.ReferencedImageSequence
    }


def unnamed_item(value_type: str, reference: Dataset) -> Dataset:
    """Return a content item without a concept name, of which TID 2010 has none here."""
    # highdicom's items of these kinds have a name or raise, so a plain one takes the place of another item's class.
    item = CodeContentItem(
        name=codes.DCM.OfInterest, value=codes.DCM.OfInterest, relationship_type=RelationshipTypeValues.CONTAINS
    )
    del item.ConceptCodeSequence, item.ConceptNameCodeSequence
    item.ValueType = value_type
    item.ReferencedSOPSequence = [reference]
    return item


def _reference(instance: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = instance.SOPClassUID
    reference.ReferencedSOPInstanceUID = instance.SOPInstanceUID
    return reference
