"""From the files of a series to an Image: X-ray, mammography, ultrasound, endoscopy, secondary captures.

Such images have no place in patient space, so their order is that of Instance Number and their spacing is what the
source says of it, or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom.uid as uids
from numpy.typing import NDArray
from pydicom.pixels import apply_color_lut, apply_modality_lut

from models.volume import Image
from worker.errors import SeriesRefused
from worker.instances.pydicom_errors import told_as_unreadable
from worker.instances.series_repairs import AT_DETECTOR, BRIGHTNESS, INVERTED
from worker.instances.source_repairs import patient_orientation_of
from worker.selecting.tag_rules import TagRule
from worker.series.fitting_frames import fitting_frames
from worker.series.image_frames import decode, has_place, rescale_of, voxels_announced
from worker.series.pixel_padding import padding_of, stored_range
from worker.series.planar_spacing import is_at_detector, pixel_aspect, spacing_mm

#: SOP classes whose images lie nowhere in the patient, unless they say so.
PLANAR_CLASSES = frozenset(
    {
        uids.ComputedRadiographyImageStorage,
        uids.DigitalXRayImageStorageForPresentation,
        uids.DigitalXRayImageStorageForProcessing,
        uids.DigitalMammographyXRayImageStorageForPresentation,
        uids.DigitalMammographyXRayImageStorageForProcessing,
        uids.DigitalIntraOralXRayImageStorageForPresentation,
        uids.DigitalIntraOralXRayImageStorageForProcessing,
        uids.UltrasoundImageStorage,
        uids.UltrasoundMultiFrameImageStorage,
        uids.XRayAngiographicImageStorage,
        uids.XRayRadiofluoroscopicImageStorage,
        uids.EnhancedXAImageStorage,
        uids.EnhancedXRFImageStorage,
        uids.SecondaryCaptureImageStorage,
        uids.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        uids.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        uids.MultiFrameTrueColorSecondaryCaptureImageStorage,
        uids.VLEndoscopicImageStorage,
        uids.VLPhotographicImageStorage,
        uids.OphthalmicPhotography8BitImageStorage,
        uids.OphthalmicPhotography16BitImageStorage,
    }
)
#: ITU-R BT.601, as in the Y of PS3.3 C.7.6.3.1.2.
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_NO_NUMBER = 2**31
#: Of Image Laterality (PS3.3 C.8.11.2) and Laterality (C.7.3.1): what shows both, or is unpaired, is on no side.
_SIDES = {"L": "left", "R": "right"}
_MONOCHROME1 = "MONOCHROME1"


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanarSeries:
    """A series of images without a place in patient space.

    Attributes:
        image: What a model reads.
        datasets: As in `worker.series.series_volume.LoadedSeries`.
        frame_numbers: As in `worker.series.series_volume.LoadedSeries`.
        repairs: What was done to the values, one sentence each.
    """

    image: Image
    datasets: tuple[Any, ...]
    frame_numbers: tuple[int, ...]
    repairs: tuple[str, ...]


def is_planar(datasets: Sequence[Any], names: Sequence[str]) -> bool:
    """Say whether a series is of images that lie nowhere in the patient. Raises SeriesUnreadable."""
    for dataset, name in zip(datasets, names, strict=True):
        with told_as_unreadable(name):
            if str(dataset.SOPClassUID) not in PLANAR_CLASSES or has_place(dataset):
                return False
    return True


def load_planar(
    datasets: Sequence[Any], names: Sequence[str], *, max_voxels: int, images: TagRule | None = None
) -> PlanarSeries:
    """Read the images of a series, one multi-frame or several single-frame ones in the order of Instance Number.

    Values are after the Modality LUT (PS3.3 C.11.1), high ones bright, padding as dark as the darkest of its image.

    Raises SeriesRefused (its message begins with the name of what is wrong) and SeriesUnreadable.
    """
    voxels = sum(voxels_announced(one, name, colour=True) for one, name in zip(datasets, names, strict=True))
    if voxels > max_voxels:
        raise SeriesRefused(f"too large: the headers announce {voxels} values, worker.max_voxels is {max_voxels}")
    order = _order(datasets, names)
    datasets, names = [datasets[place] for place in order], [names[place] for place in order]
    frames = _frames(datasets, names)
    if frames[0][1]:
        fitting = fitting_frames(datasets[0], names[0], images)
        frames = [frame for frame in frames if frame[1] in fitting]
    spacings, aspects = set(), []
    for dataset, name in zip(datasets, names, strict=True):
        with told_as_unreadable(name):
            spacings.add(spacing_mm(dataset))
            aspects.append(pixel_aspect(dataset))
    values = _values(datasets, names, frames)
    return PlanarSeries(
        image=Image(
            array=values,
            spacing_mm=spacings.pop() if len(spacings) == 1 else None,
            pixel_aspects=tuple(aspects),
            sides=_sides(datasets, names) if len(frames) == len(datasets) else (),
            mirrored=any(map(_is_mirrored, datasets, names)),
        ),
        datasets=tuple(datasets),
        frame_numbers=tuple(number for _, number in frames if number),
        repairs=_repairs(datasets),
    )


def _order(datasets: Sequence[Any], names: Sequence[str]) -> list[int]:
    keys = []
    for place, (dataset, name) in enumerate(zip(datasets, names, strict=True)):
        with told_as_unreadable(name):
            number = dataset.get("InstanceNumber")
            keys.append((_NO_NUMBER if number is None else int(number), str(dataset.SOPInstanceUID), place))
    return [place for *_, place in sorted(keys)]


def _sides(datasets: Sequence[Any], names: Sequence[str]) -> tuple[str, ...]:
    """Return which side of the body each image shows; nothing where one does not say it."""
    sides = []
    for dataset, name in zip(datasets, names, strict=True):
        with told_as_unreadable(name):
            stated = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip()
        sides.append(_SIDES.get(stated, ""))
    return tuple(sides) if all(sides) else ()


def _is_mirrored(dataset: Any, name: str) -> bool:
    """Say whether rows run to the patient's right by Patient Orientation (PS3.3 C.7.6.1.1.1)."""
    with told_as_unreadable(name):
        row, *_ = patient_orientation_of(dataset) or [""]
        return row.startswith("R")


