"""What is drawn over images is what was found, where it was found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.findings import Detection
from tests.readings import a_nodule_card, case_of, detections_reading, load
from worker.case.case import Case
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import content_items, parsed
from worker.object_kinds import Kind
from worker.objects.object_encoding import ResultObject, encoded
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build
from worker.testing import write_mr_series

KINDS: tuple[Kind, ...] = ("SEG", "SR", "REGION-SR", "TEXT-SR", "GSPS")


@pytest.fixture(params=[True, False], ids=["masks", "outlines"])
def case(tmp_path: Path, request: pytest.FixtureRequest) -> Case:
    """A reading with nodules, with masks and structures, or without."""
    write_mr_series(tmp_path, slices=12)
    series = load(tmp_path)
    return case_of(series, detections_reading(series, masks=request.param), a_nodule_card())


def with_others(case: Case, kind: Kind, other: Case) -> list[ResultObject]:
    """Return the results of a case, of which one is that of another reading of the same images."""
    others = {made.kind: made for made in build(other, KINDS)}
    return [others[kind] if made.kind == kind else made for made in build(case, KINDS)]


def altered(case: Case, change: Callable[[Detection], Detection]) -> Case:
    """Return the case with other detections, drawn as they are outlined."""
    detections = tuple(replace(change(one), voxels=0) for one in case.reading.detections)
    return replace(case, reading=replace(case.reading, detections=detections, instances=None))


def on_the_first_slice(one: Detection) -> Detection:
    """Return it elsewhere."""
    return replace(one, slice_index=0)


def of_another_shape(one: Detection) -> Detection:
    """Return it as another square on its slice."""
    return replace(one, outline=((1, 1), (1, 5), (5, 5), (5, 1)))


def moved_a_little(one: Detection) -> Detection:
    """Return it half a pixel further."""
    return replace(one, outline=tuple((row + 0.5, column) for row, column in one.outline))


@pytest.mark.parametrize("change", [on_the_first_slice, of_another_shape, moved_a_little])
@pytest.mark.parametrize("kind", ["REGION-SR", "GSPS"])
def test_lines_of_another_reading_are_held_back(
    case: Case, kind: Kind, change: Callable[[Detection], Detection]
) -> None:
    """On another slice, or of another shape: well-formed, and of nothing that was found there."""
    objects = build(case, KINDS)
    output_gate.check(objects, case)
    told = "outlines: a region" if kind == "REGION-SR" else "graphics: "
    with pytest.raises(OutputRefused, match=told):
        output_gate.check(with_others(case, kind, altered(case, change)), case)


def test_a_state_that_leaves_a_line_out_is_held_back(case: Case) -> None:
    """What was found and is not drawn would look healthy."""

    def without(state: Dataset) -> None:
        first = next(item for item in state.GraphicAnnotationSequence if "GraphicObjectSequence" in item)
        del first.GraphicObjectSequence[0]

    with pytest.raises(OutputRefused, match="graphics: "):
        output_gate.check(changed(case, "GSPS", without), case)


def changed(case: Case, kind: Kind, change: Callable[[Dataset], None]) -> list[ResultObject]:
    """Return the results of a case, of which one is changed."""
    objects = []
    for made in build(case, KINDS):
        dataset = parsed(made.data)
        if made.kind == kind:
            change(dataset)
        objects.append(encoded(dataset, kind) if made.kind == kind else made)
    return objects


@pytest.mark.parametrize("kind", ["REGION-SR", "GSPS"])
def test_a_line_on_no_certain_frame_is_held_back(tmp_path: Path, kind: Kind) -> None:
    """Without its number a viewer shows the line on every frame, or on the first."""
    write_planar_image(tmp_path / "frames.dcm", np.stack([a_chest()] * 3), kind="US multi-frame")
    series = load(tmp_path)
    case = case_of(series, detections_reading(series, masks=False), a_nodule_card())
    output_gate.check(build(case, KINDS), case)

    def without_number(made: Dataset) -> None:
        if kind == "REGION-SR":
            for region in (item for item in content_items(made) if item.get("ValueType") == "SCOORD"):
                del region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber
        else:
            for annotation in made.GraphicAnnotationSequence:
                del annotation.ReferencedImageSequence[0].ReferencedFrameNumber

    told = "outlines: a region lies on another" if kind == "REGION-SR" else "graphics: it draws on another"
    with pytest.raises(OutputRefused, match=told):
        output_gate.check(changed(case, kind, without_number), case)
