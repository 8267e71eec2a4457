"""From pydicom datasets to frames: where each lies, how its stored values become real ones, and its decoded pixels."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.pixels import pixel_array
from pydicom.tag import Tag
from pydicom.uid import ParametricMapStorage

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.instances.codestream_size import codestream_size
from worker.instances.plain_values import value_of
from worker.instances.pydicom_errors import panics_as_errors, told_as_unreadable
from worker.series.frame_decoders import plugin_for, register
from worker.series.plain_frames import encapsulated_frame, plain_frame, require_low_bits
from worker.series.real_world_values import Mapping, linear_mapping
from worker.series.slice_geometry import Plane
from worker.series.stated_units import stated_unit

register()

#: What an image's pixels stand in, one of these.
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_REAL_WORLD = "RealWorldValueMappingSequence"
_LONGER_THAN_ANYBODY_MM = 1e4
#: Siemens' word in Image Type (0008,0008) for a volume whose slices are tiles of one image.
_MOSAIC = "MOSAIC"
_TAGS = {keyword: Tag(keyword) for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One slice before it is decoded.

    Attributes:
        dataset: Index into the series' datasets.
        number: 1-based frame of a multi-frame image; 0 for a single-frame one.
        plane: Where it lies.
        slope: Rescale Slope, or that of its Real World Value Mapping.
        intercept: Likewise.
        kind: What tells acquisitions apart that share a position: echo, time, diffusion.
        unit: Of its real values, in UCUM; empty where none is stated.
    """

    dataset: int
    number: int
    plane: Plane
    slope: float
    intercept: float
    kind: tuple[str, ...]
    unit: str = ""


def frames_of(datasets: Sequence[Any], names: Sequence[str] = (), numbers: Container[int] | None = None) -> list[Frame]:
    """List the frames of a series.

    Args:
        datasets: Of its images.
        names: Of their files; left out, their UIDs.
        numbers: Of a multi-frame image the frames that are asked for, from 1; left out, all.

    Raises SeriesRefused when one says too little about where it lies, SeriesUnreadable when what it says is no value.
    """
    names = names or [str(dataset.SOPInstanceUID) for dataset in datasets]
    multi = [name for dataset, name in zip(datasets, names, strict=True) if _is_multi_frame(dataset, name)]
    if multi and len(datasets) > 1:
        raise SeriesRefused(f"several multi-frame images: {len(datasets)} objects in one series, {multi[0]} among them")
    if multi:
        with told_as_unreadable(multi[0]):
            _require_whole(datasets[0])
            return list(_enhanced_frames(datasets[0], numbers))
    frames = []
    for index, dataset in enumerate(datasets):
        with told_as_unreadable(names[index]):
            frames.append(_single_frame(index, dataset))
    return frames


def decode(dataset: Any, number: int, name: str) -> NDArray[np.generic]:
    """Decode one frame to ``(rows, columns)``, colour to ``(rows, columns, samples)`` in RGB.

    Raises SeriesUnreadable with the decoder's words, SeriesRefused for another size than announced.
    """
    samples = int(value_of(dataset, "SamplesPerPixel") or 1)
    size = _size_of(dataset)
    expected = size if samples == 1 else (*size, samples)
    try:
        plain = plain_frame(dataset, number)
        if plain is not None:
            return plain
        announced = _codestream_size(dataset, max(number - 1, 0))
        if announced is not None and announced != (*size, samples):
            raise SeriesRefused(f"wrong size: {name} holds {announced} rows, columns, samples; its header {expected}")
        plugin = plugin_for(dataset.file_meta.TransferSyntaxUID, samples)
        with panics_as_errors():
            values = pixel_array(dataset, index=number - 1 if number else None, decoding_plugin=plugin)
    except (*PARSE_ERRORS, RuntimeError) as error:
        syntax = dataset.file_meta.TransferSyntaxUID
        # A decoder's words tell what is wrong with the pixels, an AttributeError's what is missing; pydicom's others
        # quote the header, which may name a patient.
        told = str(error) if isinstance(error, (RuntimeError, AttributeError)) else type(error).__name__
        raise SeriesUnreadable(
            f"{name}: pixel data in {getattr(syntax, 'name', syntax)} cannot be decoded: {told}"
        ) from error
    if values.ndim == len(expected) + 1 and values.shape[0] == 1:  # one frame of a multi-frame image
        values = values[0]
    if values.shape != expected:
        raise SeriesRefused(f"wrong size: {name} decodes to {values.shape}, its header says {expected}")
    # Of Explicit VR Big Endian they come in its order of bytes.
    return np.asarray(values, dtype=values.dtype.newbyteorder("="))


