"""Where instances are, and that they are whole."""

from pathlib import Path

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
