"""The measurement groups of both measurement reports (TID 1410, 1411, 1501) and the report around them (TID 1500).

All groups of a report are of one kind, with coordinates or without: OHIF shows nothing of a report that mixes both.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import highdicom as hd
from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    FindingSite,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from models.card.card_parts import Concept
from models.findings import Detection, Measurement
from worker.case.case import Case
from worker.case.labels_told import abnormal
from worker.object_kinds import Kind
from worker.objects.image_library import image_library
from worker.objects.segments import Thing, laterality_of, tracking_name, tracking_uid
from worker.objects.sr_document import (
    algorithm,
    coded,
    comment,
    container,
    document,
    encoded_once,
    language,
    observation_context,
    procedure_item,
)
from worker.provenance import Provenance

#: TID 1500 has them for what is said of no one thing.
_QUALITATIVE = Code("C0034375", "UMLS", "Qualitative Evaluations")
#: Of what reaches the edge of the images, or of what the network sees of them.
INCOMPLETE = Code("130576", "DCM", "Anatomy coverage incomplete")
_FINDING_CATEGORY = Code("276214006", "SCT", "Finding category")


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Makes the groups of one report.

    Attributes:
        provenance: Of the read.
        algorithm: TID 4019, the same items in each group.
    """

    provenance: Provenance
    algorithm: Sequence[Dataset]

    @classmethod
    def of(cls, case: Case) -> "Groups":
        """Return what makes the groups of a report of this read."""
        return cls(provenance=case.provenance, algorithm=encoded_once(algorithm(case)))

    def of_thing(self, thing: Thing, template: str, reference: Iterable[Dataset]) -> Dataset:
        """Return the group of a structure or detection; `reference` says which segment or region it is."""
        side, place = laterality_of(thing), _place_of(thing)
        sites = [FindingSite(_coded(place), laterality=side)] if place else []
        # Without a site there is nothing of which the side could be a modifier.
        cut = QualitativeEvaluation(INCOMPLETE, codes.SCT.Yes) if thing.cut else ()
        sides = QualitativeEvaluation(codes.SCT.Laterality, side) if side and not place else ()
        return container(
            codes.DCM.MeasurementGroup,
            (
                *TrackingIdentifier(uid=tracking_uid(self.provenance, thing), identifier=tracking_name(thing)),
                _code(_FINDING_CATEGORY, thing.label.category),
                _code(codes.DCM.Finding, thing.label.concept),
                *sites,
                *self.algorithm,
                *(item for measurement in thing.measurements for item in measured(measurement)),
                *sides,
                *cut,
                *reference,
            ),
            template=template,
        )

    def of_answer(
        self,
        tracked: TrackingIdentifier,
        *,
        finding: Concept | None,
        measurements: Sequence[Measurement],
        evaluation: Iterable[Dataset],
        images: Iterable[Dataset],
    ) -> Dataset:
        """Return the group (TID 1501) of an answer about the whole image, or of its numbers."""
        return container(
            codes.DCM.MeasurementGroup,
            (
                *tracked,
                *([_code(codes.DCM.Finding, finding)] if finding else ()),
                *self.algorithm,
                *(item for measurement in measurements for item in measured(measurement)),
                *evaluation,
                *images,
            ),
            template="1501",
        )


def measured(measurement: Measurement) -> hd.sr.Measurement:
    """Return TID 300: a number with its unit."""
    return hd.sr.Measurement(
        name=_coded(measurement.name),
        value=measurement.value,
        unit=_coded(measurement.unit),
        method=_coded(measurement.method) if measurement.method else None,
    )


def measurement_report(
    case: Case, groups: Iterable[Dataset], evidence: Sequence[Dataset], kind: Kind, *, comments: Sequence[str] = ()
) -> Dataset:
    """Return the Comprehensive 3D SR by TID 1500 with these groups, all of one kind, and sentences beside them."""
    root = container(
        codes.DCM.ImagingMeasurementReport,
        (
            *language(case),
            *observation_context(case.provenance),
            procedure_item(case),
            *image_library(case),
            container(codes.DCM.ImagingMeasurements, groups),
            *([container(_QUALITATIVE, map(comment, comments))] if comments else ()),
        ),
        template="1500",
        root=True,
    )
    return document(root, evidence, case, kind=kind, sop_class_uid=Comprehensive3DSRStorage)


def _place_of(thing: Thing) -> Concept | None:
    if isinstance(thing, Detection):
        return thing.site
    return None if abnormal(thing.label) else thing.label.concept


def _code(name: Code, value: Concept) -> CodeContentItem:
    return CodeContentItem(name=name, value=_coded(value), relationship_type=RelationshipTypeValues.CONTAINS)


@functools.lru_cache(maxsize=256)
def _coded(concept: Concept) -> CodedConcept:
    # Shared by all groups that name it: none changes it.
    return coded(concept)
