"""The series that tests write are real ones."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID

from models.volume import Volume
from tests.readings import load
from worker.testing import head_phantom, write_mr_series


@pytest.mark.parametrize("oblique", [False, True])
def test_a_series_is_read_as_written(tmp_path: Path, oblique: bool) -> None:  # noqa: FBT001  # pytest passes it by name
    """The loader finds the values, the order and the spacing that were written, straight or oblique."""
    write_mr_series(tmp_path, slices=7, rows=10, columns=12, spacing_mm=(3.0, 2.0, 1.5), oblique=oblique)
    volume = load(tmp_path).source
    assert isinstance(volume, Volume)
    assert np.array_equal(volume.array, head_phantom(7, 10, 12))
    assert volume.spacing_mm == pytest.approx((3.0, 2.0, 1.5), abs=1e-5)


def test_seeds_are_studies(tmp_path: Path) -> None:
    """Two seeds share no UID; one seed gives the same files again."""
    first, second, again = (
        [dcmread(file) for file in write_mr_series(tmp_path / str(k), seed=seed, slices=3)]
        for k, seed in enumerate((1, 2, 1))
    )
    uids = [{str(item.value) for dataset in some for item in dataset if _own_uid(item)} for some in (first, second)]
    assert not uids[0] & uids[1]
    assert all(UID(uid).is_valid for uid in uids[0] | uids[1])
    assert first == again


def _own_uid(element: object) -> bool:
    keyword = getattr(element, "keyword", "")
    return keyword.endswith("InstanceUID") or keyword == "FrameOfReferenceUID"


def test_attributes_are_set_and_left_out(tmp_path: Path) -> None:
    """What a test wants changed or missing is so in every file."""
    files = write_mr_series(tmp_path, slices=2, attributes={"PatientSex": "U"}, without=("StudyID",))
    assert [(dcmread(file).PatientSex, "StudyID" in dcmread(file)) for file in files] == [("U", False)] * 2
