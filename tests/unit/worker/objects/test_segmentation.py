"""The label map as a Segmentation."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.readings import LABELS, a_card, a_reading, case_of, load
from worker.errors import SourceRefused
from worker.gate.bundle import parsed
from worker.results import build
from worker.testing import write_mr_series


def segmentation_of(folder: Path) -> Dataset:
    """Return the SEG of the known reading of a folder, read back from its bytes."""
    series = load(folder)
    return parsed(build(case_of(series, a_reading(series), a_card()))[0].data)


def test_segments_are_numbered_without_gaps_and_keep_their_names(tmp_path: Path) -> None:
    """Labels 2 and 5 become segments 1 and 2 with name, code, side and colour of the card."""
    write_mr_series(tmp_path)
    segments = segmentation_of(tmp_path).SegmentSequence
    assert [(item.SegmentNumber, item.SegmentLabel) for item in segments] == [
        (1, LABELS[0].name),
        (2, LABELS[1].name),
    ]
    assert segments[1].SegmentedPropertyTypeCodeSequence[0].CodeValue == LABELS[1].concept.value
    (side,) = segments[1].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert side.CodeMeaning == "Left"
    assert "SegmentedPropertyTypeModifierCodeSequence" not in segments[0].SegmentedPropertyTypeCodeSequence[0]
    # (205, 62, 78) in CIELab is about (48, 55, 24).
    lightness, a, b = segments[0].RecommendedDisplayCIELabValue
    assert (lightness / 65535 * 100, a / 65535 * 255 - 128, b / 65535 * 255 - 128) == pytest.approx((48, 56, 25), abs=3)


def test_every_frame_names_its_source_and_no_frame_is_empty(tmp_path: Path) -> None:
    """Each frame's derivation is the one image at its position; frames without voxels are left out."""
    files = write_mr_series(tmp_path, slices=9, oblique=True)
    seg = segmentation_of(tmp_path)
    assert int(seg.NumberOfFrames) < 2 * len(files)
    positions = {str(d.SOPInstanceUID): d.ImagePositionPatient for d in load(tmp_path).datasets}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert np.allclose(positions[uid], frame.PlanePositionSequence[0].ImagePositionPatient, atol=1e-4)


def test_a_source_without_a_frame_of_reference_is_refused(tmp_path: Path) -> None:
    """No segment is placed in an unknown space."""
    write_mr_series(tmp_path, without=("FrameOfReferenceUID",))
    with pytest.raises(SourceRefused, match="Frame of Reference UID"):
        segmentation_of(tmp_path)
