"""Where instances are, and that they are whole."""

from pathlib import Path
from unittest.mock import patch

import pytest

from dicom_node.commitments.safekeeping import find, look_at, sync_names
from dicom_node.errors import HeadUnreadable
from dicom_node.spooling.spool import Spool
from tests.unit.dicom_node.instances import CT, SOP, dataset, incoming


def test_instances_are_found_by_their_uid_alone(tmp_path: Path) -> None:
    """In whatever study and series, with what came beside it under the same UID; none where there is none."""
    spool = Spool(tmp_path)
    first = spool.store(*incoming()).file
    variant = spool.store(*incoming(dataset(PatientID="other"))).file
    content = dataset(SOPInstanceUID="1.2.9", StudyInstanceUID="1.2.7", SeriesInstanceUID="1.2.8")
    other = spool.store(*incoming(content, sop_instance_uid="1.2.9")).file
    (tmp_path / "commitment").mkdir()
    assert find(spool, [SOP, "1.2.9", "1.2.404"]) == {SOP: sorted([first, variant]), "1.2.9": [other], "1.2.404": []}


def test_an_instance_that_lies_in_two_studies_is_found_in_both(tmp_path: Path) -> None:
    """Whichever of them its sender means, it is told that it may delete it; so both are looked at, and stay."""
    spool = Spool(tmp_path)
    first = spool.store(*incoming()).file
    second = spool.store(*incoming(dataset(StudyInstanceUID="1.2.7"))).file
    assert first.split("/")[0] != second.split("/")[0]
    assert find(spool, [SOP]) == {SOP: sorted([first, second])}


def test_what_is_removed_while_it_is_looked_for_is_not_found(tmp_path: Path) -> None:
    """A series that retention has just taken away, a file that is no instance, and a folder of somebody else's."""
    spool = Spool(tmp_path)
    file = tmp_path / spool.store(*incoming()).file
    (tmp_path / "notes").mkdir()
    (file.parent / f"{file.stem}.part").touch()
    (file.parent / "readme").touch()
    file.unlink()
    assert find(spool, [SOP]) == {SOP: []}
    with patch.object(Spool, "_entries", return_value=[tmp_path / ("a" * 32) / ("b" * 32)]):
        assert find(spool, [SOP]) == {SOP: []}


def test_a_whole_file_is_told_and_a_cut_one_refused(tmp_path: Path) -> None:
    """Also where each instance is synced: what is promised is looked at."""
    spool = Spool(tmp_path)
    file = spool.store(*incoming()).file
    looked = look_at(spool, file)
    sync_names(spool, [file])
    assert (looked.meta.sop_class_uid, looked.meta.sop_instance_uid) == (CT, SOP)
    assert look_at(spool, file).identity == looked.identity
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(HeadUnreadable):
        look_at(spool, file)
