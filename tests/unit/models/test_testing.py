"""The shipped test model is a model like any other."""

from pathlib import Path

import pytest

from models.catalog import ModelState, read_entry
from models.proving.checking import check
from models.runtimes.onnx_runtime import OnnxRuntime
from models.testing import write_threshold_model


def test_by_default_it_reads_whatever_comes(tmp_path: Path) -> None:
    """Any modality, any SOP class, one slice, a patient without an age: nothing of the card stands in a test's way."""
    card = read_entry(write_threshold_model(tmp_path)).card
    assert card.selection == {"min_slices": 1}
    assert card.patient.missing_age == "allow"
    assert card.research
    assert card.late_images == "rerun"


def test_it_can_be_narrowed(tmp_path: Path) -> None:
    """Id, selection and policy are what the test asks for."""
    directory = write_threshold_model(
        tmp_path, id="narrow", modality=["CT"], sop_classes=["CT Image Storage"], late_images="addendum"
    )
    card = read_entry(directory).card
    assert (directory.name, card.id, card.late_images) == ("narrow", "narrow", "addendum")
    assert card.selection == {"min_slices": 1, "modality": ["CT"], "sop_classes": ["CT Image Storage"]}


@pytest.mark.parametrize("slow_rounds", [0, 1000])
def test_it_is_ready_and_proves_itself(tmp_path: Path, slow_rounds: int) -> None:
    """Checksum and golden file are right, also of the slow one."""
    entry = read_entry(write_threshold_model(tmp_path, slow_rounds=slow_rounds))
    assert entry.state is ModelState.READY
    (verdict,) = check(entry, OnnxRuntime())
    assert verdict.passed
