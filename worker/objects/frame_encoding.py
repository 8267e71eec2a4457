"""Multi-frame objects on their way to bytes: what frames share is encoded once, and pixels are not copied.

The bytes are those that pydicom writes by itself; it would encode each frame's references anew, which takes longer than
all the rest of a segmentation of a hundred structures.
"""

from collections.abc import Hashable
from io import BytesIO

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag, Tag

from worker.objects.quick_encoding import encoded_element, encoded_item

_FRAMES = Tag("PerFrameFunctionalGroupsSequence")
_DERIVATION = Tag("DerivationImageSequence")
_POSITION = Tag("PlanePositionSequence")
_SEGMENT = Tag("SegmentIdentificationSequence")
_PIXELS = (Tag("PixelData"), Tag("FloatPixelData"))


def ready_to_write(dataset: Dataset) -> Dataset:
    """Return what pydicom writes fast of a multi-frame object made by highdicom; what has no frames stays as it is.

    In Explicit VR Little Endian or compressed, in the character set that the dataset names. The dataset is unchanged.
    """
    if _FRAMES not in dataset:
        return dataset
    ready = Dataset()
    ready.update({element.tag: element for element in dataset if element.tag not in (_FRAMES, *_PIXELS)})
    for tag in _PIXELS:
        if tag in dataset:
            ready[tag] = _without_copy(dataset[tag])
    correct_ambiguous_vr(ready, is_little_endian=True)
    characters = convert_encodings(ready.get("SpecificCharacterSet", "ISO_IR 6"))
    frames = _sequence(dataset, characters)
    ready[_FRAMES] = RawDataElement(
        _FRAMES, "SQ", len(frames), frames, value_tell=0, is_implicit_VR=False, is_little_endian=True
    )
    # Else pydicom would take the frames apart again.
    ready.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding=characters)
    return ready


def _sequence(dataset: Dataset, characters: list[str]) -> bytes:
    known: dict[Hashable, bytes] = {}
    items: list[bytes] = []
    for frame in dataset[_FRAMES].value:
        parts = []
        for element in frame:
            key = _same_bytes(element)
            if key is None or key not in known:
                encoded = encoded_element(element, characters)
                if key is not None:
                    known[key] = encoded
            else:
                encoded = known[key]
            parts.append(encoded)
        items.append(encoded_item(parts))
    return b"".join(items)


def _same_bytes(element: DataElement) -> Hashable:
    """Return what two elements of a dataset have in common only if they are encoded alike; None where nobody knows.

    highdicom lets the frames of a slice share the items that say where it lies and which image it is derived from.
    """
    if element.tag == _SEGMENT:
        return element.tag, int(element.value[0].ReferencedSegmentNumber)
    if element.tag == _POSITION:
        return element.tag, tuple(map(id, element.value))
    if element.tag == _DERIVATION:
        return element.tag, tuple(
            (id(group.DerivationCodeSequence[0]), *map(id, group.SourceImageSequence)) for group in element.value
        )
    return None


def _without_copy(element: DataElement) -> DataElement:
    """Let native pixels be read from where they are; pydicom would copy them into a buffer of the element first."""
    tag: BaseTag = element.tag
    if element.is_undefined_length:
        return element
    return DataElement(tag, element.VR, BytesIO(element.value))
