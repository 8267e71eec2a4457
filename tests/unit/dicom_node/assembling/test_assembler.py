"""Studies are put together."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.assembling import assembler as assembler_module
from dicom_node.assembling.asker import Answer, Counts
from dicom_node.assembling.assembler import Assembler
from dicom_node.assembling.handover import Errand, Handover
from dicom_node.assembling.open_study import OpenStudy
from dicom_node.errors import SpoolFailed
from dicom_node.settings import Fsync, NodeSettings
from dicom_node.spooling.spool import Spool
from dicom_node.study import Completion, SeriesWish
from dicom_node.testing import ListStudyStore, ManualClock
from tests.unit.dicom_node.instances import STUDY, dataset, encode, incoming

SETTINGS = NodeSettings(
    quiet_time_s=30,
    max_backlog=2,
    counts_from="pacs",
    peers=(
        {"ae_title": "SLOW", "hosts": ["192.0.2.1"], "quiet_time_s": 90, "counts_from": ""},
        {"ae_title": "OTHER", "hosts": ["192.0.2.2"], "counts_from": "elsewhere"},
    ),
)


class Questions:
    """An asker whose answers the test gives."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, str, float, Answer]] = []

    def ask(self, archive: str, study_uid: str, answer: Answer) -> None:
        """Keep the question."""
        self.asked.append((archive, study_uid, self.clock.now(), answer))

    def answer(self, counts: Counts | None) -> str:
        """Answer the oldest question; return whom it was for."""
        archive, _, asked_at, answer = self.asked.pop(0)
        answer(asked_at, counts)
        return archive


