"""Retention over a real spool and a real ledger; the disk's free space is told by a setting."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from dicom_node.assembling.stocktaking import take_stock
from dicom_node.spooling.clearing import remove_study
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool import Spool
from dicom_node.spooling.spool_layout import name_of
from dicom_node.study import Completion
from ops.daemons.retention import Retention
from ops.settings import Settings
from tests.filled_ledger import add_job, add_result
from tests.unit.dicom_node.instances import STUDY, dataset, incoming
from tests.unit.worker.conftest import planned
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.retention import Keeping
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.ledger.tables import ResultObject, Revision, Study
from worker.settings import RetentionSettings


class House:
    """A spool, a ledger and what retention is asked to do."""

    def __init__(self, folder: Path) -> None:
        """Make an empty one."""
        self.settings = Settings(data=folder)
        self.spool = Spool(self.settings.spool)
        self.ledger = Ledger.open(self.settings.ledger_url)

    def receive(self, number: int, study: str = STUDY) -> Path:
        """Store an instance; nothing is told to the ledger."""
        uid = f"{study}.{number}"
        sent = incoming(dataset(StudyInstanceUID=study, SOPInstanceUID=uid), sop_instance_uid=uid)
        return self.spool.root / self.spool.store(*sent).file

    def complete(self, study: str = STUDY) -> None:
        """Close a revision of what the spool holds."""
        stock = take_stock(self.spool, name_of(study), study, Completion.QUIET, lambda _: frozenset())
        assert stock is not None
        self.ledger.close_revision(stock, {}, [])

    def retention(self, *, later: timedelta = timedelta(), **days: float) -> Retention:
        """Return a retention whose clock is so much later."""
        asked = RetentionSettings(**({"make_room_below_bytes": 0} | days))  # type: ignore[arg-type]
        return Retention(
            ledger=self.ledger,
            spool=self.spool,
            settings=self.settings.model_copy(update={"retention": asked}),
            now=lambda: utc_now() + later,
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty house."""
    made = House(tmp_path)
    yield made
    made.ledger.close()


def test_images_go_after_their_days_and_nobody_takes_the_study_for_a_new_one(house: House) -> None:
    """Files and folders are gone, the ledger says so, and what is recorded is still recorded."""
    house.receive(1)
    house.receive(2)
    house.complete()
    assert list(house.retention(images_days=3).once()) == []
    recorded = house.ledger.recorded_files(name_of(STUDY))
    (verdict,) = house.retention(images_days=3, later=timedelta(days=4)).once()
    assert (verdict.what, verdict.study_instance_uid) == (Keeping.IMAGES, STUDY)
    assert verdict.freed_bytes > 0
    assert house.spool.study_folders() == []
    assert house.ledger.recorded_files(name_of(STUDY)) == recorded
    assert house.ledger.timeline(STUDY)[-1].kind == "images removed"
    assert list(house.retention(images_days=3, later=timedelta(days=4)).once()) == []


def test_a_dry_run_touches_nothing(house: House) -> None:
    """It says what would go."""
    file = house.receive(1)
    house.complete()
    (verdict,) = house.retention(images_days=3, later=timedelta(days=4)).once(dry_run=True)
    assert verdict.what is Keeping.IMAGES
    assert file.exists()


@pytest.mark.parametrize("folder", ["", ".", "..", "../other", "/"])
def test_a_folder_that_is_none_takes_nothing_of_others_with_it(house: House, folder: str) -> None:
    """Where somebody else has written to the ledger, or its disk was in trouble."""
    file = house.receive(1)
    house.complete()
    results = house.settings.results / "other"
    results.mkdir(parents=True)
    (results / "sr.dcm").write_bytes(b"another study's")
    with house.ledger.writing() as session:
        session.execute(text("UPDATE study SET folder = :folder"), {"folder": folder})
    (verdict,) = house.retention(images_days=3, results_days=3, later=timedelta(days=4)).once()
    assert verdict.failed
    assert "a folder of a study that is none" in verdict.why
    assert file.exists()
    assert (results / "sr.dcm").exists()


