"""Deliveries against the shipped fake of an archive, which is held to the same contract as a real one."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.sender import OutcomeKind, StoreOutcome
from dicom_node.errors import ArchiveUnreachable
from dicom_node.testing import InMemoryArchive
from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.reads import claim_next, job_of, record, result_file
from worker.delivery.delivery import Deliverer
from worker.delivery.delivery_answers import state_after_answer, stored_in_order
from worker.delivery.destination import Destination
from worker.delivery.identity_check import identities_of_file, why_held
from worker.jobs.job import DeliveryState, JobState
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Delivery, Event, ResultObject
from worker.object_kinds import DEFAULT_KINDS
from worker.settings import DeliverySettings
from worker.testing import write_mr_series

STUDY = "1.2.3"
IDENTITY = StudyIdentity(patient_id="TEST-1", patient_name="Test^Head")


@pytest.fixture
def archive() -> InMemoryArchive:
    """An archive that answers."""
    return InMemoryArchive()


class Hearing:
    """A witness that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def begins(self, destination: str, study_instance_uid: str, files: Sequence[Path]) -> None:
        """Keep it."""
        self.heard.append(("begins", destination, study_instance_uid, *(file.name for file in files)))

    def ended(self, destination: str, study_instance_uid: str, files: Sequence[Path], failure: str) -> None:
        """Keep it."""
        self.heard.append(("ended", destination, study_instance_uid, *(file.name for file in files), failure))


@pytest.fixture
def witness() -> Hearing:
    """Who hears of deliveries."""
    return Hearing()


@pytest.fixture
def deliverer(
    tmp_path: Path, ledger: Ledger, archive: InMemoryArchive, queue_job: Callable[..., int], witness: Hearing
) -> Deliverer:
    """A deliverer with one job that was read: its source in the spool, one result on disk."""
    (source, *_) = write_mr_series(tmp_path / "spool" / "s", slices=2)
    (result, *_) = write_mr_series(tmp_path / "results" / "f", seed=9, slices=2)
    uid = str(pydicom.dcmread(result).SOPInstanceUID)
    queue_job(files=(f"s/{source.name}",))
    claim = claim_next(ledger)
    file = result_file("SEG", uid, file=f"f/{result.name}", sha256=hashlib.sha256(result.read_bytes()).hexdigest())
    record(ledger, claim, [file], {"pacs": DEFAULT_KINDS})
    return Deliverer(
        ledger=ledger,
        destinations={"pacs": Destination(name="pacs", archive=archive)},
        spool=tmp_path / "spool",
        results=tmp_path / "results",
        settings=DeliverySettings(),
        witness=witness,
    )


def deliver(deliverer: Deliverer, archive: InMemoryArchive, *, identity_check: bool = True) -> bool:
    """Deliver once."""
    return deliverer.deliver_one(Destination(name="pacs", archive=archive, identity_check=identity_check))


def there(deliverer: Deliverer) -> StudyIdentity:
    """Return whose study the source is, as an archive that has it says."""
    return identities_of_file(deliverer._sender._spool / "s" / "0000.dcm", {})[0]


def an_hour_later(ledger: Ledger, clock: ManualLedgerClock) -> None:
    """Let an hour pass since everything that the timeline tells, and every wait end."""
    clock.seconds += 3600
    with ledger.writing() as session:
        for event in session.scalars(select(Event)):
            event.at -= timedelta(hours=1)


def test_a_study_that_comes_to_the_archive_later_is_waited_for(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock
) -> None:
    """It is asked again after the destination's own waits, the job says so, and the results leave by themselves."""
    for wait_s in (30, 60, 120):
        assert deliver(deliverer, archive)
        (job,) = ledger.jobs()
        (waiting,) = job.deliveries
        assert (job.state, waiting.state) == (JobState.READ, DeliveryState.PENDING)
        assert waiting.reason.startswith("pacs has no such study yet: it is asked again, and what has not left by ")
        clock.seconds += wait_s - 1
        assert not deliver(deliverer, archive), "not before its wait"
        clock.seconds += 1
    assert not deliverer._breakers["pacs"].failures, "it has answered"
    archive.identities[STUDY] = there(deliverer)
    assert deliver(deliverer, archive)
    assert ledger.jobs()[0].delivered


