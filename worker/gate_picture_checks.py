"""What objects for people must be: pictures of the stated size, documents that open, references that resolve."""

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
)

from worker.gate_bundle import Bundle

_REFERRING = (
    SecondaryCaptureImageStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    EncapsulatedPDFStorage,
)


def pictures(bundle: Bundle) -> Iterator[str]:
    """A Secondary Capture has the pixels that it announces, and says that nobody is named in them."""
    for made in _of(bundle, SecondaryCaptureImageStorage):
        if len(made.PixelData) != int(made.Rows) * int(made.Columns) * int(made.SamplesPerPixel):
            yield "a picture has other pixels than its rows and columns say"
        if made.get("BurnedInAnnotation") != "NO":
            yield "a picture does not say that no patient is burnt in"


def documents(bundle: Bundle) -> Iterator[str]:
    """An encapsulated document is a PDF of the stated length."""
    for made in _of(bundle, EncapsulatedPDFStorage):
        data = bytes(made.EncapsulatedDocument)
        if not data.startswith(b"%PDF-") or not data[: int(made.EncapsulatedDocumentLength)].rstrip().endswith(
            b"%%EOF"
        ):
            yield "a document is no whole PDF"


def references_of_pictures(bundle: Bundle) -> Iterator[str]:
    """What these objects refer to was read or is part of the bundle."""
    if not bundle.sources.instances:
        return
    known = {uid for _, _, uid in bundle.sources.instances} | {str(made.SOPInstanceUID) for made in bundle.objects}
    for made in _of(bundle, *_REFERRING):
        referred = {
            str(element.value)
            for element in made.iterall()
            if element.keyword == "ReferencedSOPInstanceUID" and not element.is_empty
        }
        if not referred <= known:
            yield f"{made.get('Modality')} refers to an instance that was neither read nor made"


def _of(bundle: Bundle, *sop_classes: str) -> Iterator[Dataset]:
    return (made for made in bundle.objects if made.get("SOPClassUID") in sop_classes)