def test_an_image_that_no_revision_lists_keeps_its_study(house: House) -> None:
    """It came after the study was complete, and the ledger has not heard of it yet."""
    files = [house.receive(1)]
    house.complete()
    files.append(house.receive(2))
    (verdict,) = house.retention(images_days=3, later=timedelta(days=4)).once()
    assert (verdict.what, verdict.why) == (None, "more of it has just come")
    assert all(file.exists() for file in files)


@pytest.mark.parametrize("closed", [True, False], ids=["in a revision", "still arriving"])
def test_what_comes_while_others_are_removed_keeps_its_study(house: House, *, closed: bool) -> None:
    """A page of studies is judged at once, and the last of it goes minutes later."""
    for study in ("1.2.1", "1.2.2"):
        house.receive(1, study)
        house.complete(study)
    going = house.retention(images_days=3, later=timedelta(days=4)).once()
    assert next(going).what is Keeping.IMAGES
    late = house.receive(2, "1.2.2")
    if closed:
        stock = take_stock(house.spool, name_of("1.2.2"), "1.2.2", Completion.QUIET, lambda _: frozenset())
        assert stock is not None
        house.ledger.close_revision(stock, {}, [planned()])
    else:
        instance = house.spool.describe(late.relative_to(house.spool.root).as_posix())
        assert instance is not None
        house.ledger.study_receiving(instance)
    (verdict,) = going
    assert (verdict.what, verdict.why) == (None, "more of it has just come")
    assert late.exists()
    assert len(house.spool.files(name_of("1.2.2"))) == 2


def test_a_study_of_which_somebody_was_promised_images_stays_until_they_are_released(house: House) -> None:
    """Also where it was promised between the decision and the removal; results and rows stay with the images."""
    file = house.receive(1).relative_to(house.spool.root).as_posix()
    house.complete()
    held = HeldInstances(house.spool.root)
    held.hold([file], lambda _: True)
    late = house.retention(images_days=3, results_days=3, later=timedelta(days=4))
    (verdict,) = late.once()
    assert verdict.what is None
    assert "storage commitment: 1 images" in verdict.why
    assert remove_study(house.spool, name_of(STUDY), [file], lambda _: ()) is None
    assert (house.spool.root / file).exists()
    held.release([file])
    assert [verdict.what for verdict in late.once()] == [Keeping.IMAGES, Keeping.RESULTS]
    assert not (house.spool.root / file).exists()


def test_a_short_disk_takes_the_oldest_first_and_only_what_is_settled(house: House) -> None:
    """A study that still arrives stays, however short the disk is."""
    house.receive(1, "1.2.1")
    house.complete("1.2.1")
    arriving = house.spool.describe(house.receive(1, "1.2.2").relative_to(house.spool.root).as_posix())
    assert arriving is not None
    house.ledger.study_receiving(arriving)
    verdicts = list(house.retention(images_days=0, make_room_below_bytes=2**62).once())
    assert [(verdict.study_instance_uid, verdict.what) for verdict in verdicts] == [
        ("1.2.1", Keeping.IMAGES),
        ("1.2.2", None),
    ]
    assert house.spool.study_folders() == [name_of("1.2.2")]


