"""How much of the spool each peer fills: heard, counted anew, and found again at the next start."""

import shutil
from pathlib import Path

import pytest

from dicom_node.errors import MissingUid
from dicom_node.settings import NodeSettings
from dicom_node.spooling.shares import Shares
from dicom_node.spooling.spool import Spool
from dicom_node.study import StoredInstance
from tests.unit.dicom_node.instances import dataset, incoming

LIMIT = 2000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "spool")


def shares_of(spool: Spool) -> Shares:
    """Return shares where CT1 may fill some bytes, and MR1 as many as it likes."""
    peers = [
        {"ae_title": "CT1", "hosts": ["192.0.2.1"], "max_bytes": LIMIT},
        {"ae_title": "MR1", "hosts": ["192.0.2.2"]},
    ]
    return Shares(NodeSettings.model_validate({"peers": peers}), spool)


def store(spool: Spool, study: str, number: int, calling_ae_title: str = "CT1") -> StoredInstance:
    """Keep an instance of a good kilobyte."""
    content = dataset(
        StudyInstanceUID=study, SOPInstanceUID=f"1.9.{number}", PatientComments="x" * 700, StudyDescription="y"
    )
    values = incoming(content, sop_instance_uid=f"1.9.{number}", calling_ae_title=calling_ae_title)
    instance = spool.store(*values)
    assert 1000 < instance.size_bytes < LIMIT
    return instance


def test_who_has_filled_its_share_is_full_at_once(spool: Spool) -> None:
    """The instance that passes the limit is the last; the same again fills nothing, and others are not counted."""
    shares = shares_of(spool)
    for number in range(5):
        shares.stored(store(spool, "1.1", number, "MR1"))
    shares.stored(store(spool, "1.2", 10))
    shares.stored(store(spool, "1.2", 10))
    assert shares.full() == frozenset()
    shares.stored(store(spool, "1.2", 11))
    assert shares.full() == {"CT1"}


def test_the_next_start_counts_the_files(spool: Spool) -> None:
    """By the AE title in their meta information; what is no DICOM file has nobody's."""
    for number in range(2):
        store(spool, f"1.{number}", number)
    broken = store(spool, "1.7", 7)
    (spool.root / broken.file).write_bytes(b"x" * 5000)
    shares = shares_of(spool)
    shares.start()
    assert shares.full() == {"CT1"}
    shares.stop()


def test_room_that_somebody_made_counts(spool: Spool) -> None:
    """A study that was removed, and a file of one; what was heard and is there is not counted twice."""
    shares = shares_of(spool)
    instances = [store(spool, f"1.{number}", number) for number in range(3)]
    for instance in instances:
        shares.stored(instance)
    shares._count(lambda: False)
    assert shares._held["CT1"] == sum(instance.size_bytes for instance in instances)
    shutil.rmtree(spool.root / instances[0].file.split("/")[0])
    shares._count(lambda: False)
    assert shares.full() == {"CT1"}
    (spool.root / instances[1].file).unlink()
    shares._count(lambda: False)
    assert shares.full() == frozenset()
    assert shares._held["CT1"] == instances[2].size_bytes


def test_without_limits_nothing_is_counted(spool: Spool) -> None:
    """No thread, no look at the files."""
    shares = Shares(NodeSettings(), spool)
    shares.start()
    shares.stored(store(spool, "1.1", 1))
    assert shares.full() == frozenset()
    assert not shares._folders
    shares.stop()


def test_what_is_in_quarantine_fills_a_share(spool: Spool) -> None:
    """It was refused, and lies there all the same, until somebody removes it."""
    shares = shares_of(spool)
    shares.start()
    try:
        for number in range(2):
            content = dataset(SeriesInstanceUID=None, SOPInstanceUID=f"1.9.{number}", ImageComments="x" * 700)
            for peer in ("CT1", "MR1"):
                with pytest.raises(MissingUid):
                    spool.store(*incoming(content, sop_instance_uid=f"1.9.{number}", calling_ae_title=peer))
            shares._count_quarantine()
            assert shares.full() == frozenset(["CT1"][:number])
        shares._count(lambda: False)
        assert shares.full() == {"CT1"}
        spool.quarantined()[0].unlink()
        shares._count_quarantine()
        assert shares.full() == frozenset()
    finally:
        shares.stop()
