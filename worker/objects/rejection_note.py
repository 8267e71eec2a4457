"""An archive is told that an earlier read no longer counts: a Key Object Selection with 113001 (IHE RAD TF, IOCM)."""

from highdicom.sr import RelationshipTypeValues, TextContentItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import KeyObjectSelectionDocumentStorage

from worker.case.case import Case
from worker.case.superseded import superseding_sentences
from worker.instances.instance_hierarchy import hierarchy_of
from worker.objects.key_objects import unnamed_item
from worker.objects.object_encoding import stamp
from worker.objects.sr_document import container, language, observation_context


def build_rejection_note(case: Case) -> Dataset | None:
    """Return the note that rejects every object of the superseded read; None where nothing is superseded."""
    superseded = case.superseded
    if superseded is None or not superseded.objects:
        return None
    (told,) = superseding_sentences(superseded, case.words, case.report.zone)
    root = container(
        codes.DCM.RejectedForQualityReasons,
        (
            *language(case),
            *observation_context(case.provenance),
            TextContentItem(
                name=codes.DCM.KeyObjectDescription,
                value=told,
                relationship_type=RelationshipTypeValues.CONTAINS,
            ),
            *(
                unnamed_item("COMPOSITE", _reference(item.sop_class_uid, item.sop_instance_uid))
                for item in superseded.references
            ),
        ),
        template="2010",
        root=True,
    )
    note = Dataset()
    note.update({element.tag: element for element in root if element.keyword != "RelationshipType"})
    stamp(note, case, kind="REJECTION", sop_class_uid=KeyObjectSelectionDocumentStorage)
    note.ReferencedPerformedProcedureStepSequence = []
    note.CurrentRequestedProcedureEvidenceSequence = hierarchy_of(superseded.references)
    return note


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    return reference