def test_room_is_made_until_there_is_enough(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Younger studies stay when the older ones were enough."""
    for study in ("1.2.1", "1.2.2", "1.2.3"):
        house.receive(1, study)
        house.complete(study)
    # The file system would have to be full: what it answers is taken from how many studies are left.
    monkeypatch.setattr(house.spool, "free_bytes", lambda: 10 - len(house.spool.study_folders()))
    verdicts = list(house.retention(images_days=0, make_room_below_bytes=9).once())
    assert [verdict.study_instance_uid for verdict in verdicts] == ["1.2.1", "1.2.2"]
    assert house.spool.study_folders() == [name_of("1.2.3")]


def test_results_and_rows_go_too(house: House) -> None:
    """After their days nothing of the study is left anywhere."""
    house.receive(1)
    house.complete()
    result = house.settings.results / name_of(STUDY) / "1" / "seg.dcm"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"seg")
    verdicts = list(house.retention(images_days=1, results_days=2, ledger_days=3, later=timedelta(days=4)).once())
    assert [verdict.what for verdict in verdicts] == list(Keeping)
    assert list(house.settings.results.iterdir()) == []
    assert house.ledger.timeline(STUDY) == []


def test_the_same_study_comes_again_afterwards(house: House) -> None:
    """Its folder is made anew, and what was read before is known by its files."""
    house.receive(1)
    house.complete()
    list(house.retention(images_days=1, later=timedelta(days=2)).once())
    file = house.receive(1)
    house.complete()
    assert file.exists()
    assert [event.kind for event in house.ledger.timeline(STUDY)].count("study complete") == 1
    (verdict,) = house.retention(images_days=1, later=timedelta(days=2)).once()
    assert verdict.what is Keeping.IMAGES


def test_a_result_of_ours_that_came_back_changed_does_not_keep_its_study(house: House) -> None:
    """The archive has given it another manufacturer: the ledger knows it by its UID, and it goes with the images."""
    house.receive(1)
    house.complete()
    back = house.receive(9)
    (verdict,) = house.retention(images_days=3, later=timedelta(days=4)).once()
    assert verdict.what is None
    with house.ledger.writing() as session:
        study, (revision,) = session.query(Study).one(), session.query(Revision).all()
        job = add_job(session, revision, JobState.READ, queued_at=utc_now())
        add_result(session, job, "SR", {"pacs": DeliveryState.ACCEPTED}, at=utc_now())
        session.query(ResultObject).one().sop_instance_uid = f"{STUDY}.9"
        assert study.images_removed_at is None
    (verdict,) = house.retention(images_days=3, later=timedelta(days=4)).once()
    assert verdict.what is Keeping.IMAGES
    assert not back.exists()


def test_files_that_cannot_be_removed_keep_their_own_study_only(house: House) -> None:
    """The disk must not fill behind it; why it stays is told."""
    for study in ("1.2.1", "1.2.2"):
        file = house.receive(1, study)
        house.complete(study)
        if study == "1.2.1":
            file.unlink()
            file.mkdir()
            (file / "by somebody else").touch()
    stays, goes = house.retention(images_days=3, later=timedelta(days=4)).once()
    assert (stays.study_instance_uid, stays.what, stays.failed) == ("1.2.1", None, True)
    assert "Is a directory" in stays.why
    assert (goes.study_instance_uid, goes.what) == ("1.2.2", Keeping.IMAGES)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE study SET last_received_at = '2020zz' WHERE study_instance_uid = '1.2.1'",
        "UPDATE series SET manifest = 'zz' WHERE series.id = 1",
        "UPDATE job SET state = 'zz'",
    ],
)
def test_rows_that_cannot_be_read_keep_their_own_study_only(house: House, harm: str) -> None:
    """A page of the ledger has two hundred studies, and the oldest come first each time."""
    house.receive(1, "1.2.1")
    stock = take_stock(house.spool, name_of("1.2.1"), "1.2.1", Completion.QUIET, lambda _: frozenset())
    assert stock is not None
    house.ledger.close_revision(stock, {}, [planned()])
    house.ledger.cancel(house.ledger.jobs()[0].id)
    house.receive(1, "1.2.2")
    house.complete("1.2.2")
    with sqlite3.connect(house.settings.ledger_url.removeprefix("sqlite:///")) as connection:
        connection.execute(harm)
    connection.close()
    verdicts = {it.failed: it for it in house.retention(images_days=3, later=timedelta(days=4)).once()}
    assert "wetread ledger check" in verdicts[True].why
    assert verdicts[True].what is None
    assert (verdicts[False].study_instance_uid, verdicts[False].what) == ("1.2.2", Keeping.IMAGES)
