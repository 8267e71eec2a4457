"""From the files of a series to what a model reads: geometry from position and orientation, never from file order.

What has no place in patient space is read by `planar_images`.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.uid import CTImageStorage, PositronEmissionTomographyImageStorage

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.datasets.part10 import FileMeta, meta_in
from dicom_node.errors import NodeError
from models.volume import Source, Volume
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.instances.bounded_inflating import HEADER_BYTES, inflates_within, is_deflated
from worker.instances.inputs_digest import digest_of_series
from worker.instances.plain_values import value_of
from worker.instances.pydicom_errors import told_as_unreadable
from worker.instances.quick_parsing import quickly_parsed
from worker.instances.series_repairs import AS_STORED, THICKNESS, UNSCALED, copies_left_out
from worker.selecting.tag_rules import TagRule
from worker.series.fitting_frames import fitting_frames
from worker.series.frame_decoders import in_parallel
from worker.series.image_frames import PIXELS, Frame, decode, frames_of, said_between_slices_mm, voxels_announced
from worker.series.one_acquisition import require_one_acquisition
from worker.series.pixel_padding import VolumePadding
from worker.series.planar_images import is_planar, load_planar
from worker.series.rescaling import add_whole, scale, stay_whole, whole_dtype
from worker.series.slice_geometry import Stack, stack
from worker.series.waveform_reading import read_waveform

_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")

#: Attributes that must be the same in all files of a series, and the name of the refusal where they are not.
_ONE_OF_EACH = {
    "SeriesInstanceUID": "two series",
    "StudyInstanceUID": "two studies",
    "PatientID": "two patient ids",
    "SOPClassUID": "two kinds of object",
}
#: Likewise, of images that make a volume: those without a place in space may each have one of their own, or none.
_ONE_SPACE = {"FrameOfReferenceUID": "two frames of reference"}
#: Any of them says what the stored values of a single-frame image mean.
_SCALES = ("RescaleSlope", "RescaleIntercept", "RealWorldValueMappingSequence")
#: Two, since a job's neighbours decode too.
_DECODING_THREADS = min(2, os.cpu_count() or 1)
#: Bytes of one voxel at most (Double Float Pixel Data).
_VOXEL_BYTES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedSeries:
    """A series that was read.

    Attributes:
        source: The volume, images or waveform.
        datasets: What was read, pydicom datasets without their pixel data. For single-frame images one a slice, in the
            source's order (``datasets[k]`` is ``source.array[k]``); for a multi-frame image or a waveform exactly one.
        frame_numbers: For a multi-frame image the 1-based frame of each slice of the source; else empty.
        inputs_digest: sha256 (hex) over the sorted pairs of SOP Instance UID and sha256 of the dataset's bytes.
        repairs: What was mended and by which rule, one sentence each; goes to the ledger and the text SR.
        others: Datasets of further series that were read as channels.
    """

    source: Source
    datasets: tuple[Any, ...]
    frame_numbers: tuple[int, ...]
    inputs_digest: str
    repairs: tuple[str, ...]
    others: tuple[Any, ...] = ()

    @property
    def evidence(self) -> tuple[Any, ...]:
        """Every dataset that was read, those of the volume's own series first."""
        return (*self.datasets, *self.others)


def load_series(files: Sequence[Path], *, max_voxels: int, images: TagRule | None = None) -> LoadedSeries:
    """Read the files of one series.

    Args:
        files: Those that are read.
        max_voxels: More are refused.
        images: Which frames of a multi-frame image are read; None for all.

    Raises SeriesRefused (its message begins with the name of what is wrong) and SeriesUnreadable.
    """
    if not files:
        raise SeriesRefused("empty series: it has no files")
    # A thread that hashes needs Python's lock only to begin and to end: it gets through while all else is done. One
    # that fetches or parses would wait for the lock longer than it saves.
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as hashing:
        read = _read(sorted(files), max_voxels, hashing)
        datasets, names = [dataset for dataset, _ in read], [file.name for file in sorted(files)]

        def digest() -> str:
            return digest_of_series((str(value_of(dataset, "SOPInstanceUID")), told.result()) for dataset, told in read)

        return _loaded(datasets, names, digest, max_voxels, images)


