"""What looks at datasets finds what is not to be: other errors, long times, a right one refused."""

from pathlib import Path

import pytest

from tests.fuzz import instance_proof
from tests.fuzz.instance_case import InstanceCase, right_instance
from tests.fuzz.instance_proof import InstanceProof


@pytest.fixture
def case() -> InstanceCase:
    """A right case."""
    return right_instance(1, 4)


def test_a_right_one_is_no_trouble(tmp_path: Path, case: InstanceCase) -> None:
    """It is stored."""
    proof = InstanceProof(tmp_path)
    proof.run([case])
    assert (proof.troubles, proof.stored) == ([], 1)


def test_an_error_without_a_status_is_a_trouble(
    tmp_path: Path, case: InstanceCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with the case."""

    def trips(*_ignored: object) -> bool:
        raise IndexError("somewhere")

    monkeypatch.setattr(instance_proof, "is_whole", trips)
    proof = InstanceProof(tmp_path)
    proof.run([case])
    assert proof.troubles == ["case 4 (): IndexError: somewhere"]


def test_a_distrusted_disk_is_a_trouble(tmp_path: Path, case: InstanceCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset must not be taken for a fault of the disk, though that has a status too."""

    def trips(*_ignored: object) -> bool:
        raise OSError("No tag to read")

    monkeypatch.setattr("dicom_node.spooling.spool.name_of", trips)
    proof = InstanceProof(tmp_path)
    proof.run([case])
    (trouble,) = proof.troubles
    assert "SpoolFailed" in trouble


def test_a_right_one_that_is_refused_is_a_trouble(
    tmp_path: Path, case: InstanceCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser that refuses everything is not well."""
    monkeypatch.setattr(instance_proof, "is_whole", lambda *_ignored: False)
    proof = InstanceProof(tmp_path)
    proof.run([case])
    (trouble,) = proof.troubles
    assert "nothing is wrong with it" in trouble


def test_a_long_time_is_a_trouble(tmp_path: Path, case: InstanceCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is the processor's."""
    monkeypatch.setattr(instance_proof, "MOST_S", -1.0)
    proof = InstanceProof(tmp_path)
    proof.run([case])
    assert "took" in proof.troubles[0]
