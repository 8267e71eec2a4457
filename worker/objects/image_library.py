"""TID 1600: what the images show that a report's numbers were measured in, so that a later read can tell (TID 1602).

An image for each that is shown, not all images: the evidence lists those.
"""

from collections.abc import Iterator
from typing import Any

from highdicom.sr import CodeContentItem, RelationshipTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from worker.case.case import Case
from worker.instances.depicted import CONCEPTS, Depicted
from worker.objects.sr_document import container
from worker.series.series_depicted import depicted

_MODALITIES: dict[str, Code] = {
    code.value: code for code in (getattr(codes.cid29, keyword) for keyword in sorted(codes.cid29.concepts))
}


def image_library(case: Case) -> list[Dataset]:
    """Return the library, nothing where no image says what it shows."""
    shown = depicted(case.series)
    entries = [_entry(image, what) for what, image in shown.items()]
    if not any(_told(what) for what in shown):
        return []
    return [container(codes.DCM.ImageLibrary, [container(codes.DCM.ImageLibraryGroup, entries)], template="1600")]


def _entry(image: Any, what: Depicted) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    entry = Dataset()
    entry.RelationshipType, entry.ValueType = "CONTAINS", "IMAGE"
    entry.ReferencedSOPSequence = [reference]
    items = list(_descriptors(image, what))
    if items:
        entry.ContentSequence = items
    return entry


def _descriptors(image: Any, what: Depicted) -> Iterator[Dataset]:
    modality = _MODALITIES.get(str(image.get("Modality") or ""))
    for name, value in ((codes.DCM.Modality, modality), *_told(what)):
        if value is not None:
            yield CodeContentItem(name=name, value=value, relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT)


def _told(what: Depicted) -> list[tuple[Code, Code]]:
    named = (
        (codes.DCM.TargetRegion, what.region),
        (codes.DCM.ImageLaterality, what.side),
        (codes.DCM.ImageView, what.view),
    )
    return [(name, CONCEPTS[value]) for name, value in named if value in CONCEPTS]