def _loaded(
    datasets: list[Any], names: list[str], digest: Callable[[], str], max_voxels: int, images: TagRule | None
) -> LoadedSeries:
    _require_one_of_each(datasets, names, _ONE_OF_EACH)
    if "WaveformSequence" in datasets[0]:
        if len(datasets) > 1:
            raise SeriesRefused(f"several waveforms: {len(datasets)} objects in one series, one is read")
        source, repairs = read_waveform(datasets[0], names[0])
        return LoadedSeries(
            source=source,
            datasets=(_without_bulk(datasets[0]),),
            frame_numbers=(),
            inputs_digest=digest(),
            repairs=repairs,
        )
    if is_planar(datasets, names):
        planar = load_planar(datasets, names, max_voxels=max_voxels, images=images)
        return LoadedSeries(
            source=planar.image,
            datasets=tuple(_without_bulk(dataset) for dataset in planar.datasets),
            frame_numbers=planar.frame_numbers,
            inputs_digest=digest(),
            repairs=planar.repairs,
        )
    return _load_images(datasets, names, digest, max_voxels, images)


def _load_images(
    datasets: list[Any], names: list[str], digest: Callable[[], str], max_voxels: int, images: TagRule | None
) -> LoadedSeries:
    _require_one_of_each(datasets, names, _ONE_SPACE)
    voxels = sum(voxels_announced(dataset, name) for dataset, name in zip(datasets, names, strict=True))
    if voxels > max_voxels:
        raise SeriesRefused(f"too large: the headers announce {voxels} voxels, worker.max_voxels is {max_voxels}")
    frames = frames_of(datasets, names, fitting_frames(datasets[0], names[0], images))
    with told_as_unreadable(names[0]):
        thickness_mm, apart_mm = (
            said_between_slices_mm(datasets[0], keyword, frames[0].number or 1)
            for keyword in ("SliceThickness", "SpacingBetweenSlices")
        )
    found = stack([frame.plane for frame in frames], thickness_mm=thickness_mm or apart_mm)
    require_one_acquisition(frames, found)
    ordered, repairs = _without_copies(datasets, names, frames, found)
    array, padding = _values(datasets, names, ordered)
    where, ends_there = padding.filled_in(array)
    enhanced = frames[0].number > 0
    for dataset in datasets:
        _without_bulk(dataset)
    if not thickness_mm:
        repairs = (*repairs, THICKNESS)
    if any(map(_lacks_scale, datasets)):
        repairs = (*repairs, UNSCALED)
    if any(str(value_of(dataset, "PhotometricInterpretation")) == "MONOCHROME1" for dataset in datasets):
        repairs = (*repairs, AS_STORED)
    return LoadedSeries(
        source=Volume(
            array=array,
            affine=found.affine,
            unit=next((it.unit for it in ordered if it.unit), ""),
            padding=where,
            ends_at_padding=ends_there,
        ),
        datasets=(datasets[0],) if enhanced else tuple(datasets[frame.dataset] for frame in ordered),
        frame_numbers=tuple(frame.number for frame in ordered) if enhanced else (),
        inputs_digest=digest(),
        repairs=repairs,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fetched:
    """The bytes of a file, and its meta information."""

    name: str
    data: bytes
    meta: FileMeta


def _fetch(file: Path) -> _Fetched:
    """Read a file."""
    try:
        data = file.read_bytes()
        meta = meta_in(file, memoryview(data))
    except OSError as error:
        raise SeriesUnreadable(f"{file.name}: cannot be read ({error.strerror}); is the spool's disk there?") from error
    except NodeError as error:
        raise SeriesUnreadable(f"{file.name}: is no readable DICOM file") from error
    return _Fetched(name=file.name, data=data, meta=meta)


def _digest(fetched: _Fetched) -> str:
    """Return the sha256 (hex) of a file's dataset."""
    return hashlib.sha256(memoryview(fetched.data)[fetched.meta.dataset_start :]).hexdigest()


def _parsed(fetched: _Fetched, max_voxels: int) -> Any:
    """Return the dataset, its values parsed far enough to know that they can be."""
    data, meta, name = fetched.data, fetched.meta, fetched.name
    if is_deflated(meta) and not inflates_within(data, meta.dataset_start, HEADER_BYTES + _VOXEL_BYTES * max_voxels):
        raise SeriesRefused(f"too large: {name} inflates to more than worker.max_voxels ({max_voxels}) allows")
    try:
        dataset = quickly_parsed(data, meta.dataset_start, meta.transfer_syntax_uid) or dcmread(BytesIO(data))
        # Parsed here, so that what cannot be parsed shows here and not later.
        blank = [keyword for keyword in _UIDS if not value_of(dataset, keyword)]
    except PARSE_ERRORS as error:
        raise SeriesUnreadable(f"{name}: is no readable DICOM object ({type(error).__name__})") from error
    if blank:
        raise SeriesRefused(f"blank UIDs: {name} has no {', '.join(blank)}, so no result could refer to it")
    return dataset


def _read(files: Sequence[Path], max_voxels: int, hashing: Executor) -> list[tuple[Any, Future[str]]]:
    """Return dataset and digest of each file; the digests come later."""
    read = []
    for fetched in map(_fetch, files):
        digest = hashing.submit(_digest, fetched)
        read.append((_parsed(fetched, max_voxels), digest))
    return read


def _require_one_of_each(datasets: Sequence[Any], names: Sequence[str], attributes: Mapping[str, str]) -> None:
    for keyword, refusal in attributes.items():
        values = set()
        for dataset, name in zip(datasets, names, strict=True):
            with told_as_unreadable(name):
                values.add(_as_it_came(dataset, keyword))
        if len(values) > 1:
            # The values stay out of the message: one of them may be a patient's.
            raise SeriesRefused(f"{refusal}: the files of this series differ in {keyword}")


def _as_it_came(dataset: Any, keyword: str) -> str:
    """Return a value without deciding what its characters are: `sender_characters` does, and wants the bytes."""
    element = dataset.get_item(keyword)
    value = b"" if element is None else element.value
    return value.rstrip(b" \0").decode("latin-1") if isinstance(value, bytes) else str(value or "")


def _lacks_scale(dataset: Any) -> bool:
    """Say whether an image lacks what makes Hounsfield units or uptake of its values (PS3.3 C.8.2.1, C.8.9.4)."""
    scaled = value_of(dataset, "SOPClassUID") in (CTImageStorage, PositronEmissionTomographyImageStorage)
    return scaled and all(keyword not in dataset or dataset[keyword].is_empty for keyword in _SCALES)


def _without_copies(
    datasets: Sequence[Any], names: Sequence[str], frames: Sequence[Frame], found: Stack
) -> tuple[list[Frame], tuple[str, ...]]:
    """Keep one frame a position; the others must have the same values, after their own slope and intercept."""
    copies = 0
    ordered = []
    for group in found.groups:
        ordered.append(frames[group[0]])
        for index in group[1:]:
            first, second = (_real(datasets, names, frames[place]) for place in (group[0], index))
            if not np.array_equal(first, second):
                raise SeriesRefused("duplicate slices: two images at one position have different pixels")
            copies += 1
    return ordered, ((copies_left_out(copies),) if copies else ())


def _real(datasets: Sequence[Any], names: Sequence[str], frame: Frame) -> NDArray[np.float64]:
    stored: NDArray[Any] = decode(datasets[frame.dataset], frame.number, names[frame.dataset])
    return np.asarray(stored * np.float64(frame.slope) + np.float64(frame.intercept))


def _values(
    datasets: Sequence[Any], names: Sequence[str], ordered: Sequence[Frame]
) -> tuple[NDArray[np.generic], VolumePadding]:
    """Decode into one array of real values; return it, and what in it is padding."""
    array: NDArray[Any] | None = None
    padding = VolumePadding()
    whole = True
    for place, (frame, stored) in enumerate(zip(ordered, _decoded(datasets, names, ordered), strict=True)):
        with told_as_unreadable(names[frame.dataset]):
            values = padding.taken_out(place, datasets[frame.dataset], stored, frame)
        if array is None:
            whole = stay_whole(values.dtype, ordered)
            bits = 8 * values.dtype.itemsize
            used = min(int(datasets[frame.dataset].get("BitsStored") or bits), bits)
            dtype = whole_dtype(values.dtype, used, ordered) if whole else np.dtype(np.float32)
            array = np.empty((len(ordered), *values.shape), dtype=dtype)
        if whole:
            array = add_whole(array, place, values, frame.intercept)
        else:
            scale(values, frame, array[place])
    assert array is not None  # noqa: S101  # a stack has at least one slice
    return array, padding


def _decoded(datasets: Sequence[Any], names: Sequence[str], ordered: Sequence[Frame]) -> Iterator[NDArray[Any]]:
    """Yield the frames in order; decoded side by side where the decoder lets a second thread run."""

    def one(frame: Frame) -> NDArray[Any]:
        values: NDArray[Any] = decode(datasets[frame.dataset], frame.number, names[frame.dataset])
        return values

    first = datasets[ordered[0].dataset]
    if not in_parallel(first.file_meta.TransferSyntaxUID, int(first.get("SamplesPerPixel") or 1)):
        yield from map(one, ordered)
        return
    with ThreadPoolExecutor(_DECODING_THREADS, thread_name_prefix="decode") as pool:
        yield from pool.map(one, ordered)


def _without_bulk(dataset: Any) -> Any:
    for keyword in PIXELS:
        if keyword in dataset:
            delattr(dataset, keyword)
    # pydicom keeps what it has read from, so all files of a series would stay in memory beside its volume.
    dataset.buffer = None
    return dataset
