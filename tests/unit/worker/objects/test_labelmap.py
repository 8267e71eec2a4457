"""The voxels of a reading as one label map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.readings import LABELS, NODULE, a_card, a_nodule_card, a_reading, case_of, detections_reading, load
from tests.unit.worker.conftest import assembled
from worker.case.case import Case
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import parsed
from worker.object_kinds import DEFAULT_KINDS
from worker.objects.labelmap import build_labelmap
from worker.objects.object_encoding import ResultObject, encoded
from worker.results import build
from worker.selecting.selection_summary import summarise
from worker.testing import write_mr_series

KINDS = (*DEFAULT_KINDS, "LABELMAP")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """The known reading of an oblique series."""
    write_mr_series(tmp_path, oblique=True)
    series = load(tmp_path)
    return case_of(series, a_reading(series), a_card())


def label_map(case: Case) -> Dataset:
    """Return the label map among the results, read back from its bytes."""
    return parsed(next(made.data for made in build(case, KINDS) if made.kind == "LABELMAP"))


def test_every_voxel_has_its_segments_number(case: Case) -> None:
    """Decoded from RLE and put where each frame's source lies, the numbers are the reading's, renumbered from 1."""
    made = label_map(case)
    labels = case.reading.labels
    assert labels is not None
    slices = {str(source.SOPInstanceUID): k for k, source in enumerate(case.series.datasets)}
    numbers = np.zeros(labels.shape, np.uint8)
    for frame, pixels in zip(made.PerFrameFunctionalGroupsSequence, made.pixel_array, strict=True):
        uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        numbers[slices[uid]] = pixels
    assert np.array_equal(numbers, np.select([labels == LABELS[0].number, labels == LABELS[1].number], [1, 2]))
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"


def test_segments_are_those_of_the_seg(case: Case) -> None:
    """Numbers, names and tracking UIDs are equal, so that a report that speaks of the one speaks of the other."""
    seg, made = parsed(build(case)[0].data), label_map(case)
    named = [
        [(item.SegmentNumber, item.SegmentLabel, item.TrackingUID) for item in items]
        for items in (seg.SegmentSequence, made.SegmentSequence[:-1])
    ]
    assert named[0] == named[1]
    assert made.SegmentSequence[-1].SegmentNumber == 0


def test_it_passes_the_gate_with_the_others_and_is_always_the_same(case: Case) -> None:
    """The gate takes the compressed label map beside the SEG; twice built, not a bit differs."""
    objects = build(case, KINDS)
    assert "LABELMAP" in [made.kind for made in objects]
    output_gate.check(objects, case)
    assert objects == build(case, KINDS)


def test_where_a_voxel_has_two_segments_there_is_none(tmp_path: Path) -> None:
    """A nodule within a structure cannot be told by one number a voxel; beside it, it can."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    reading = detections_reading(series)
    assert build_labelmap(case_of(series, reading, a_nodule_card())) is None
    assert reading.instances is not None
    apart = replace(reading, labels=None, structures=())
    made = build_labelmap(case_of(series, apart, a_nodule_card()))
    assert made is not None
    assert [item.SegmentLabel for item in made.SegmentSequence][:-1] == [f"{NODULE.name} 1", f"{NODULE.name} 2"]


def changed(objects: tuple[ResultObject, ...], case: Case, **changes: object) -> list[ResultObject]:
    """Return the results with the label map of another case in the place of theirs."""
    other = build_labelmap(replace(case, reading=replace(case.reading, **changes)))  # type: ignore[arg-type]
    assert other is not None
    return [encoded(other, "LABELMAP") if made.kind == "LABELMAP" else made for made in objects]


def test_the_gate_holds_back_other_voxels(case: Case) -> None:
    """One voxel that differs from the reading is enough."""
    labels = case.reading.labels
    assert labels is not None
    moved = labels.copy()
    moved[tuple(np.argwhere(moved)[0])] = 0
    with pytest.raises(OutputRefused, match="label map: 1 voxels differ"):
        output_gate.check(changed(build(case, KINDS), case, labels=moved), case)


def test_the_gate_holds_back_a_segment_that_is_tracked_otherwise(case: Case) -> None:
    """A label map whose segments have other names than the SEG's is not sent."""
    structures = tuple(
        replace(structure, label=structure.label.model_copy(update={"name": "Other"}))
        for structure in case.reading.structures
    )
    with pytest.raises(OutputRefused, match="tracked differently in SEG and label map"):
        output_gate.check(changed(build(case, KINDS), case, structures=structures), case)


def test_it_is_known_as_ours_when_it_comes_back(case: Case, tmp_path: Path) -> None:
    """An archive that routes everything sends it to us again: it is told from a source by its header."""
    file = tmp_path / "back.dcm"
    file.write_bytes(next(made.data for made in build(case, KINDS) if made.kind == "LABELMAP"))
    (series,) = summarise(tmp_path, assembled(files=("back.dcm",))).series
    assert series.own
