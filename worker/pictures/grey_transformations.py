"""From stored values to grey as the source itself is shown: the transformations of a presentation state.

PS3.3 C.11.1 (Modality LUT), C.11.8 (Softcopy VOI LUT) and C.11.6 (Softcopy Presentation LUT). highdicom copies them
too, but refuses images that have a window and a table, and shows MONOCHROME1 as a negative unless told.
"""

import math
from typing import Any

from pydicom.dataset import Dataset

from models.volume import Image, Waveform
from worker.case.case import Case
from worker.objects.image_references import image_references
from worker.objects.key_slices import window_of

_WINDOW = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")
_TABLE = ("LUTDescriptor", "LUTExplanation", "ModalityLUTType", "LUTData")
_NARROW = 10.0


def is_grey(case: Case) -> bool:
    """Say whether the source is of shades of grey, as a grayscale presentation state asks."""
    return str(case.head.get("PhotometricInterpretation", "")) in ("MONOCHROME1", "MONOCHROME2")


def modality_transformation(case: Case, slices: list[int]) -> Dataset | None:
    """Return the Modality LUT module that all of these slices share, None where they differ, as those of a PET do."""
    found = [_modality(case, k) for k in slices]
    return found[0] if all(other == found[0] for other in found) else None


def window_transformations(case: Case, slices: list[int]) -> list[Dataset]:
    """Return the items of Softcopy VOI LUT Sequence: each window with the slices that have it.

    Where the source has none, the one of our picture: without any, a viewer would show all values, nearly black.
    """
    groups: list[tuple[Dataset, list[int]]] = []
    for k in slices:
        own = _window(case, k)
        known = next((members for other, members in groups if other == own), None)
        if known is None:
            groups.append((own, [k]))
        else:
            known.append(k)
    if len(groups) == 1 and not groups[0][0]:
        groups = [(item, slices) for item in _window_of_picture(case)]
    for item, members in groups:
        if len(groups) > 1:
            item.ReferencedImageSequence = image_references(case, members)
    return [item for item, _ in groups if "WindowCenter" in item or "VOILUTSequence" in item]


def presentation_lut_shape(case: Case) -> str:
    """Return Presentation LUT Shape: the state overrides Photometric Interpretation, so MONOCHROME1 is said here."""
    return "INVERSE" if case.head.get("PhotometricInterpretation") == "MONOCHROME1" else "IDENTITY"


def _modality(case: Case, slice_index: int) -> Dataset:
    source, made = _stated(case, slice_index, "PixelValueTransformationSequence"), Dataset()
    if tables := source.get("ModalityLUTSequence"):
        made.ModalityLUTSequence = [_table(table) for table in tables]
    elif source.get("RescaleSlope") is not None and source.get("RescaleIntercept") is not None:
        made.RescaleIntercept, made.RescaleSlope = source.RescaleIntercept, source.RescaleSlope
        usual = "HU" if case.head.get("Modality") == "CT" else "US"  # PS3.3 C.11.1.1.2: unspecified
        made.RescaleType = source.get("RescaleType") or usual
    return made


def _window(case: Case, slice_index: int) -> Dataset:
    source, made = _stated(case, slice_index, "FrameVOILUTSequence"), Dataset()
    if tables := source.get("VOILUTSequence"):
        made.VOILUTSequence = [_table(table) for table in tables]
    widths, centres = (_numbers(source.get(keyword)) for keyword in ("WindowWidth", "WindowCenter"))
    if widths and len(widths) == len(centres) and all(math.isfinite(width) and width > 0 for width in widths):
        for keyword in _WINDOW:
            if source.get(keyword) not in (None, ""):
                setattr(made, keyword, source[keyword].value)
    return made


def _window_of_picture(case: Case) -> list[Dataset]:
    source = case.series.source
    # The values of such an image were inverted when it was read, so they are not those that a window speaks of.
    if isinstance(source, Waveform) or (isinstance(source, Image) and presentation_lut_shape(case) == "INVERSE"):
        return []
    low, high = window_of(source.array, case.head)
    item = Dataset()
    item.WindowCenter, item.WindowWidth = f"{(low + high) / 2:.6g}", f"{high - low:.6g}"
    if high - low < _NARROW:
        # LINEAR, the default, needs a width of 1, and shows a narrow window off by half of it (PS3.3 C.11.2.1.2.1).
        item.VOILUTFunction = "LINEAR_EXACT"
    return [item]


def _stated(case: Case, slice_index: int, group: str) -> Dataset:
    """Return where a slice says it: its image, or of an enhanced one the functional group of its frame."""
    frames = case.series.frame_numbers
    source = case.series.datasets[0 if frames else slice_index]
    if not frames or "PerFrameFunctionalGroupsSequence" not in source:
        return source
    places: list[Any] = [source.PerFrameFunctionalGroupsSequence[frames[slice_index] - 1]]
    places += source.get("SharedFunctionalGroupsSequence") or ()
    return next((place[group][0] for place in places if place.get(group)), Dataset())


def _table(table: Dataset) -> Dataset:
    """Copy a lookup table with the representations of its values said, which depend on an image that is not here."""
    made = Dataset()
    for keyword in _TABLE:
        if keyword not in table:
            continue
        element = table[keyword]
        if keyword == "LUTDescriptor":
            signed = any(int(value) < 0 for value in element.value)
            made.add_new(element.tag, "SS" if signed else "US", [int(value) for value in element.value])
        elif keyword == "LUTData":
            made.add_new(element.tag, "OW" if isinstance(element.value, bytes) else "US", element.value)
        else:
            made.add(element)
    return made


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    try:
        return [float(number) for number in (value if hasattr(value, "__iter__") else [value])]
    except (TypeError, ValueError):
        return []