def test_a_study_that_does_not_come_within_its_time_is_held(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock
) -> None:
    """A deliverer that is started anew counts from the same look; results are not sent to a study that is not there."""
    assert deliver(deliverer, archive)
    an_hour_later(ledger, clock)
    restarted = Deliverer(
        ledger=ledger,
        destinations=deliverer._destinations,
        spool=deliverer._sender._spool,
        results=deliverer._sender._results,
        settings=DeliverySettings(),
    )
    assert deliver(restarted, archive)
    (job,) = ledger.jobs()
    assert job.state is JobState.HELD
    assert "pacs has no such study: has it not come there yet" in job.reason
    assert "`wetread release-hold`" in job.reason
    assert archive.stored == {}


def test_a_site_may_have_absent_studies_held_at_once(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive
) -> None:
    """Where everything comes through the archive, nothing is to be waited for."""
    deliverer._sender._settings = DeliverySettings(study_wait_s=0)
    assert deliver(deliverer, archive)
    assert ledger.jobs()[0].state is JobState.HELD


@pytest.mark.parametrize("answer", ["not now", "none"])
def test_a_study_that_was_there_and_is_gone_is_held_at_once(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock, answer: str
) -> None:
    """It was moved, merged or deleted in the meantime, whatever became of the results at the earlier look."""
    archive.identities[STUDY] = there(deliverer)
    (waiting,) = ledger.jobs()[0].deliveries
    if answer == "not now":
        archive.refuse_with[waiting.sop_instance_uid] = 0xA700
        assert deliver(deliverer, archive)
    else:
        dropping = Aborting(waiting.sop_instance_uid)
        dropping.identities = archive.identities
        assert deliver(deliverer, dropping)
    assert ledger.jobs()[0].state is JobState.READ
    archive.identities.clear()
    clock.seconds += 31
    assert deliver(deliverer, archive)
    assert ledger.jobs()[0].state is JobState.HELD


def test_an_absent_study_keeps_no_other_destination_waiting(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive
) -> None:
    """What waits, waits for one archive; another gets its results."""
    with ledger.writing() as session:
        (result,) = session.scalars(select(ResultObject))
        now = utc_now()
        session.add(
            Delivery(result_object_id=result.id, destination="other", state="pending", created_at=now, updated_at=now)
        )
    deliverer._breakers["other"] = deliverer._breakers["pacs"]
    other = InMemoryArchive()
    other.identities[STUDY] = there(deliverer)
    assert deliver(deliverer, archive)
    assert deliverer.deliver_one(Destination(name="other", archive=other))
    assert (len(archive.stored), len(other.stored)) == (0, 1)


def test_without_the_check_results_are_sent(deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive) -> None:
    """An archive that only ever gets results can be exempt, by the site's word."""
    assert deliver(deliverer, archive, identity_check=False)
    (job,) = ledger.jobs()
    assert job.delivered


def test_an_archive_is_asked_each_time_before_anything_leaves(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock
) -> None:
    """The patient may be another one by the time the archive is back."""
    of_the_file = identities_of_file(deliverer._sender._spool / "s" / "0000.dcm", {})[0]
    archive.identities[STUDY] = of_the_file
    (waiting,) = ledger.jobs()[0].deliveries
    archive.refuse_with[waiting.sop_instance_uid] = 0xA700
    assert deliver(deliverer, archive)
    assert ledger.jobs()[0].state is JobState.READ
    archive.refuse_with.clear()
    archive.identities[STUDY] = replace(of_the_file, patient_id="MERGED")
    clock.seconds += 31
    assert deliver(deliverer, archive)
    assert ledger.jobs()[0].state is JobState.HELD
    assert archive.stored == {}


