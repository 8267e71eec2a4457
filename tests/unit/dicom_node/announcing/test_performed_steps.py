"""Steps between N-CREATE and the end."""

import os
from pathlib import Path

import pytest

from dicom_node.announcing import performed_steps
from dicom_node.announcing.performed_steps import PerformedSteps, Step
from dicom_node.spooling.spool_layout import name_of

STEP = Step(study_instance_uids=frozenset(("1.2.3",)))


def test_a_step_is_there_for_every_process(tmp_path: Path) -> None:
    """Created once, changed, found as it is now."""
    steps = PerformedSteps(tmp_path)
    assert steps.find("1.2.9") is None
    assert steps.create("1.2.9", STEP)
    assert not PerformedSteps(tmp_path).create("1.2.9", STEP)
    changed = Step(study_instance_uids=frozenset(("1.2.3",)), sop_instance_uids=frozenset(("1.2.4",)), over=True)
    steps.change("1.2.9", changed)
    assert PerformedSteps(tmp_path).find("1.2.9") == changed


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is forgotten is one that there is not."""
    monkeypatch.setattr(performed_steps, "_MOST_STEPS", 3)
    steps = PerformedSteps(tmp_path)
    for number in range(5):
        assert steps.create(f"1.2.{number}", STEP)
        os.utime(tmp_path / "steps" / f"{name_of(f'1.2.{number}')}.json", (number, number))
    assert [number for number in range(5) if steps.find(f"1.2.{number}")] == [2, 3, 4]


def test_a_damaged_step_is_none(tmp_path: Path) -> None:
    """And may be created anew."""
    steps = PerformedSteps(tmp_path)
    steps.create("1.2.9", STEP)
    (tmp_path / "steps" / f"{name_of('1.2.9')}.json").write_bytes(b"")
    assert steps.find("1.2.9") is None
    assert steps.create("1.2.9", STEP)
