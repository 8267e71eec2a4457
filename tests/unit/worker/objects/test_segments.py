"""Which things become segments, under which numbers and names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.findings import Detection, Reading
from tests.readings import LABELS, NODULE, a_nodule_card, case_of, detections_reading, load, provenance_of
from worker.gate.bundle import parsed
from worker.objects.segments import (
    Thing,
    detection_segment_numbers,
    mask_of,
    overlapping,
    segment_numbers,
    segmented,
    tracking_name,
    tracking_uid,
)
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """An oblique series."""
    write_mr_series(tmp_path, oblique=True)
    return load(tmp_path)


def seg_of(series: LoadedSeries, reading: Reading) -> Dataset:
    """Return the SEG of a reading, read back from its bytes."""
    return parsed(next(made.data for made in build(case_of(series, reading, a_nodule_card())) if made.kind == "SEG"))


def without_overlap(reading: Reading) -> Reading:
    """Return the reading as interpretation makes it: a voxel of a detection has no label."""
    assert reading.labels is not None
    assert reading.instances is not None
    labels = np.where(reading.instances > 0, np.uint8(0), reading.labels)
    counts = {structure.label.number: int((labels == structure.label.number).sum()) for structure in reading.structures}
    structures = tuple(replace(one, voxels=counts[one.label.number]) for one in reading.structures)
    return replace(reading, labels=labels, structures=structures)


def test_detections_with_a_mask_follow_the_structures(series: LoadedSeries) -> None:
    """Segments are numbered 1 to n: structures by their labels, then detections; one without a mask has none."""
    reading = detections_reading(series)
    assert segment_numbers(reading) == {LABELS[0].number: 1, LABELS[1].number: 2}
    assert detection_segment_numbers(reading) == {1: 3, 2: 4}
    unmasked = replace(reading, detections=(replace(reading.detections[0], voxels=0), reading.detections[1]))
    assert detection_segment_numbers(unmasked) == {2: 3}
    assert segmented(detections_reading(series, masks=False)) == ()


def test_a_thing_is_tracked_under_a_name_and_uid_of_its_own(series: LoadedSeries) -> None:
    """Names and UIDs of structures and detections all differ; a long label leaves room for the number in 64 bytes."""
    reading = detections_reading(series)
    provenance = provenance_of(series, a_nodule_card())
    things: tuple[Thing, ...] = (*reading.structures, *reading.detections)
    assert [tracking_name(thing) for thing in things] == ["Cerebral cortex", "Left thalamus", "Nodule 1", "Nodule 2"]
    assert len({tracking_uid(provenance, thing) for thing in things}) == 4
    long = replace(reading.detections[0], label=NODULE.model_copy(update={"name": "x" * 64}), number=65535)
    assert len(tracking_name(long)) == 64


@pytest.mark.parametrize("overlap", [True, False])
def test_every_segment_has_the_voxels_of_its_thing(series: LoadedSeries, *, overlap: bool) -> None:
    """Frame by frame the SEG is the mask of the reading, also where a nodule lies within a structure."""
    reading = detections_reading(series)
    if not overlap:
        reading = without_overlap(reading)
    assert overlapping(reading) == overlap
    seg = seg_of(series, reading)
    assert seg.SegmentsOverlap == ("YES" if overlap else "NO")
    slices = {str(dataset.SOPInstanceUID): k for k, dataset in enumerate(series.datasets)}
    pixels = seg.pixel_array
    found = {number: np.zeros(reading.labels.shape, bool) for number in range(1, 5)}  # type: ignore[union-attr]
    for frame, image in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        found[frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber][slices[source]] = image
    for number, thing in enumerate(segmented(reading), start=1):
        assert found[number].sum() == thing.voxels
        assert np.array_equal(found[number], mask_of(reading, thing))


def test_a_reading_of_detections_alone_has_segments_too(series: LoadedSeries) -> None:
    """No structure and no label map are needed."""
    reading = replace(detections_reading(series), labels=None, structures=())
    seg = seg_of(series, reading)
    assert [(item.SegmentNumber, item.TrackingID) for item in seg.SegmentSequence] == [(1, "Nodule 1"), (2, "Nodule 2")]


def test_more_than_255_detections_are_all_segments(series: LoadedSeries) -> None:
    """Numbers beyond a byte are kept."""
    model = detections_reading(series).detections[0]
    assert series.source.array.ndim == 3
    instances = np.zeros(series.source.array.shape, np.uint16)
    instances.reshape(-1)[: 300 * 2 : 2] = np.arange(1, 301)
    detections: tuple[Detection, ...] = tuple(replace(model, number=n, voxels=1) for n in range(1, 301))
    seg = seg_of(series, Reading(instances=instances, detections=detections, runtime="none"))
    assert len(seg.SegmentSequence) == 300


def test_a_detection_says_where_it_lies(series: LoadedSeries) -> None:
    """Site and side of a detection stand in its segment's anatomic region."""
    first, second = seg_of(series, detections_reading(series)).SegmentSequence[2:]
    (region,) = first.AnatomicRegionSequence
    assert (region.CodeValue, region.AnatomicRegionModifierSequence[0].CodeMeaning) == ("45653009", "Left")
    assert "AnatomicRegionSequence" not in second