class House:
    """A spool, a store, a clock, and an assembler that is driven by hand."""

    def __init__(self, root: Path) -> None:
        """Start with an empty spool."""
        self.spool = Spool(root / "spool")
        self.store = ListStudyStore()
        self.clock = ManualClock()
        self.questions = Questions(self.clock)
        self.assembler = Assembler(SETTINGS, self.spool, self.store, self.clock, self.questions)

    def receive(
        self,
        sop: str = "1.2.3",
        *,
        study: str = STUDY,
        series: str = "1",
        association: str = "",
        sender: str = "SENDER",
        **values: object,
    ) -> str:
        """Store an instance and tell the assembler; return its file."""
        content = dataset(SOPInstanceUID=sop, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.{series}", **values)
        stored = self.spool.store(*incoming(content, sop_instance_uid=sop, calling_ae_title=sender))
        self.assembler.instance_stored(stored, association)
        self.assembler.step()
        return stored.file

    def wait(self, seconds: float) -> None:
        """Let time pass and the assembler notice."""
        self.clock.advance(seconds)
        self.assembler.step()

    def answer(self, counts: Counts | None) -> str:
        """Let an archive answer; return which."""
        asked = self.questions.answer(counts)
        self.assembler.step()
        self.assembler.step()  # what the answer brings about is an errand
        return asked

    def listed(self, *uids: str, study: str = STUDY) -> None:
        """Let a list of a study's instances come."""
        self.assembler.listed(study, frozenset(uids), "MPPS")
        self.assembler.step()
        self.assembler.step()

    def completions(self) -> list[Completion]:
        """Return why each revision was closed."""
        return [study.completion for study in self.store.revisions]

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


def test_each_sender_of_a_study_is_told_once(house: House) -> None:
    """Also who adds to what another has begun; after the study is handed over nobody of them is told any more."""
    for number, sender in enumerate(("NET", "NET", "CAP", "NET", "CAP")):
        house.receive(f"1.2.{number}", sender=sender)
    house.assembler.step()
    assert [item.calling_ae_title for item in house.store.receiving] == ["NET", "CAP"]
    house.wait(30)
    house.receive("1.2.9", sender="CAP")
    assert [item.calling_ae_title for item in house.store.receiving] == ["NET", "CAP", "CAP"]


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


def test_what_the_disk_refused_after_it_had_its_name_is_assembled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender tries again, is told that it is kept, and nobody else ever hears of it."""
    earlier = house.receive("1.2.4")
    house.wait(30)
    disk = house.spool._disk
    failing = iter([True])

    def fail(folder: str) -> None:
        if list(Path(folder).glob("*.dcm")) and next(failing, False):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(disk, "sync_folder", fail)
        with pytest.raises(SpoolFailed):
            house.receive("1.2.3")
        file = house.receive("1.2.3")
    assert house.assembler.open_studies() == 0
    house.wait(5)
    assert house.assembler.open_studies() == 1
    house.wait(30)
    assert house.files() == [[earlier], sorted([earlier, file])]


def test_a_study_that_is_sent_again_is_looked_through_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many instances it has."""
    sops = [f"1.2.{number}" for number in range(3, 8)]
    for sop in sops:
        house.receive(sop)
    house.wait(30)
    looked: list[str] = []
    recorded = house.store.recorded_files
    monkeypatch.setattr(house.store, "recorded_files", lambda folder: (looked.append(folder), recorded(folder))[1])
    for sop in sops:
        house.receive(sop)
    house.wait(5)
    assert len(looked) == 1
    house.wait(30)
    assert (house.assembler.open_studies(), len(house.store.revisions)) == (0, 1)


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


@pytest.mark.parametrize("fsync", ["instance", "study", "off"])
def test_a_disk_that_failed_beside_receiving_is_tried_again(tmp_path: Path, fsync: Fsync) -> None:
    """As where an instance that is to be committed cannot be read: nothing else would ever try that disk here."""
    house = House(tmp_path)
    house.spool = Spool(tmp_path / "spool", fsync=fsync)
    house.assembler = Assembler(SETTINGS, house.spool, house.store, house.clock)
    house.spool.failure(OSError(errno.EIO, os.strerror(errno.EIO)))
    assert house.assembler.accepting()


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_nothing_is_accepted_while_the_disk_takes_no_test_file(
    house: House, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """It is asked each time whether it does."""
    house.spool.failure(OSError(error, os.strerror(error)))

    def fail(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(house.spool._disk, "begin_part", fail)
        assert not house.assembler.accepting()
    assert house.assembler.accepting()


def test_a_study_that_cannot_be_synced_is_remembered_where_the_disk_takes_a_test_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been answered for, and is not on the disk: nothing more is accepted before it is."""
    house = House(tmp_path)
    house.spool = Spool(tmp_path / "spool", fsync="study")
    house.assembler = Assembler(SETTINGS, house.spool, house.store, house.clock)
    file = house.receive()
    sync = os.fsync

    def fail(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".dcm":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        house.wait(30)
        assert not house.assembler.accepting()
        house.wait(30)
        assert (house.store.revisions, house.assembler.accepting()) == ([], False)
    house.wait(30)
    assert (house.files(), house.assembler.accepting()) == ([[file]], True)


@pytest.mark.parametrize("fsync", ["instance", "study"])
def test_a_study_that_is_removed_within_its_quiet_time_holds_nobody(tmp_path: Path, fsync: Fsync) -> None:
    """There is nothing to tell of it, the disk has not failed, and its place in the backlog is free."""
    house = House(tmp_path)
    house.spool = Spool(tmp_path / "spool", fsync=fsync)
    house.assembler = Assembler(SETTINGS, house.spool, house.store, house.clock)
    folder, _, _ = house.receive().partition("/")
    shutil.rmtree(house.spool.root / folder)
    house.wait(30)
    assert (house.assembler.waiting_studies(), house.assembler.accepting()) == (0, True)
    assert (house.store.revisions, house.store.taken_back) == ([], [STUDY])


def test_a_folder_that_is_removed_before_it_is_adopted_holds_nobody(house: House) -> None:
    """Between the look at the spool and the answer of a store that was away."""
    folder, _, _ = house.receive().partition("/")
    house.wait(30)
    house.store.away = True
    house.assembler.adopt(pid=4711)
    house.wait(0)
    shutil.rmtree(house.spool.root / folder)
    house.store.away = False
    house.wait(30)
    assert house.assembler._handover.count(Errand.ADOPT) == 0


@pytest.mark.parametrize("fsync", ["instance", "study", "off"])
def test_what_was_sent_cut_short_is_handed_over_as_it_came(tmp_path: Path, fsync: Fsync) -> None:
    """Its sender was told that it is kept; only what a crash may have cut is put aside."""
    house = House(tmp_path)
    house.spool = Spool(tmp_path / "spool", fsync=fsync)
    house.assembler = Assembler(SETTINGS, house.spool, house.store, house.clock)
    data = encode(dataset(ImageComments="cut short in the middle of this"))[:-9]
    stored = house.spool.store(*incoming(data))
    house.assembler.instance_stored(stored, "")
    house.assembler.step()
    house.wait(30)
    assert house.files() == [[stored.file]]
    assert house.store.taken_back == []


def test_what_a_crash_cut_short_is_in_no_study(tmp_path: Path) -> None:
    """Whether the store answers at the start, or only when another image of the study has come."""
    house = House(tmp_path)
    house.spool = Spool(tmp_path / "spool", fsync="study")
    cut = house.spool.root / house.receive("1.2.3")
    cut.write_bytes(cut.read_bytes()[:-3])
    house.assembler = Assembler(SETTINGS, house.spool, house.store, house.clock)
    house.store.away = True
    house.assembler.start()
    house.assembler.stop()
    whole = house.receive("1.2.4")
    house.wait(30)
    house.store.away = False
    house.wait(60)
    assert house.files() == [[whole]]
    assert not cut.exists()


def damage(spool: Spool, file: str) -> None:
    """Cut a kept file short."""
    path = spool.root / file
    path.write_bytes(path.read_bytes()[:-3])


def mended(house: House) -> list[set[str]]:
    """Return what each revision was told to be mended."""
    return [set(study.mended) for study in house.store.revisions]


def test_a_damaged_file_that_comes_again_is_told_once(house: House) -> None:
    """Though the store has recorded a file of that name; later images of the study do not tell it again."""
    file = house.receive("1.2.3", ImageComments="long enough to be cut")
    house.wait(30)
    damage(house.spool, file)
    assert house.receive("1.2.3", ImageComments="long enough to be cut") == file
    house.wait(30)
    house.receive("1.2.4")
    house.wait(30)
    assert mended(house) == [set(), {file}, set()]
    assert [aside.name for aside in house.spool.quarantined()] == [file.replace("/", ".")[:-4] + ".mended.dcm"]


def test_one_that_was_put_aside_before_it_came_again_is_told_too(house: House) -> None:
    """Whoever found it damaged; where none has come there is nothing to tell."""
    file = house.receive("1.2.3")
    house.wait(30)
    (house.spool.root / file).write_bytes(b"no DICOM")
    assert house.spool.describe(file) is None
    assert house.spool.mended([file]) == frozenset()
    assert house.receive("1.2.3") == file
    house.wait(30)
    assert mended(house) == [set(), {file}]


def test_a_restart_tells_of_a_mended_file_that_nobody_has_told(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """The process died when the damaged one had been replaced; the next start but one has nothing to tell."""
    before = House(tmp_path)
    file = before.receive("1.2.3", ImageComments="long enough to be cut")
    before.receive("1.2.5", study="3.9")
    before.wait(30)
    damage(before.spool, file)
    again = dataset(SOPInstanceUID="1.2.3", SeriesInstanceUID=f"{STUDY}.1", ImageComments="long enough to be cut")
    before.spool.store(*incoming(again, sop_instance_uid="1.2.3"))

    def start() -> None:
        assembler = Assembler(NodeSettings(quiet_time_s=0.01), Spool(tmp_path / "spool"), before.store)
        assembler.start()
        try:
            wait_for(
                lambda: not any(assembler._handover.count(kind) for kind in Errand) and not assembler.open_studies(),
                what="all is told",
            )
        finally:
            assembler.stop()

    start()
    start()
    assert mended(before) == [set(), set(), {file}]


def test_a_spool_that_is_away_loses_no_study(house: House) -> None:
    """Its disk may come back: a study that is not found then is not gone."""
    file = house.receive()
    house.spool.root.rename(away := house.spool.root.with_name("away"))
    house.wait(30)
    assert house.assembler.waiting_studies() == 1
    away.rename(house.spool.root)
    house.wait(30)
    assert house.files() == [[file]]


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
    with structlog.testing.capture_logs() as logs:
        house.receive("1.2.1", study="3.1")
        house.wait(30)
        house.receive("1.2.2", study="3.2")
        house.wait(30)
    assert [study.study_instance_uid for study in house.store.revisions] == ["3.2"]
    assert house.assembler.waiting_studies() == 1
    refused = next(entry for entry in logs if entry["event"] == "store refused")
    assert (refused["kind"], refused["place"].partition(":")[0]) == ("ValueError", "test_assembler.py")
    assert "Canary" not in str(logs)


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


OWN = {"Manufacturer": "wetread", "ContributingEquipmentSequence": Sequence([Dataset()])}


def test_an_archive_that_counts_the_same_twice_closes_a_study(house: House) -> None:
    """It is asked after 2 s of silence and again 5 s after its first answer; what it holds besides does not matter."""
    house.receive("1.2.3")
    house.receive("1.2.4")
    house.wait(1.9)
    assert house.questions.asked == []
    counts = {f"{STUDY}.1": 2, f"{STUDY}.99": 1}
    for pause in (0.1, 5):
        house.wait(pause)
        assert len(house.questions.asked) == 1
        assert house.completions() == []
        assert house.answer(counts) == "pacs"
    assert house.completions() == [Completion.COUNTED]


def test_a_study_that_grows_between_two_counts_is_not_closed(house: House) -> None:
    """An image that comes between two answers that are alike takes the first away; an answer under way is void."""
    house.receive("1.2.3")
    house.wait(2)
    house.answer({f"{STUDY}.1": 1})
    house.wait(5)
    house.receive("1.2.4")
    house.answer({f"{STUDY}.1": 2})
    assert house.completions() == []
    for _ in range(2):
        house.wait(5)
        assert house.completions() == []
        house.answer({f"{STUDY}.1": 2})
    assert house.completions() == [Completion.COUNTED]


def test_while_the_archive_is_away_the_quiet_time_applies(house: House) -> None:
    """No answer, and an answer that it is away, hold nothing back."""
    house.receive()
    house.wait(2)
    house.answer(None)
    house.wait(5)
    house.wait(23)
    assert house.completions() == [Completion.QUIET]
    house.questions.answer({f"{STUDY}.1": 1})
    house.wait(1)
    assert house.completions() == [Completion.QUIET]


def test_a_later_revision_is_counted_with_what_was_there(house: House) -> None:
    """The archive's number is that of all images of a series; our own result that came back is not among ours."""
    house.receive("1.2.3")
    house.wait(30)
    house.questions.asked.clear()
    house.receive("1.2.9", series="99", **OWN)
    house.receive("1.2.4")
    for pause in (2, 5):
        house.wait(pause)
        house.answer({f"{STUDY}.1": 2})
    assert house.completions() == [Completion.QUIET, Completion.COUNTED]


def test_each_sender_has_its_waits_and_its_archive(house: House) -> None:
    """The longest quiet time of a study's senders holds, and the archive of the latest one's is asked, or none."""
    house.receive("1.2.3", sender="OTHER")
    house.wait(2)
    assert house.answer(None) == "elsewhere"
    house.receive("1.2.4", sender="SLOW")
    house.wait(89)
    assert (house.questions.asked, house.completions()) == ([], [])
    house.wait(1)
    assert house.completions() == [Completion.QUIET]


def test_a_list_closes_a_study_at_once(house: House) -> None:
    """A list that comes last closes the study when it comes; less or more than what has come closes nothing."""
    house.receive("1.2.3")
    house.receive("1.2.4", series="2")
    house.listed("1.2.3")
    house.listed("1.2.3", "1.2.4", "1.2.5")
    assert house.completions() == []
    house.listed("1.2.3", "1.2.4")
    assert house.completions() == [Completion.LISTED]


def test_a_list_that_comes_first_is_kept(house: House) -> None:
    """A list of what has not come yet closes the study when the last of it comes, without our own results in it."""
    house.store.own = {"1.2.99"}
    house.listed("1.2.3", "1.2.4", "1.2.99")
    house.receive("1.2.3")
    assert house.completions() == []
    house.receive("1.2.4")
    house.wait(0)
    assert house.completions() == [Completion.LISTED]


def test_a_list_of_what_is_no_uid_is_left_out(house: House) -> None:
    """What comes from outside is checked: the assembler goes on, and a list that cannot be one closes nothing."""
    for uids in (["../x"], ["1.2.3", "\u0661"], []):
        house.listed(*uids)
    house.listed("1.2.3", study="x y")
    house.receive("1.2.3")
    house.wait(30)
    assert house.completions() == [Completion.QUIET]


def test_lists_wait_for_a_store_that_is_away(house: House) -> None:
    """Which of the listed instances are ours only the store knows: it is asked again."""
    house.receive("1.2.3")
    house.store.away = True
    house.listed("1.2.3")
    assert house.assembler.open_studies() == 1
    house.store.away = False
    house.wait(1)
    house.wait(1)
    assert house.completions() == [Completion.LISTED]


def test_a_complete_series_is_told_while_the_study_arrives(house: House) -> None:
    """Where a model waits for series, one that is complete is told at once, before the study is."""
    house.store.wish = SeriesWish.EACH
    first = house.receive("1.2.3", series="1")
    house.receive("1.2.4", series="2")
    for pause in (2, 5):
        house.wait(pause)
        house.answer({f"{STUDY}.1": 1, f"{STUDY}.2": 50})
    assert [[item.files for item in study.series] for study in house.store.early] == [[(first,)]]
    assert [study.completion for study in house.store.early] == [Completion.SERIES]
    assert (house.completions(), house.assembler.open_studies()) == ([], 1)
    house.listed("1.2.3", "1.2.4")
    assert house.completions() == [Completion.LISTED]
    assert len(house.store.early) == 1


def test_after_a_receiving_process_nothing_is_told_twice(tmp_path: Path) -> None:
    """What of an open study was told is not told again, nor is it waited for anew; what nobody told of is adopted."""
    told: list[str] = []
    house = House(tmp_path)
    house.assembler = Assembler(
        SETTINGS, house.spool, house.store, house.clock, on_adopted=lambda instance: told.append(instance.file)
    )
    content = dataset(SOPInstanceUID="1.2.4", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1")
    orphan = house.spool.store(*incoming(content, sop_instance_uid="1.2.4")).file
    heard = house.receive("1.2.3")
    house.wait(20)
    house.assembler.adopt(pid=4711)
    house.wait(0)
    house.wait(0)
    assert told == [orphan]
    house.assembler.adopt(pid=4712)
    house.wait(10)
    house.wait(0)
    assert told == [orphan]
    house.wait(20)
    assert house.files() == [sorted([orphan, heard])]


def test_what_was_told_early_is_adopted_after_a_crash(house: House, wait_for: Callable[..., None]) -> None:
    """A node that dies between the early read and the end of the study closes the study when it is there again."""
    house.store.wish = SeriesWish.EACH
    first = house.receive("1.2.3", series="1")
    second = house.receive("1.2.4", series="2")
    house.listed("1.2.3")
    assert (len(house.store.early), house.completions()) == (1, [])
    assembler = Assembler(NodeSettings(quiet_time_s=0.01), house.spool, house.store)
    assembler.start()
    try:
        wait_for(house.completions, what="the study is complete")
    finally:
        assembler.stop()
    assert house.files() == [sorted([first, second])]


@pytest.mark.parametrize(("wish", "told"), [(SeriesWish.EACH, [1, 1, 1]), (SeriesWish.TOGETHER, [1, 2, 2])])
def test_series_are_told_as_models_want_them(house: House, wish: SeriesWish, told: list[int]) -> None:
    """Each by itself, or with those that are complete; one that has grown is told again; what failed, is told later."""
    house.store.wish = wish
    house.receive("1.2.3", series="1")
    house.receive("1.2.4", series="2")
    house.receive("1.2.5", series="3")
    house.listed("1.2.3")
    house.store.away = True
    house.assembler.listed(STUDY, frozenset({"1.2.4"}), "MPPS")
    house.wait(0)
    assert len(house.store.early) == 1
    house.store.away = False
    house.wait(1)
    house.wait(1)
    house.receive("1.2.6", series="1")
    house.listed("1.2.3", "1.2.6")
    assert [len(study.series) for study in house.store.early] == told
    assert sum(len(series.files) for series in house.store.early[-1].series) == told[-1] + 1


def test_no_series_is_told_where_no_model_waits_for_one(house: House) -> None:
    """Nothing is read or told before the study is complete."""
    house.receive("1.2.3", series="1")
    house.receive("1.2.4", series="2")
    house.listed("1.2.3")
    house.wait(29)
    assert (house.store.early, house.completions()) == ([], [])


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


def test_a_study_of_which_a_revision_has_all_does_not_arrive_for_ever(
    tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """An image is in the spool before the assembler hears of it: a revision has it, it is noted, and the node ends."""
    before = House(tmp_path)
    before.receive("1.2.3")
    content = dataset(SOPInstanceUID="1.2.4", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1")
    late = before.spool.store(*incoming(content, sop_instance_uid="1.2.4", calling_ae_title="SENDER"))
    before.wait(30)
    assert [len(files) for files in before.files()] == [2]
    before.assembler.instance_stored(late, "")
    before.assembler.step()
    assert len(before.store.receiving) == 2
    assembler = Assembler(NodeSettings(quiet_time_s=0.01), Spool(tmp_path / "spool"), before.store)
    assembler.start()
    try:
        wait_for(lambda: before.store.taken_back == [STUDY], what="that nothing arrives")
    finally:
        assembler.stop()


def test_a_study_that_has_all_does_not_arrive_though_it_comes_again_while_the_store_is_away(house: House) -> None:
    """After a restart: the look for what comes again takes the place of the one that waits since the start."""
    house.receive()
    house.wait(30)
    after = Assembler(SETTINGS, house.spool, house.store, house.clock)
    house.assembler = after
    after._adoption.begin()
    house.store.away = True
    house.wait(0)
    house.receive()  # the same again
    house.store.away = False
    house.wait(60)
    assert (len(house.store.revisions), house.store.taken_back) == (1, [STUDY])


@pytest.mark.parametrize("where", ["stored", "tick"])
def test_a_study_over_which_something_unforeseen_is_raised_keeps_no_other_and_is_looked_at_again(
    house: House, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It had ended the thread in silence, while the node still answered for what nobody put together."""
    broken = getattr(OpenStudy, where)
    fails = [True]

    def sometimes(self: OpenStudy, *arguments: object, **values: object) -> object:
        if fails and self is house.assembler._open.get(STUDY):
            raise ZeroDivisionError("Doe^Jane")
        return broken(self, *arguments, **values)

    monkeypatch.setattr(OpenStudy, where, sometimes)
    with structlog.testing.capture_logs() as told:
        house.receive()
        house.receive("1.2.4", study="1.2.77")
        house.wait(31)
    assert [study.study_instance_uid for study in house.store.revisions] == ["1.2.77"]
    error = next(entry for entry in told if entry["event"] == "assembler failed")
    assert (error["log_level"], error["study"], error["kind"]) == ("error", STUDY, "ZeroDivisionError")
    assert "Doe" not in str(told)
    fails.clear()
    house.wait(31)
    house.wait(31)
    assert [study.study_instance_uid for study in house.store.revisions] == ["1.2.77", STUDY]


def test_nothing_is_taken_while_nobody_puts_studies_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_for: Callable[..., None]
) -> None:
    """The thread outlives what is raised anywhere in it; until it goes on senders are told to come again (A700)."""
    monkeypatch.setattr(assembler_module, "_FAILED_PAUSE_S", 0.01)
    store = ListStudyStore()
    spool = Spool(tmp_path)
    assembler = Assembler(NodeSettings(quiet_time_s=0.05), spool, store)
    going_on, failing = Handover.run_due, [True]

    def sometimes(self: Handover) -> None:
        if failing:
            raise MemoryError
        going_on(self)

    monkeypatch.setattr(Handover, "run_due", sometimes)
    assembler.start()
    try:
        assembler.instance_stored(spool.store(*incoming()), "")
        wait_for(lambda: not assembler.accepting(), what="nothing is taken")
        failing.clear()
        wait_for(lambda: store.revisions, what="the study is handed over")
        wait_for(assembler.accepting, what="instances are taken again")
    finally:
        assembler.stop()


def test_instances_are_taken_again_as_soon_as_what_failed_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_for: Callable[..., None]
) -> None:
    """Not when the next study is due: where none is open that is a minute later, and nothing comes that wakes it."""
    monkeypatch.setattr(assembler_module, "_FAILED_PAUSE_S", 0.5)
    assembler = Assembler(NodeSettings(), Spool(tmp_path), ListStudyStore())
    going_on, failed = Handover.run_due, list[None]()

    def fails_once(self: Handover) -> None:
        if not failed:
            failed.append(None)
            raise MemoryError
        going_on(self)

    monkeypatch.setattr(Handover, "run_due", fails_once)
    assembler.start()
    try:
        assembler.association_ended("an association")
        wait_for(lambda: not assembler.accepting(), what="nothing is taken")
        wait_for(assembler.accepting, what="instances are taken again", deadline_s=10.0)
    finally:
        assembler.stop()
