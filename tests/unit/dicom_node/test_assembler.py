"""Studies are put together."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.assembler import Assembler
from dicom_node.settings import NodeSettings
from dicom_node.spool import Spool
from dicom_node.study import Completion
from dicom_node.testing import ListStudyStore, ManualClock
from tests.unit.dicom_node.instances import STUDY, dataset, incoming

SETTINGS = NodeSettings(quiet_time_s=30, max_backlog=2)


class House:
    """A spool, a store, a clock, and an assembler that is driven by hand."""

    def __init__(self, root: Path) -> None:
        """Start with an empty spool."""
        self.spool = Spool(root / "spool")
        self.store = ListStudyStore()
        self.clock = ManualClock()
        self.assembler = Assembler(SETTINGS, self.spool, self.store, self.clock)

    def receive(self, sop: str = "1.2.3", *, study: str = STUDY, association: str = "", **values: object) -> str:
        """Store an instance and tell the assembler; return its file."""
        content = dataset(SOPInstanceUID=sop, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", **values)
        stored = self.spool.store(*incoming(content, sop_instance_uid=sop))
        self.assembler.instance_stored(stored, association)
        self.assembler.step()
        return stored.file

    def wait(self, seconds: float) -> None:
        """Let time pass and the assembler notice."""
        self.clock.advance(seconds)
        self.assembler.step()

    def files(self) -> list[list[str]]:
        """Return the files of each revision."""
        return [[file for series in study.series for file in series.files] for study in self.store.revisions]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house with an empty spool."""
    return House(tmp_path)


def test_a_study_is_handed_over_after_its_quiet_time(house: House) -> None:
    """The store hears at once that a study arrives, and once what it holds when nothing came for the quiet time."""
    files = sorted([house.receive("1.2.3"), house.receive("1.2.4")])
    assert [item.study_instance_uid for item in house.store.receiving] == [STUDY]
    assert house.assembler.open_studies() == 1
    house.wait(29)
    assert house.store.revisions == []
    house.wait(1)
    (study,) = house.store.revisions
    assert house.files() == [files]
    assert (study.completion, study.calling_ae_title, study.folder) == (Completion.QUIET, "SENDER", files[0][:32])
    assert study.first_received_at <= study.last_received_at
    house.wait(1000)
    assert (len(house.store.revisions), house.assembler.open_studies()) == (1, 0)


def test_later_images_open_a_revision_with_everything(house: House) -> None:
    """An image that comes after completion makes a second revision that holds all images so far."""
    first = house.receive("1.2.3")
    house.wait(30)
    second = house.receive("1.2.4")
    house.wait(30)
    assert house.files() == [[first], sorted([first, second])]


def test_the_same_again_opens_nothing(house: House) -> None:
    """A study that is sent again with the same bytes makes no second revision."""
    house.receive()
    house.wait(30)
    house.receive()
    assert house.assembler.open_studies() == 0
    house.wait(30)
    assert len(house.store.revisions) == 1
    assert len(house.store.receiving) == 1


def test_own_results_open_nothing_and_are_left_out(house: House) -> None:
    """Our own results that come back open no revision, and a revision does not list them."""
    own = {"Manufacturer": "wetread", "ContributingEquipmentSequence": Sequence([Dataset()])}
    house.receive("1.2.9", **own)
    house.wait(100)
    assert (house.store.revisions, house.store.receiving) == ([], [])
    image = house.receive("1.2.3")
    house.receive("1.2.10", **own)
    house.wait(30)
    assert house.files() == [[image]]


def test_an_open_association_holds_its_study_back_until_it_moves_on(house: House) -> None:
    """A study waits past its quiet time for the sender in the middle of it, until that sends another study."""
    house.receive("1.2.3", study="1.1", association="a")
    house.wait(45)
    assert house.store.revisions == []
    house.receive("1.2.4", study="2.2", association="a")
    assert [study.study_instance_uid for study in house.store.revisions] == ["1.1"]
    house.assembler.association_ended("a")
    house.wait(30)
    assert [study.study_instance_uid for study in house.store.revisions] == ["1.1", "2.2"]


def test_force_closes_a_study(house: House) -> None:
    """An admin's word closes an open study now, and does nothing to one that is not open."""
    house.receive()
    for uid in (STUDY, "9.9"):
        house.assembler.force(uid)
        house.assembler.step()
    assert [study.completion for study in house.store.revisions] == [Completion.FORCED]