def _frames(datasets: Sequence[Any], names: Sequence[str]) -> list[tuple[int, int]]:
    """Return (index of the dataset, 1-based frame or 0 in a single-frame image) of each frame."""
    sizes, counts = set(), []
    for dataset, name in zip(datasets, names, strict=True):
        with told_as_unreadable(name):
            sizes.add((int(dataset.Rows), int(dataset.Columns)))
            counts.append(int(dataset.get("NumberOfFrames") or 1))
    if min(min(size) for size in sizes) < 1 or min(counts) < 1:
        raise SeriesRefused("no images: an object of this series has no rows, columns or frames")
    if max(counts) > 1 and len(datasets) > 1:
        raise SeriesRefused(f"several multi-frame images: {len(datasets)} objects in one series, one is read")
    if len(sizes) > 1:
        raise SeriesRefused("mixed sizes: images of this series have different Rows or Columns")
    if counts[0] > 1:
        return [(0, number) for number in range(1, counts[0] + 1)]
    return [(index, 0) for index in range(len(datasets))]


def _values(datasets: Sequence[Any], names: Sequence[str], frames: Sequence[tuple[int, int]]) -> NDArray[np.generic]:
    """Decode into one array, ``(frames, rows, columns)``; integers stay integers where nothing is rescaled."""
    array: NDArray[Any] | None = None
    for place, (index, number) in enumerate(frames):
        stored = decode(datasets[index], number, names[index])
        with told_as_unreadable(names[index]):
            values = _bright(datasets[index], stored)
        if array is None:
            array = np.empty((len(frames), *values.shape), dtype=values.dtype)
        if not np.can_cast(values.dtype, array.dtype, casting="safe"):
            array = array.astype(np.promote_types(values.dtype, array.dtype))
        array[place] = values
    assert array is not None  # noqa: S101  # a series has at least one frame
    return array


def _bright(dataset: Any, stored: NDArray[Any]) -> NDArray[Any]:
    """Return a frame's values after the Modality LUT, ``(rows, columns)``, high ones bright."""
    if str(dataset.PhotometricInterpretation) == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim == 3:  # noqa: PLR2004  # the last axis is colour
        exact = np.result_type(np.float32, stored.dtype)  # white of 32 bits would round to one more, which is black
        luminance = stored[..., :3].astype(exact) @ _LUMINANCE.astype(exact)
        return np.asarray(np.rint(luminance).astype(stored.dtype))
    return _without_padding(_mapped(dataset, stored), padding_of(dataset, stored))


def _mapped(dataset: Any, stored: NDArray[Any]) -> NDArray[Any]:
    low, high = stored_range(dataset)
    values = stored
    if dataset.get("ModalityLUTSequence"):
        values = apply_modality_lut(stored, dataset)
        low, high = 0, 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    else:
        slope, intercept = rescale_of(dataset)
        if (slope, intercept) != (1.0, 0.0):
            values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
            low, high = low * slope + intercept, high * slope + intercept
    if str(dataset.PhotometricInterpretation) == _MONOCHROME1:
        # Mirrored about the middle of the range that the header announces: equal values stay equal between images.
        low, high = min(low, high), max(low, high)
        return np.asarray((low + high - np.clip(values, low, high)).astype(values.dtype))
    return values


def _without_padding(values: NDArray[Any], padding: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Make padding as dark as the darkest of the image; it may be stored brighter than all of it."""
    if padding is None or padding.all():
        return values
    return np.where(padding, values[~padding].min(), values)


def _repairs(datasets: Sequence[Any]) -> tuple[str, ...]:
    kinds = {str(dataset.get("PhotometricInterpretation", "")) for dataset in datasets}
    return (
        *((INVERTED,) if _MONOCHROME1 in kinds else ()),
        *((AT_DETECTOR,) if any(map(is_at_detector, datasets)) else ()),
        *((BRIGHTNESS,) if any(not kind.startswith("MONOCHROME") for kind in kinds) else ()),
    )