def test_what_another_archive_has_confirmed_counts_for_that_one(deliverer: Deliverer, ledger: Ledger) -> None:
    """Each archive is asked about itself."""
    with ledger.writing() as session:
        (result,) = session.scalars(select(ResultObject))
        for name in ("one", "other"):
            now = utc_now()
            session.add(
                Delivery(result_object_id=result.id, destination=name, state="pending", created_at=now, updated_at=now)
            )
            deliverer._breakers[name] = deliverer._breakers["pacs"]
    one, other = InMemoryArchive(), InMemoryArchive()
    of_the_file = identities_of_file(deliverer._sender._spool / "s" / "0000.dcm", {})[0]
    one.identities[STUDY] = of_the_file
    other.identities[STUDY] = replace(of_the_file, patient_id="MERGED")
    assert deliverer.deliver_one(Destination(name="one", archive=one))
    assert deliverer.deliver_one(Destination(name="other", archive=other))
    assert (len(one.stored), len(other.stored)) == (1, 0)
    assert ledger.jobs()[0].state is JobState.HELD


def test_a_source_that_cannot_be_parsed_is_told_and_waits(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock
) -> None:
    """With a reason and a growing wait, as any other trouble."""
    (deliverer._sender._spool / "s" / "0000.dcm").write_bytes(b"junk" * 100)
    assert deliver(deliverer, archive)
    (delivery,) = ledger.jobs()[0].deliveries
    assert delivery.state is DeliveryState.PENDING
    assert "s/0000.dcm cannot be read any more" in delivery.reason
    assert not deliver(deliverer, archive), "not before its wait"


class Aborting(InMemoryArchive):
    """Ends each association at the objects of one set, unanswered."""

    def __init__(self, *at: str) -> None:
        super().__init__()
        self.at = at
        self.associations = 0

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """Take what comes before."""
        self.associations += 1
        uids = [str(pydicom.dcmread(file).SOPInstanceUID) for file in files]
        before = next((place for place, uid in enumerate(uids) if uid in self.at), len(uids))
        return super().store(files[:before])


def test_an_object_that_ends_the_association_does_not_keep_the_others(tmp_path: Path) -> None:
    """What stands behind it is sent over another one; an archive that drops all of them gets no more than three."""
    paths = write_mr_series(tmp_path, slices=8)
    files = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in paths}
    uids = list(files)
    archive = Aborting(uids[0], uids[3])
    outcomes = stored_in_order(archive, files)
    assert [outcome.sop_instance_uid for outcome in outcomes] == [uid for uid in uids if uid not in archive.at]
    assert archive.associations == 3
    dropping = Aborting(*uids)
    assert stored_in_order(dropping, files) == []
    assert dropping.associations == 3


def test_an_archive_that_drops_an_object_and_goes_away_may_have_it(tmp_path: Path) -> None:
    """The first association was one, whatever became of the second."""

    class Going(Aborting):
        def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
            outcomes = super().store(files)
            self.away = True
            return outcomes

    files = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in write_mr_series(tmp_path, slices=2)}
    with pytest.raises(ArchiveUnreachable) as raised:
        stored_in_order(Going(*files), files)
    assert not raised.value.kept_nothing
    away = InMemoryArchive()
    away.away = True
    with pytest.raises(ArchiveUnreachable) as raised:
        stored_in_order(away, files)
    assert raised.value.kept_nothing


def test_each_attempt_has_a_witness(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock, witness: Hearing
) -> None:
    """Before it is sent and afterwards, with the reason where it was not; before the ledger says that it was."""
    archive.away = True
    deliver(deliverer, archive, identity_check=False)
    away = "the in-memory archive is away; set `away = False`"
    assert witness.heard == [("begins", "pacs", STUDY, "0000.dcm"), ("ended", "pacs", STUDY, "0000.dcm", away)]
    archive.away = False
    clock.seconds += 31
    deliver(deliverer, archive, identity_check=False)
    assert witness.heard[2:] == [("begins", "pacs", STUDY, "0000.dcm"), ("ended", "pacs", STUDY, "0000.dcm", "")]


def test_a_refusal_has_a_witness(deliverer: Deliverer, archive: InMemoryArchive, witness: Hearing) -> None:
    """With its status, without the archive's own words."""
    archive.refuse_with = dict.fromkeys(
        [str(pydicom.dcmread(file).SOPInstanceUID) for file in results(deliverer)], 0xA700
    )
    deliver(deliverer, archive, identity_check=False)
    assert witness.heard[1][-1].startswith("status A700")


