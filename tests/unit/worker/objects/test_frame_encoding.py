"""Multi-frame objects written fast are the bytes that pydicom writes by itself."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from models.findings import HeatMap, Reading
from tests.readings import PNEUMONIA, a_card, a_nodule_card, a_reading, case_of, detections_reading, load
from worker.case.case import Case
from worker.objects.frame_encoding import ready_to_write
from worker.objects.labelmap import build_labelmap
from worker.objects.parametric_map import build_parametric_map
from worker.objects.segmentation import build_segmentation
from worker.objects.text_report import build_text_report
from worker.testing import write_mr_series


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """The known reading of an oblique series, with a patient whose name is not ASCII."""
    write_mr_series(tmp_path, oblique=True, patient_name="Müller^Jürgen")
    series = load(tmp_path)
    return case_of(series, a_reading(series), a_card())


def written(dataset: Dataset, made: Dataset) -> bytes:
    """Return the bytes of a dataset under the file meta of another."""
    dataset.file_meta = made.file_meta
    dataset.preamble = b"\x00" * 128
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def made_of(case: Case, kind: str) -> Dataset:
    """Build one kind of multi-frame object."""
    if kind == "overlapping SEG":
        return build_segmentation(case_of(case.series, detections_reading(case.series), a_nodule_card()))
    if kind == "PMAP":
        heat = HeatMap(name=PNEUMONIA, array=case.reading.labels.astype("f4") / 255)  # type: ignore[union-attr]
        made = build_parametric_map(case_of(case.series, Reading(heat_maps=(heat,), runtime="none"), a_card()))
    else:
        made = build_labelmap(case) if kind == "LABELMAP" else build_segmentation(case)
    assert made is not None
    return made


@pytest.mark.parametrize("kind", ["SEG", "overlapping SEG", "LABELMAP", "PMAP"])
def test_the_bytes_are_pydicoms_own(case: Case, kind: str) -> None:
    """Not a bit differs from what pydicom writes alone, whichever way frames share their items."""
    made = made_of(case, kind)
    fast = written(ready_to_write(made), made)
    assert fast == written(made, made)
    assert len(dcmread(BytesIO(fast)).PerFrameFunctionalGroupsSequence) == int(made.NumberOfFrames)


def test_the_object_stays_as_it_is(case: Case) -> None:
    """What was built can still be read and referred to after it was written."""
    made = made_of(case, "SEG")
    before = made.to_json()
    written(ready_to_write(made), made)
    assert made.to_json() == before


def test_what_has_no_frames_is_left_alone(case: Case) -> None:
    """A report is written by pydicom alone."""
    made = build_text_report(case)
    assert ready_to_write(made) is made
