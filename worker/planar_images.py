"""Images without a place in patient space, from their files: X-ray, mammography, ultrasound, captures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import apply_color_lut, apply_modality_lut
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from models.sentence import Sentence
from models.volume import Image
from worker.errors import SeriesRefused
from worker.image_frames import decode, has_place, voxels_announced
from worker.planar_spacing import spacing_mm
from worker.pydicom_errors import told_as_unreadable

#: SOP classes whose images have no place in patient space, whatever else their headers hold.
PLANAR = frozenset(
    {
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
        DigitalMammographyXRayImageStorageForPresentation,
        DigitalMammographyXRayImageStorageForProcessing,
        UltrasoundImageStorage,
        UltrasoundMultiFrameImageStorage,
        XRayAngiographicImageStorage,
        XRayRadiofluoroscopicImageStorage,
        SecondaryCaptureImageStorage,
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)
#: ITU-R BT.601: how bright red, green and blue look.
_LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)
_COLOURS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Planar:
    """Images that were read.

    Attributes:
        image: The source.
        datasets: One a frame, or one of several frames.
        frame_numbers: Of a multi-frame image, 1-based; else empty.
        repairs: What was mended, one sentence each.
    """

    image: Image
    datasets: tuple[Any, ...]
    frame_numbers: tuple[int, ...]
    repairs: tuple[str, ...]


def is_planar(datasets: Sequence[Any], names: Sequence[str]) -> bool:
    """Say whether these are images without a place in patient space: by their SOP class, and none says a position."""
    found = []
    for dataset, name in zip(datasets, names, strict=True):
        with told_as_unreadable(name):
            found.append(dataset.get("SOPClassUID") in PLANAR and not has_place(dataset))
    return all(found)


def load_planar(datasets: Sequence[Any], names: Sequence[str], *, max_voxels: int) -> Planar:
    """Read images in the order of their Instance Numbers, or the frames of one multi-frame image.

    Raises SeriesRefused (too large, several multi-frame images, mixed sizes) and SeriesUnreadable.
    """
    pairs = list(zip(datasets, names, strict=True))
    announced = sum(voxels_announced(dataset, name, colour=True) for dataset, name in pairs)
    if announced > max_voxels:
        raise SeriesRefused(f"too large: the headers announce {announced} values, worker.max_voxels is {max_voxels}")
    frames = [_frames(dataset, name) for dataset, name in pairs]
    if max(frames) > 1 and len(datasets) > 1:
        raise SeriesRefused(f"several multi-frame images: {len(datasets)} objects in one series")
    order = sorted(range(len(datasets)), key=lambda index: (_instance_number(datasets[index]), names[index]))
    ordered = [datasets[index] for index in order]
    numbers = tuple(range(1, frames[0] + 1)) if frames[0] > 1 else ()
    pixels = (
        [_values(ordered[0], number, names[0]) for number in numbers]
        if numbers
        else [_values(dataset, 0, names[index]) for dataset, index in zip(ordered, order, strict=True)]
    )
    sizes = sorted({f"{values.shape[0]} x {values.shape[1]}" for values in pixels})
    if len(sizes) > 1:
        raise SeriesRefused(f"mixed sizes: images of {' and '.join(sizes)} in one series; a model reads one size")
    with told_as_unreadable(names[0]):
        spacings = {spacing_mm(dataset) for dataset in ordered}
    return Planar(
        image=Image(array=np.stack(pixels), spacing_mm=spacings.pop() if len(spacings) == 1 else None),
        datasets=tuple(ordered),
        frame_numbers=numbers,
        repairs=_repairs(ordered),
    )


def _values(dataset: Any, number: int, name: str) -> NDArray[np.generic]:
    """Decode one image to ``(rows, columns)``, high values bright."""
    with told_as_unreadable(name):
        photometric = str(dataset.get("PhotometricInterpretation") or "")
    values: NDArray[Any] = decode(dataset, number, name)
    with told_as_unreadable(name):
        if photometric == "PALETTE COLOR":
            values = apply_color_lut(values, dataset)
            # Palettes of 16 bits are common; luminance is told in 8.
            values = (values >> 8).astype(np.uint8) if values.dtype == np.uint16 else values
        if values.ndim == _COLOURS:
            return np.asarray(np.rint(values[..., :_COLOURS] @ _LUMINANCE), values.dtype)
        if photometric == "MONOCHROME1":
            values = _inverted(values, dataset)
        return np.asarray(apply_modality_lut(values, dataset))


def _inverted(values: NDArray[Any], dataset: Any) -> NDArray[Any]:
    """Turn stored values round within the range that their bits have (PS3.3 C.7.6.3.1.2)."""
    bits = int(dataset.BitsStored)
    total = -1 if int(dataset.get("PixelRepresentation") or 0) else 2**bits - 1
    return np.asarray(total - values.astype(np.int64), values.dtype)


def _repairs(datasets: Sequence[Any]) -> tuple[str, ...]:
    photometric = {str(dataset.get("PhotometricInterpretation")) for dataset in datasets}
    repairs: list[str] = []
    if "MONOCHROME1" in photometric:
        repairs.append(Sentence("MONOCHROME1: values were inverted, so that high values are bright."))
    if photometric - {"MONOCHROME1", "MONOCHROME2"}:
        repairs.append(Sentence("Colour images were read by their brightness."))
    return tuple(repairs)


def _frames(dataset: Any, name: str) -> int:
    with told_as_unreadable(name):
        return int(dataset.get("NumberOfFrames") or 1)


def _instance_number(dataset: Any) -> int:
    try:
        return int(dataset.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        return 0