def results(deliverer: Deliverer) -> list[Path]:
    """Return the files that wait."""
    return sorted(deliverer._sender._results.rglob("*.dcm"))


def test_nothing_due_is_nothing_done(deliverer: Deliverer, archive: InMemoryArchive) -> None:
    """A deliverer without work says so, and waits."""
    deliver(deliverer, archive, identity_check=False)
    assert not deliver(deliverer, archive, identity_check=False)


def test_a_lost_result_file_is_told(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock, tmp_path: Path
) -> None:
    """When a result cannot be read from disk the delivery waits with the reason, and goes on when it is back."""
    (file,) = [path for path in (tmp_path / "results" / "f").iterdir() if path.name == "0000.dcm"]
    content = file.read_bytes()
    file.unlink()
    deliver(deliverer, archive, identity_check=False)
    (delivery,) = ledger.jobs()[0].deliveries or ledger.job(ledger.jobs()[0].id).deliveries  # type: ignore[union-attr]
    assert delivery.state is DeliveryState.PENDING
    assert "cannot be read" in delivery.reason
    file.write_bytes(content)
    clock.seconds += 31
    deliver(deliverer, archive, identity_check=False)
    assert ledger.jobs()[0].delivered


def test_a_defect_is_told_by_its_place_and_the_delivery_waits(
    deliverer: Deliverer,
    ledger: Ledger,
    archive: InMemoryArchive,
    clock: ManualLedgerClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Never by its words, which may be a patient's; it is tried again."""

    def trip(*_: object) -> bool:
        raise KeyError("Canary^Bird")

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(deliverer._sender, "send", trip)
        assert deliver(deliverer, archive)
    row = job_of(ledger, ledger.jobs()[0].id)
    (delivery,) = row.deliveries
    assert delivery.state is DeliveryState.PENDING
    assert re.match(r"KeyError at test_delivery\.py:\d+: a defect of wetread", delivery.reason)
    assert re.fullmatch(r"KeyError at test_delivery\.py:\d+", next(log["error"] for log in logs if "error" in log))
    assert "Canary" not in f"{logs}{ledger.timeline(STUDY)}"
    clock.seconds += 31
    deliver(deliverer, archive, identity_check=False)
    assert ledger.jobs()[0].delivered


def test_a_damaged_result_is_not_sent(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock, tmp_path: Path
) -> None:
    """Other bytes than those that were recorded never leave; the delivery waits until the file is put back."""
    file = tmp_path / "results" / "f" / "0000.dcm"
    content = file.read_bytes()
    file.write_bytes(content[:-2] + b"XX")
    deliver(deliverer, archive, identity_check=False)
    assert not archive.stored
    (delivery,) = ledger.job(ledger.jobs()[0].id).deliveries  # type: ignore[union-attr]
    assert delivery.state is DeliveryState.PENDING
    assert "has other bytes than those that were recorded" in delivery.reason
    file.write_bytes(content)
    clock.seconds += 31
    deliver(deliverer, archive, identity_check=False)
    assert ledger.jobs()[0].delivered


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (OutcomeKind.ACCEPTED, DeliveryState.ACCEPTED),
        (OutcomeKind.WARNING, DeliveryState.ACCEPTED),
        (OutcomeKind.DUPLICATE, DeliveryState.ACCEPTED),
        (OutcomeKind.REFUSED, DeliveryState.REFUSED),
        (OutcomeKind.NO_CONTEXT, DeliveryState.REFUSED),
    ],
)
def test_what_an_answer_means(kind: OutcomeKind, state: DeliveryState) -> None:
    """A warning and "I have it already" are acceptances; a refusal and a missing context are not."""
    outcome = StoreOutcome(sop_instance_uid="1", status=0, kind=kind, text="why")
    assert state_after_answer(outcome)[0] is state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0xA700, DeliveryState.PENDING),
        (0xA7FE, DeliveryState.PENDING),
        (0x0110, DeliveryState.PENDING),
        (0x0213, DeliveryState.PENDING),
        (0xA900, DeliveryState.REFUSED),
        (0xC123, DeliveryState.REFUSED),
        (0x0122, DeliveryState.REFUSED),
    ],
)
def test_a_refusal_that_may_pass_is_not_the_last_word(status: int, state: DeliveryState) -> None:
    """An archive that is out of resources today takes the same object tomorrow; a wrong object stays wrong."""
    outcome = StoreOutcome(sop_instance_uid="1", status=status, kind=OutcomeKind.REFUSED, text="why")
    assert state_after_answer(outcome)[0] is state


