"""TID 1600: what the images show that a report's numbers were measured in, so that a later read can tell (TID 1602).

Of a volume also how far apart slices and pixels lie and how thick slices are (TID 1604), the kernel, and whether the
images name a contrast agent, for which the templates have no row: they are extensible.

An image for each that is shown, not all images: the evidence lists those.
"""

from collections.abc import Iterator
from typing import Any

from highdicom.sr import CodeContentItem, NumContentItem, RelationshipTypeValues, TextContentItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from models.interpreting.instances import MILLIMETRE
from worker.case.case import Case
from worker.instances.acquired import Acquired
from worker.instances.depicted import CONCEPTS, Depicted
from worker.instances.sampling import Sampling
from worker.objects.sr_document import coded, container
from worker.series.series_depicted import acquired, depicted, sampling

_MODALITIES: dict[str, Code] = {
    code.value: code for code in (getattr(codes.cid29, keyword) for keyword in sorted(codes.cid29.concepts))
}


def image_library(case: Case) -> list[Dataset]:
    """Return the library, nothing where no image says what it shows, or how finely."""
    shown, taken = depicted(case.series), [*_distances(sampling(case.series)), *_taken(acquired(case.series))]
    if not taken and not any(_told(what) for what in shown):
        return []
    entries = [_entry(image, what, taken) for what, image in shown.items()]
    return [container(codes.DCM.ImageLibrary, [container(codes.DCM.ImageLibraryGroup, entries)], template="1600")]


def _entry(image: Any, what: Depicted, taken: list[Dataset]) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    entry = Dataset()
    entry.RelationshipType, entry.ValueType = "CONTAINS", "IMAGE"
    entry.ReferencedSOPSequence = [reference]
    items = [*_descriptors(image, what), *taken]
    if items:
        entry.ContentSequence = items
    return entry


def _descriptors(image: Any, what: Depicted) -> Iterator[Dataset]:
    modality = _MODALITIES.get(str(image.get("Modality") or ""))
    for name, value in ((codes.DCM.Modality, modality), *_told(what)):
        if value is not None:
            yield _coded(name, value)


def _distances(found: Sampling | None) -> list[NumContentItem]:
    """Return what TID 1604 says of a volume's images."""
    if found is None:
        return []
    named = (
        (codes.DCM.HorizontalPixelSpacing, found.columns),
        (codes.DCM.VerticalPixelSpacing, found.rows),
        (codes.DCM.SpacingBetweenSlices, found.slices),
    )
    return [_millimetres(name, distance) for name, distance in named]


def _taken(found: Acquired | None) -> list[Dataset]:
    """Return how thick slices are, the kernel, and that an agent is named, or none is."""
    if found is None:
        return []
    thickness = () if found.thickness_mm is None else (_millimetres(codes.DCM.SliceThickness, found.thickness_mm),)
    agent = codes.SCT.ContrastAgent if found.contrast else codes.SCT.None_
    return [*thickness, *_kernel(found), _coded(codes.DCM.ContrastBolusAgent, agent)]


def _kernel(found: Acquired) -> Iterator[TextContentItem]:
    """Yield the kernel: no code means that alone, and those of an algorithm say less."""
    if found.kernel:
        name, relation = codes.DCM.ReconstructionAlgorithm, RelationshipTypeValues.HAS_ACQ_CONTEXT
        yield TextContentItem(name=name, value=found.kernel, relationship_type=relation)


def _millimetres(name: Code, distance: float) -> NumContentItem:
    return NumContentItem(
        name=name, value=distance, unit=coded(MILLIMETRE), relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT
    )


def _coded(name: Code, value: Code) -> CodeContentItem:
    return CodeContentItem(name=name, value=value, relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT)


def _told(what: Depicted) -> list[tuple[Code, Code]]:
    named = (
        (codes.DCM.TargetRegion, what.region),
        (codes.DCM.ImageLaterality, what.side),
        (codes.DCM.ImageView, what.view),
    )
    return [(name, CONCEPTS[value]) for name, value in named if value in CONCEPTS]
