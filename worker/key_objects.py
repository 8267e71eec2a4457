"""The images to look at first, as a Key Object Selection Document (PS3.3 A.35.4, TID 2010)."""

from highdicom.sr import CodeContentItem, RelationshipTypeValues, TextContentItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import KeyObjectSelectionDocumentStorage

from worker.case import Case
from worker.finding_sentences import summary_of
from worker.key_slices import key_slices
from worker.object_encoding import stamp
from worker.sr_document import container, language, observation_context
from worker.sr_evidence import evidence_items


def build_key_objects(case: Case, picture: Dataset | None) -> Dataset | None:
    """Return the selection of a reading of images: the slices that its picture shows, and the picture; else None."""
    if "Rows" not in case.head:
        return None
    series = case.series
    shown = key_slices(case.reading, len(series.frame_numbers) or len(series.datasets))
    frames = [series.frame_numbers[k] for k in shown] if series.frame_numbers else []
    images = [series.datasets[0]] if frames else [series.datasets[k] for k in shown]
    items = [_image(image, frames) for image in images] + ([_image(picture, [])] if picture is not None else [])
    description = TextContentItem(
        name=codes.DCM.KeyObjectDescription, value=summary_of(case), relationship_type=RelationshipTypeValues.CONTAINS
    )
    root = container(
        codes.DCM.OfInterest,
        (*language(case), *observation_context(case.provenance), description, *items),
        template="2010",
        root=True,
    )
    made = Dataset()
    made.update({element.tag: element for element in root if element.keyword != "RelationshipType"})
    stamp(made, case, kind="KO", sop_class_uid=KeyObjectSelectionDocumentStorage)
    made.ReferencedPerformedProcedureStepSequence = []
    made.CurrentRequestedProcedureEvidenceSequence = evidence_items(images + ([picture] if picture is not None else []))
    return made


def _image(image: Dataset, frames: list[int]) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    if frames:
        reference.ReferencedFrameNumber = frames
    # TID 2010 gives its images no concept name, and highdicom's item asks for one: it is taken away again.
    item = CodeContentItem(
        name=codes.DCM.SourceOfMeasurement,
        value=codes.DCM.SourceOfMeasurement,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    del item.ConceptCodeSequence
    del item.ConceptNameCodeSequence
    item.ValueType = "IMAGE"
    item.ReferencedSOPSequence = [reference]
    return item