def test_what_is_out_of_resources_is_sent_again(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, clock: ManualLedgerClock
) -> None:
    """The delivery waits with the archive's status, and goes on by itself."""
    (waiting,) = ledger.job(ledger.jobs()[0].id).deliveries  # type: ignore[union-attr]
    archive.refuse_with[waiting.sop_instance_uid] = 0xA700
    deliver(deliverer, archive, identity_check=False)
    (delivery,) = ledger.job(ledger.jobs()[0].id).deliveries  # type: ignore[union-attr]
    assert (delivery.state, delivery.reason) == (DeliveryState.PENDING, "status A700, out of resources")
    archive.refuse_with.clear()
    clock.seconds += 31
    deliver(deliverer, archive, identity_check=False)
    assert ledger.jobs()[0].delivered


def test_an_archives_own_words_stay_out_of_the_ledger() -> None:
    """An Error Comment may quote a patient; the reason is the status and what the standard says of it."""
    outcome = StoreOutcome(sop_instance_uid="1", status=0xC123, kind=OutcomeKind.REFUSED, text="C123: CANARY^NAME bad")
    assert state_after_answer(outcome)[1] == "status C123, it cannot understand the dataset"


def test_a_hold_names_attributes_and_no_values() -> None:
    """The reason says what differs, never how."""
    reason = why_held(IDENTITY, StudyIdentity(patient_id="OTHER-9", patient_name="Test^Head"), "pacs")
    assert "PatientID" in reason
    assert "OTHER-9" not in reason
    assert "TEST-1" not in reason
    assert why_held(IDENTITY, IDENTITY, "pacs") == ""
    japanese = StudyIdentity(patient_name="Yamada^Tarou=山田^太郎")
    reason = why_held(japanese, StudyIdentity(patient_name="Yamada^Tarou=^"), "pacs")
    assert "let it answer in UTF-8" in reason
    assert "Yamada" not in reason


@pytest.mark.parametrize(
    ("declared", "archived", "delivered"),
    [
        ("", "Gr\u00fcn^Ren\u00e9", True),
        ("ISO_IR 144", "Gr\u045cn^Ren\u0449", True),
        ("ISO_IR 144", "Gr\u00fcn^Ren\u00e9", False),
        ("", "Somebody^Else", False),
    ],
    ids=["as it was meant", "as it was declared", "another reading of the bytes", "another name"],
)
def test_an_archive_may_repeat_a_name_as_declared_or_as_the_sender_meant_it(
    deliverer: Deliverer, ledger: Ledger, archive: InMemoryArchive, declared: str, archived: str, *, delivered: bool
) -> None:
    """Both are the bytes that were received; anything else is held."""
    (file,) = (deliverer._sender._spool / "s").glob("0000.dcm")
    content = pydicom.dcmread(file)
    content.SpecificCharacterSet, content.PatientName = declared, "#" * 9
    content.file_meta.SourceApplicationEntityTitle = "LATIN"
    content.save_as(file)
    file.write_bytes(file.read_bytes().replace(b"#" * 9, b"Gr\xfcn^Ren\xe9"))
    deliverer._sender._assumed = {"LATIN": ("ISO_IR 100",)}
    identity = StudyIdentity(
        patient_id="TEST-1", patient_name=archived, patient_birth_date="19700101", accession_number="ACC0"
    )
    archive.identities["1.2.3"] = identity
    assert deliverer.deliver_one(deliverer._destinations["pacs"])
    (job,) = ledger.jobs()
    assert (job.state, job.delivered) == ((JobState.READ, True) if delivered else (JobState.HELD, False))
    assert "Gr" not in job.reason