def rescale_of(item: Any) -> tuple[float, float]:
    """Return Rescale Slope and Intercept of an image, or of an item (None: there is none); 1 and 0 where it has none.

    The standard (PS3.3 C.11.1) allows every slope. With 0 all values would be the intercept: some readers take it so,
    others for 1, and nobody knows what the sender meant. Raises SeriesRefused for it, and for what is not finite.
    """
    slope, intercept = (_value(item, keyword) for keyword in ("RescaleSlope", "RescaleIntercept"))
    numbers = 1.0 if slope in (None, "") else float(slope), float(intercept or 0)
    if numbers[0] == 0:
        raise SeriesRefused("no scale: Rescale Slope is 0, so nothing says what the stored values mean")
    if not np.all(np.isfinite(numbers)):
        raise SeriesRefused("no scale: Rescale Slope or Rescale Intercept is not finite")
    return numbers


def has_place(dataset: Any) -> bool:
    """Say whether an image says where in the patient it lies. Raises whatever pydicom raises."""
    if dataset.get("ImagePositionPatient"):
        return True
    groups = (
        *(dataset.get("PerFrameFunctionalGroupsSequence") or ())[:1],
        _first(dataset, "SharedFunctionalGroupsSequence"),
    )
    return any(group is not None and "PlanePositionSequence" in group for group in groups)


def said_between_slices_mm(dataset: Any, keyword: str, frame: int = 1) -> float | None:
    """Return Slice Thickness or Spacing Between Slices of an image or a frame of it, from 1; None where none is said.

    What is not above 0, or longer than anybody, is none. Raises whatever pydicom raises.
    """
    groups = (
        *(dataset.get("PerFrameFunctionalGroupsSequence") or ())[frame - 1 : frame],
        _first(dataset, "SharedFunctionalGroupsSequence"),
    )
    stated = (
        _value(item, keyword) for item in (dataset, *(_first(group, "PixelMeasuresSequence") for group in groups))
    )
    return next((number for value in stated if value and 0 < (number := float(value)) < _LONGER_THAN_ANYBODY_MM), None)


def voxels_announced(dataset: Any, name: str, *, colour: bool = False) -> int:
    """Return Rows times Columns times Frames (times samples) from the header, before anything is decoded.

    Raises SeriesRefused for what is no image, and unless `colour` for what is no plain grey one, SeriesUnreadable.
    """
    with told_as_unreadable(name):
        if value_of(dataset, "Rows") is None or value_of(dataset, "Columns") is None:
            raise SeriesRefused("no images: an object of this series has no Rows and Columns")
        if not any(keyword in dataset for keyword in PIXELS):
            raise SeriesRefused("no images: an object of this series has no Pixel Data")
        require_low_bits(dataset)
        rows, columns = _size_of(dataset)
        voxels = rows * columns * int(value_of(dataset, "NumberOfFrames") or 1)
        palette = str(value_of(dataset, "PhotometricInterpretation")) == "PALETTE COLOR"
        if colour:
            return voxels * (3 if palette else int(dataset.get("SamplesPerPixel") or 1))
        if palette or int(value_of(dataset, "SamplesPerPixel") or 1) != 1:
            raise SeriesRefused("colour images: models of volumes read grey values")
        if dataset.get("ModalityLUTSequence"):
            # PS3.3 C.11.1: then there is no Rescale Slope, and the stored values mean nothing by themselves.
            raise SeriesRefused("lookup table: values mean something only through a Modality LUT, which is not read")
        return voxels


def _require_whole(dataset: Any) -> None:
    """Refuse one part of several (PS3.3 C.7.6.16.2.2.4): its slices are as regular as those of a whole image."""
    total = int(dataset.get("InConcatenationTotalNumber") or 0)
    number = int(dataset.get("InConcatenationNumber") or 1)
    if total > 1 or number > 1 or (dataset.get("ConcatenationUID") and not total):
        raise SeriesRefused(f"part of a concatenation: {number} of {total or 'an unknown number'}")


def _is_multi_frame(dataset: Any, name: str) -> bool:
    with told_as_unreadable(name):
        if dataset.get("PerFrameFunctionalGroupsSequence"):
            return True
        if int(value_of(dataset, "NumberOfFrames") or 1) > 1:
            raise SeriesRefused("multi-frame without functional groups: nothing says where each frame lies")
        return False


