"""From pydicom datasets to frames: where each lies, how its stored values become real ones, and its decoded pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import pixel_array

from worker.errors import SeriesRefused, SeriesUnreadable
from worker.slice_geometry import Plane


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One slice before it is decoded.

    Attributes:
        dataset: Index into the series' datasets.
        number: 1-based frame of a multi-frame image; 0 for a single-frame one.
        plane: Where it lies.
        slope: Rescale Slope.
        intercept: Rescale Intercept.
        kind: What tells acquisitions apart that share a position: echo, time, diffusion.
    """

    dataset: int
    number: int
    plane: Plane
    slope: float
    intercept: float
    kind: tuple[str, ...]


def frames_of(datasets: Sequence[Any]) -> list[Frame]:
    """List the frames of a series. Raises SeriesRefused when one says too little about where it lies."""
    if len(datasets) == 1 and "PerFrameFunctionalGroupsSequence" in datasets[0]:
        return list(_enhanced_frames(datasets[0]))
    return [_single_frame(index, dataset) for index, dataset in enumerate(datasets)]


def decode(dataset: Any, number: int, name: str) -> NDArray[np.generic]:
    """Decode one frame to ``(rows, columns)``.

    Raises SeriesUnreadable with the decoder's words, SeriesRefused for colour or another size than announced.
    """
    try:
        values = pixel_array(dataset, index=number - 1) if number else pixel_array(dataset)
    except (AttributeError, ValueError, RuntimeError, NotImplementedError, KeyError, TypeError, OSError) as error:
        syntax = dataset.file_meta.TransferSyntaxUID
        raise SeriesUnreadable(
            f"{name}: pixel data in {getattr(syntax, 'name', syntax)} cannot be decoded: {error}"
        ) from error
    expected = (int(dataset.Rows), int(dataset.Columns))
    if values.ndim == 3 and values.shape[0] == 1:  # noqa: PLR2004  # one frame of a multi-frame image
        values = values[0]
    if values.shape != expected:
        raise SeriesRefused(f"wrong size: {name} decodes to {values.shape}, its header says {expected}")
    return np.asarray(values)


def voxels_announced(datasets: Sequence[Any]) -> int:
    """Return Rows times Columns times Frames over all datasets, from the headers, before anything is decoded."""
    return sum(
        int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0) * int(dataset.get("NumberOfFrames") or 1)
        for dataset in datasets
    )


def require_grey(dataset: Any) -> None:
    """Raise SeriesRefused for colour images."""
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise SeriesRefused("colour images: models of volumes read grey values")


def _single_frame(index: int, dataset: Any) -> Frame:
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise SeriesRefused("multi-frame without functional groups: nothing says where each frame lies")
    return Frame(
        dataset=index,
        number=0,
        plane=_plane(dataset, dataset, dataset, dataset),
        slope=float(dataset.get("RescaleSlope") or 1),
        intercept=float(dataset.get("RescaleIntercept") or 0),
        kind=_kind_of(dataset),
    )


def _enhanced_frames(dataset: Any) -> Iterator[Frame]:
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    for number, own in enumerate(dataset.PerFrameFunctionalGroupsSequence, start=1):

        def group(keyword: str, own: Any = own) -> Any:
            return _first(own, keyword) or _first(shared, keyword)

        transformation = group("PixelValueTransformationSequence")
        plane = _plane(
            group("PlanePositionSequence"), group("PlaneOrientationSequence"), group("PixelMeasuresSequence"), dataset
        )
        yield Frame(
            dataset=0,
            number=number,
            plane=plane,
            slope=float(_value(transformation, "RescaleSlope") or 1),
            intercept=float(_value(transformation, "RescaleIntercept") or 0),
            kind=_kind_of_frame(group),
        )


def _plane(position: Any, orientation: Any, measures: Any, dataset: Any) -> Plane:
    return Plane(
        position_mm=_numbers(position, "ImagePositionPatient", 3),
        orientation=_numbers(orientation, "ImageOrientationPatient", 6),
        spacing_mm=_numbers(measures, "PixelSpacing", 2),  # type: ignore[arg-type]  # two of them
        size=(int(dataset.Rows), int(dataset.Columns)),
    )


def _numbers(item: Any, keyword: str, count: int) -> tuple[float, ...]:
    value = _value(item, keyword)
    if value is None or len(value) != count:
        raise SeriesRefused(f"no geometry: {keyword} is missing or has not {count} values")
    numbers = tuple(float(part) for part in value)
    if not np.all(np.isfinite(numbers)):
        raise SeriesRefused(f"no geometry: {keyword} is not finite")
    return numbers


def _kind_of(dataset: Any) -> tuple[str, ...]:
    keywords = (
        "EchoTime",
        "EchoNumbers",
        "TemporalPositionIdentifier",
        "AcquisitionNumber",
        "DiffusionBValue",
        "TriggerTime",
    )
    return tuple(f"{keyword} {dataset.get(keyword)}" for keyword in keywords if dataset.get(keyword) is not None)


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
    return item.get(keyword) if item is not None else None