def test_a_store_that_is_away_loses_nothing(house: House) -> None:
    """While the store is away studies wait, at the backlog's limit nothing more is accepted, and then all are told."""
    house.store.away = True
    for number in (1, 2):
        house.receive(f"1.2.{number}", study=f"3.{number}")
    assert house.assembler.accepting()
    house.wait(30)
    assert (house.assembler.waiting_studies(), house.assembler.accepting()) == (2, False)
    house.store.away = False
    house.wait(30)
    assert house.assembler.accepting()
    assert sorted(study.study_instance_uid for study in house.store.revisions) == ["3.1", "3.2"]


def test_a_study_that_cannot_be_synced_stops_receiving_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where studies are synced whole, a disk that fails then is trusted again with a test file, and the study told."""
    house = House(tmp_path)
    house.spool = Spool(tmp_path / "spool", fsync="study")
    house.assembler = Assembler(SETTINGS, house.spool, house.store, house.clock)
    file = house.receive()

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        house.wait(30)
        house.wait(30)
        assert (house.store.revisions, house.assembler.accepting()) == ([], False)
    house.wait(30)
    assert (house.files(), house.assembler.accepting()) == ([[file]], True)


def test_a_study_that_the_store_chokes_on_does_not_hold_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One study that the store always refuses waits alone; those behind it are handed over in their own time."""
    close = house.store.close_revision

    def choke(study: object) -> None:
        if getattr(study, "study_instance_uid", "") == "3.1":
            raise ValueError("Canary^Bird")
        close(study)  # type: ignore[arg-type]

    monkeypatch.setattr(house.store, "close_revision", choke)
    house.receive("1.2.1", study="3.1")
    house.wait(30)
    house.receive("1.2.2", study="3.2")
    house.wait(30)
    assert [study.study_instance_uid for study in house.store.revisions] == ["3.2"]
    assert house.assembler.waiting_studies() == 1


def test_a_restart_adopts_what_was_not_recorded(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """What an earlier process stored and never told is adopted at the start; what is recorded opens nothing."""
    before = House(tmp_path)
    before.receive("1.2.3", study="3.1")
    before.wait(30)
    orphan = before.receive("1.2.4", study="3.2")
    before.store.receiving.clear()
    assembler = Assembler(NodeSettings(quiet_time_s=0.01), Spool(tmp_path / "spool"), before.store)
    assembler.start()
    try:
        wait_for(lambda: len(before.store.revisions) == 2, what="adoption")
    finally:
        assembler.stop()
    assert before.files()[1:] == [[orphan]]
    assert [item.study_instance_uid for item in before.store.receiving] == ["3.2"]


def test_results_that_the_store_knows_as_ours_are_never_assembled(house: House) -> None:
    """Whatever their headers say: no revision has them, and a study of them alone does not arrive."""
    house.store.made = {"1.2.9", "1.2.8"}
    image = house.receive("1.2.3")
    house.wait(30)
    house.receive("1.2.9")
    house.receive("1.2.8", study="9.9")
    house.wait(30)
    assert house.files() == [[image]]
    assert [item.sop_instance_uid for item in house.store.receiving] == ["1.2.3"]


def test_an_image_behind_a_result_of_ours_is_noted(house: House) -> None:
    """The admin sees that the study arrives, though our own result came first."""
    house.store.made = {"1.2.9"}
    house.receive("1.2.9")
    image = house.receive("1.2.3")
    assert [item.sop_instance_uid for item in house.store.receiving] == ["1.2.3"]
    house.wait(30)
    assert house.files() == [[image]]


def test_a_restart_does_not_adopt_our_own_results(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """No revision lists them, and they are no orphans all the same."""
    before = House(tmp_path)
    before.receive("1.2.9", study="3.1")
    orphan = before.receive("1.2.4", study="3.2")
    before.store.receiving.clear()
    before.store.made = {"1.2.9"}
    assembler = Assembler(NodeSettings(quiet_time_s=0.01), Spool(tmp_path / "spool"), before.store)
    assembler.start()
    try:
        wait_for(lambda: before.files() == [[orphan]], what="adoption")
    finally:
        assembler.stop()
    assert [item.study_instance_uid for item in before.store.receiving] == ["3.2"]