def _codestream_size(dataset: Any, index: int) -> tuple[int, int, int] | None:
    """Return rows, columns and samples that the compressed frame itself announces; None where it announces none."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return None
    return codestream_size(encapsulated_frame(dataset, index))


def _single_frame(index: int, dataset: Any) -> Frame:
    if _MOSAIC in (value_of(dataset, "ImageType") or ()):
        raise SeriesRefused(
            "mosaic: the image is made of the slices of a volume beside each other, and its place is not theirs"
        )
    slope, intercept, unit = _mapped_by(dataset, dataset.get(_REAL_WORLD), dataset)
    return Frame(
        dataset=index,
        number=0,
        plane=_plane(dataset, dataset, dataset, dataset),
        slope=slope,
        intercept=intercept,
        kind=_kind_of(dataset),
        unit=unit,
    )


def _mapped_by(transformation: Any, mappings: Any, dataset: Any) -> Mapping:
    """Return how stored values become real ones, and in which unit.

    Args:
        transformation: What has Rescale Slope and Intercept, the image or an item; None: there is none.
        mappings: The Real World Value Mapping Sequence; None or empty: there is none.
        dataset: The image.
    """
    if mappings and not _is_rescaled(transformation, dataset):
        return linear_mapping(mappings)
    return (*rescale_of(transformation), stated_unit(transformation, dataset))


def _is_rescaled(transformation: Any, dataset: Any) -> bool:
    """Say whether a Rescale Slope means something: a Parametric Map has that of 1 always (PS3.3 C.7.6.16.2.9b)."""
    if value_of(dataset, "SOPClassUID") == ParametricMapStorage:
        return False
    return any(_value(transformation, keyword) is not None for keyword in ("RescaleSlope", "RescaleIntercept"))


def _enhanced_frames(dataset: Any, numbers: Container[int] | None) -> Iterator[Frame]:
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    groups, announced = dataset.PerFrameFunctionalGroupsSequence, int(dataset.get("NumberOfFrames") or 1)
    if len(groups) != announced:
        raise SeriesRefused(f"wrong number of frames: {announced} are announced, {len(groups)} are described")
    for number, own in enumerate(groups, start=1):
        if numbers is not None and number not in numbers:
            continue

        def group(keyword: str, own: Any = own) -> Any:
            return _first(own, keyword) or _first(shared, keyword)

        mappings = next((found for one in (own, shared) if one is not None and (found := one.get(_REAL_WORLD))), None)
        slope, intercept, unit = _mapped_by(group("PixelValueTransformationSequence"), mappings, dataset)
        plane = _plane(
            group("PlanePositionSequence"), group("PlaneOrientationSequence"), group("PixelMeasuresSequence"), dataset
        )
        yield Frame(
            dataset=0,
            number=number,
            plane=plane,
            slope=slope,
            intercept=intercept,
            kind=_kind_of_frame(group),
            unit=unit,
        )


def _plane(position: Any, orientation: Any, measures: Any, dataset: Any) -> Plane:
    return Plane(
        position_mm=_numbers(position, "ImagePositionPatient", 3),
        orientation=_numbers(orientation, "ImageOrientationPatient", 6),
        spacing_mm=_numbers(measures, "PixelSpacing", 2),  # type: ignore[arg-type]  # two of them
        size=_size_of(dataset),
    )


def _numbers(item: Any, keyword: str, count: int) -> tuple[float, ...]:
    numbers: tuple[float, ...]
    try:
        numbers = _raw_numbers(item, keyword) or tuple(float(part) for part in _value(item, keyword))
    except (TypeError, ValueError) as error:
        raise SeriesRefused(f"no geometry: {keyword} is missing or has not {count} values") from error
    if len(numbers) != count:
        raise SeriesRefused(f"no geometry: {keyword} is missing or has not {count} values")
    if not np.all(np.isfinite(numbers)):
        raise SeriesRefused(f"no geometry: {keyword} is not finite")
    return numbers


def _raw_numbers(item: Any, keyword: str) -> tuple[float, ...] | None:
    """Return the numbers of a Decimal String that nobody has asked pydicom for yet, which makes objects of them."""
    tag = _TAGS[keyword]
    element = item.get_item(tag) if item is not None and tag in item else None
    if not isinstance(element, RawDataElement) or element.VR not in (None, "DS") or not element.value:
        return None
    try:
        return tuple(float(part) for part in element.value.split(b"\\"))
    except ValueError:
        return None


def _kind_of(dataset: Any) -> tuple[str, ...]:
    keywords = (
        "EchoTime",
        "EchoNumbers",
        "TemporalPositionIdentifier",
        "AcquisitionNumber",
        "DiffusionBValue",
        "TriggerTime",
    )
    values = ((keyword, value_of(dataset, keyword)) for keyword in keywords)
    return tuple(f"{keyword} {value}" for keyword, value in values if value is not None)


def _kind_of_frame(group: Any) -> tuple[str, ...]:
    content = group("FrameContentSequence")
    diffusion = group("MRDiffusionSequence")
    echo = group("MREchoSequence")
    kinds = {
        "StackID": _value(content, "StackID"),
        "TemporalPositionIndex": _value(content, "TemporalPositionIndex"),
        "DiffusionBValue": _value(diffusion, "DiffusionBValue"),
        "EffectiveEchoTime": _value(echo, "EffectiveEchoTime"),
    }
    return tuple(f"{keyword} {value}" for keyword, value in kinds.items() if value is not None)


def _first(item: Any, keyword: str) -> Any:
    sequence = item.get(keyword) if item is not None else None
    return sequence[0] if sequence else None


def _value(item: Any, keyword: str) -> Any:
    return value_of(item, keyword) if item is not None else None


def _size_of(dataset: Any) -> tuple[int, int]:
    return int(value_of(dataset, "Rows")), int(value_of(dataset, "Columns"))
