"""What objects for people must be: pictures of the stated size, documents that open, references that resolve."""

from collections.abc import Iterable, Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
)

from worker.gate.bundle import Bundle, FrameKey
from worker.pictures.shown_images import shown_uids

_REFERRING = (
    SecondaryCaptureImageStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    EncapsulatedPDFStorage,
)


def pictures(bundle: Bundle) -> Iterator[str]:
    """A Secondary Capture has the pixels that it announces."""
    for made in _of(bundle, SecondaryCaptureImageStorage):
        if len(made.PixelData) != int(made.Rows) * int(made.Columns) * int(made.SamplesPerPixel):
            yield "a picture has other pixels than its rows and columns say"


def telling(bundle: Bundle) -> Iterator[str]:
    """Pictures and documents say of a patient in their pixels what the images say that they show."""
    for made in _of(bundle, SecondaryCaptureImageStorage, EncapsulatedPDFStorage):
        certain, possible = _shown(bundle, made)
        for keyword, uids in bundle.sources.telling.items():
            wanted = {"YES"} if certain & uids else {"YES", "NO"} if possible & uids else {"NO"}
            # Recognizable Visual Features is of Type 3: without it nothing is said.
            said = made.get(keyword, "NO" if keyword == "RecognizableVisualFeatures" else "")
            if said not in wanted:
                yield f"{made.get('Modality')} does not say of {keyword} what the images say that it shows"


def _shown(bundle: Bundle, made: Dataset) -> tuple[set[str], set[str]]:
    """Return which sources an object shows for certain, and which it may show."""
    references = made.get("SourceImageSequence") or made.get("SourceInstanceSequence") or ()
    named = {str(item.ReferencedSOPInstanceUID) for item in references}
    if made.SOPClassUID == SecondaryCaptureImageStorage:
        return named, named
    named &= bundle.sources.sizes.keys()
    if bundle.reading is not None and bundle.sources.slice_of and named:
        shown = shown_uids(bundle.reading, [uid for uid, _ in bundle.sources.slice_of])
        return shown, shown
    # A document names all that was read, not what its picture shows; of a single image that is the same.
    return (named if len(named) == 1 else set()), named


def documents(bundle: Bundle) -> Iterator[str]:
    """An encapsulated document is a PDF of the stated length."""
    for made in _of(bundle, EncapsulatedPDFStorage):
        data = bytes(made.EncapsulatedDocument)
        if not data.startswith(b"%PDF-") or not data[: int(made.EncapsulatedDocumentLength)].rstrip().endswith(
            b"%%EOF"
        ):
            yield "a document is no whole PDF"


def presentation_states(bundle: Bundle) -> Iterator[str]:
    """Each graphic lies on a listed image, within it, and in a layer that is there."""
    for made in _of(bundle, GrayscaleSoftcopyPresentationStateStorage):
        listed = {
            frame
            for series in made.ReferencedSeriesSequence
            for image in series.ReferencedImageSequence
            for frame in _frames(image)
        }
        names = {str(layer.GraphicLayer) for layer in made.GraphicLayerSequence}
        for annotation in made.GraphicAnnotationSequence:
            (image,) = annotation.ReferencedImageSequence
            if not _frames(image) <= listed:
                yield "it draws on an image that it does not list"
            if str(annotation.GraphicLayer) not in names:
                yield "a graphic stands in no layer"
            rows, columns, _ = bundle.sources.sizes.get(str(image.ReferencedSOPInstanceUID), (0, 0, 0))
            for graphic in annotation.get("GraphicObjectSequence") or ():
                points = np.reshape(graphic.GraphicData, (-1, 2))
                if points.min() < 0 or bool(np.any(points > (columns, rows))):
                    yield "a line leaves its image"


def key_objects(bundle: Bundle) -> Iterator[str]:
    """A selection's evidence is what it selects, and its items have no names (PS3.16 TID 2010)."""
    for made in _of(bundle, KeyObjectSelectionDocumentStorage):
        items = [item for item in made.ContentSequence if "ReferencedSOPSequence" in item]
        if any("ConceptNameCodeSequence" in item for item in items):
            yield "an item has a concept name"
        selected = {uid for item in items for uid in _referred(item)}
        if selected != {uid for study in made.CurrentRequestedProcedureEvidenceSequence for uid in _referred(study)}:
            yield "the evidence is not what is selected"


def references_of_pictures(bundle: Bundle) -> Iterator[str]:
    """What these objects refer to was read or is part of the bundle."""
    if not bundle.sources.instances:
        return
    known = {uid for _, _, uid in bundle.sources.instances} | {str(made.SOPInstanceUID) for made in bundle.objects}
    known |= {reference.sop_instance_uid for reference in bundle.superseded}
    for made in _of(bundle, *_REFERRING):
        if not _referred(made) <= known:
            yield f"{made.get('Modality')} refers to an instance that was neither read nor made"


def _of(bundle: Bundle, *sop_classes: str) -> Iterator[Dataset]:
    return (made for made in bundle.objects if made.get("SOPClassUID") in sop_classes)


def _referred(dataset: Dataset) -> set[str]:
    """Return the instances that are named anywhere below."""
    return {
        str(element.value)
        for element in dataset.iterall()
        if element.keyword == "ReferencedSOPInstanceUID" and not element.is_empty
    }


def _frames(image: Dataset) -> set[FrameKey]:
    """Return the frames that a reference names; 0 stands for all of an image."""
    numbers = image.get("ReferencedFrameNumber", 0)
    some = numbers if isinstance(numbers, Iterable) and not isinstance(numbers, str) else [numbers]
    return {(str(image.ReferencedSOPInstanceUID), int(number)) for number in some}
