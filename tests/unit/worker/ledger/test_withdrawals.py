"""Objects of superseded reads: remembered, taken back, or rejected, and never before the newer read is there."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select, text

from dicom_node.errors import ArchiveError
from dicom_node.testing import InMemoryArchive
from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, job_of, next_batch, record, result_file
from worker.delivery.delivery import Deliverer
from worker.delivery.destination import Destination
from worker.errors import StandingChanged
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import Claim, ResultFile
from worker.jobs.superseded_read import SupersededRead
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Delivery, ResultObject, Withdrawal
from worker.object_kinds import REJECTION
from worker.settings import DeliverySettings
from worker.testing import write_mr_series


class DeletingArchive(InMemoryArchive):
    """The in-memory archive with DELETE.

    Attributes:
        deleted: SOP Instance UIDs, in order.
        forbids: Whether it does not delete.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deleted: list[str] = []
        self.forbids = False

    def delete(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> None:
        """Delete an instance."""
        del study_uid, series_uid
        self.echo()
        if self.forbids:
            raise ArchiveError("it does not delete")
        self.deleted.append(sop_instance_uid)


@pytest.fixture
def archive() -> DeletingArchive:
    """An archive that answers."""
    return DeletingArchive()


class House:
    """A ledger, and a deliverer with one archive.

    Attributes:
        deliverer: Of what the ledger has for the archive.
    """

    def __init__(self, folder: Path, ledger: Ledger, archive: DeletingArchive) -> None:
        self._ledger = ledger
        self._results = folder / "results"
        self._pacs = Destination(name="pacs", archive=archive, identity_check=False, withdraws=True)
        self.deliverer = Deliverer(
            ledger=ledger,
            destinations={"pacs": self._pacs},
            spool=folder / "spool",
            results=self._results,
            settings=DeliverySettings(breaker_after=100),
        )

    def made(self, name: str, seed: int, kinds: Sequence[str]) -> list[ResultFile]:
        """Write objects of these kinds; the same seed gives the same objects."""
        files = write_mr_series(self._results / name, seed=seed, slices=len(kinds))
        return [
            result_file(
                kind,
                str(pydicom.dcmread(file).SOPInstanceUID),
                file=f"{name}/{file.name}",
                sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            )
            for kind, file in zip(kinds, files, strict=True)
        ]

    def read(
        self,
        seed: int,
        kinds: Sequence[str] = ("SEG", "SR"),
        *,
        claim: Claim | None = None,
        deletes: bool = False,
        left_out: int | None = None,
        **more: object,
    ) -> list[str]:
        """Record a read, of the next job where no claim is given; return the SOP Instance UIDs of its objects.

        Args:
            seed: The same gives the same objects.
            kinds: Of its objects.
            claim: Of the job.
            deletes: Whether what it takes the place of is to be deleted in the archive.
            left_out: Which of the objects is not made after all.
            more: For `record`.
        """
        objects = self.made(f"r{seed}", seed, kinds)
        if left_out is not None:
            del objects[left_out]
        more = {"destinations": {"pacs": [it.kind for it in objects]}, "withdraw_from": ["pacs"] * deletes} | more
        record(self._ledger, claim or claim_next(self._ledger), objects, **more)
        return [it.sop_instance_uid for it in objects]

    def note(self, seed: int = 7) -> str:
        """Write the note of a job that ended without a read; return its SOP Instance UID."""
        unread = self._ledger.next_unread(["cpu"], [JobState.FAILED])
        assert unread is not None
        (note,) = self.made(f"note{seed}", seed, ["TEXT-SR"])
        self._ledger.note_unread(unread, results=[note], destinations={"pacs": ["TEXT-SR"]}, why="told")
        return note.sop_instance_uid

    def deliver(self) -> bool:
        """Deliver what is due of one job."""
        return self.deliverer.deliver_one(self._pacs)

    def run(self) -> None:
        """Do all that is due."""
        while self.deliverer.step(self._pacs):
            pass


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger, archive: DeletingArchive) -> House:
    """Everything around the ledger."""
    return House(tmp_path, ledger, archive)


def superseded(ledger: Ledger, claim: Claim) -> SupersededRead | None:
    """Return what a read that differs from all before takes the place of."""
    standing = ledger.standing_before(claim)
    return SupersededRead.of(standing, standing.own)


def named(ledger: Ledger, claim: Claim) -> list[str]:
    """Return the SOP Instance UIDs of what such a read says that it takes the place of."""
    earlier = superseded(ledger, claim)
    assert earlier is not None
    return [reference.sop_instance_uid for reference in earlier.references]


def later_images(ledger: Ledger, images: int = 3) -> None:
    """Let later images come."""
    files = tuple(f"s/a/{number + 1}.dcm" for number in range(images))
    ledger.close_revision(assembled(files=files), {}, [planned(files=files, input_key=f"key-{images}")])


@pytest.fixture
def first_read(queue_job: Callable[..., int], house: House, archive: DeletingArchive) -> list[str]:
    """The objects of a read that the archive has."""
    queue_job()
    uids = house.read(1)
    assert house.deliver()
    assert sorted(archive.stored) == sorted(uids)
    return uids


def test_the_ledger_knows_what_an_earlier_read_was_made_on(ledger: Ledger, house: House, first_read: list[str]) -> None:
    """Of the latest read that an archive has, or may have; one that has not left is none; nor is a damaged row."""
    assert first_read
    later_images(ledger)
    claim = claim_next(ledger)
    assert ledger.standing_before(claim).files == ("s/a/1.dcm", "s/a/2.dcm")
    house.read(2, claim=claim)
    later_images(ledger, 4)
    last = claim_next(ledger)
    assert ledger.standing_before(last).files == ("s/a/1.dcm", "s/a/2.dcm")
    house.run()
    found = ledger.standing_before(last)
    assert found.files == claim.files
    assert (earlier := SupersededRead.of(found, found.own)) is not None
    assert earlier.files == claim.files
    with ledger.writing() as session:
        session.execute(text("UPDATE job_input SET files = '{}' WHERE job_id = :job"), {"job": claim.job_id})
    assert ledger.standing_before(last).files == ()


def test_nothing_is_deleted_where_an_admin_holds_the_destination(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str]
) -> None:
    """A hold is of all that goes there; it is done when the destination is let go."""
    later_images(ledger)
    house.read(2, deletes=True)
    assert house.deliver()
    ledger.hold_all("destination", "pacs")
    house.run()
    assert archive.deleted == []
    ledger.resume_all("destination", "pacs")
    house.run()
    assert archive.deleted == first_read


def test_what_is_superseded_is_deleted_once_the_newer_read_is_there(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str]
) -> None:
    """Not while the newer one is refused; then each object, and the ledger says so."""
    later_images(ledger)
    claim = claim_next(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert [reference.sop_instance_uid for reference in earlier.references] == first_read
    assert earlier.destinations == {"pacs"}
    uids = house.read(2, claim=claim, deletes=True)
    archive.refuse_with = {uids[1]: 0xA900}
    house.run()
    assert archive.deleted == [], "the newer read has not arrived whole"
    archive.refuse_with = {}
    ledger.send_again(claim.job_id)
    house.run()
    assert archive.deleted == first_read
    old = next(job for job in ledger.jobs() if job.state is JobState.SUPERSEDED)
    assert {item.state for item in old.deliveries} == {DeliveryState.WITHDRAWN}
    assert next(job for job in ledger.jobs() if job.state is JobState.READ).delivered


@pytest.mark.parametrize("refused", ["one", "all"])
@pytest.mark.parametrize("kind", ["SR", REJECTION])
def test_what_an_admin_waives_does_not_keep_the_earlier_read(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str], refused: str, kind: str
) -> None:
    """A read that lacks a picture takes its place; one that is waived as a whole does not."""
    later_images(ledger)
    claim = claim_next(ledger)
    uids = house.read(2, ("SEG", "SC", kind), claim=claim, deletes=True)
    gone = uids[1:2] if refused == "one" else uids[: 2 + (kind != REJECTION)]
    archive.refuse_with = dict.fromkeys(gone, 0xA900)
    house.run()
    assert archive.deleted == []
    ledger.waive(claim.job_id)
    if kind == REJECTION:
        assert ledger.has_arrived(claim.job_id, "pacs") is (refused == "one")
    else:
        house.run()
        assert archive.deleted == (first_read if refused == "one" else [])


def test_an_archive_that_does_not_delete_is_asked_again_and_given_up(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str], clock: ManualLedgerClock
) -> None:
    """The wait grows; in the end the old objects stay, and the timeline says why."""
    later_images(ledger)
    house.read(2, deletes=True)
    archive.forbids = True
    house.run()
    item = ledger.next_withdrawal("pacs")
    assert item is None, "not before its wait"
    clock.seconds += 31
    item = ledger.next_withdrawal("pacs")
    assert item is not None
    ledger.postpone_withdrawal(item, reason="no", first_retry_s=1, longest_retry_s=2, give_up_after_s=-1)
    events = [event.kind for event in ledger.timeline("1.2.3")]
    assert events.count("object not withdrawn") == 2
    assert events.count("withdrawal given up") == 1
    assert archive.deleted == []


@pytest.mark.parametrize(
    ("statement", "forbids"),
    [
        ("UPDATE withdrawal SET attempts = 'many' WHERE delivery_id = 1", True),
        ("UPDATE withdrawal SET created_at = 'then' WHERE delivery_id = 1", False),
        ("UPDATE delivery SET created_at = 'then' WHERE id = 1", True),
    ],
)
def test_a_damaged_row_keeps_no_other_object_from_being_deleted(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str], statement: str, *, forbids: bool
) -> None:
    """Nor that one; and where the archive does not delete, each waits for itself."""
    later_images(ledger)
    house.read(2, deletes=True)
    assert house.deliver()
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql":
            pytest.skip("PostgreSQL does not take that")
        session.execute(text(statement))
    archive.forbids = forbids
    house.run()
    assert archive.deleted == ([] if forbids else first_read)
    told = [event.kind for event in ledger.timeline("1.2.3")]
    assert told.count("object not withdrawn" if forbids else "object withdrawn") == len(first_read)


def test_where_nothing_is_to_be_deleted_nothing_is(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str]
) -> None:
    """The default leaves the old objects."""
    later_images(ledger)
    house.read(2)
    house.run()
    assert archive.deleted == []


def test_a_rejection_goes_last_and_only_when_the_newer_read_has_arrived(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str], clock: ManualLedgerClock
) -> None:
    """An archive that refuses the newer read keeps the older one unrejected."""
    later_images(ledger)
    claim = claim_next(ledger)
    uids = house.read(2, ("SEG", "SR", REJECTION), claim=claim)
    archive.refuse_with = {uids[0]: 0xA700}
    house.run()
    assert uids[2] not in archive.stored
    archive.refuse_with = {}
    ledger.send_again(claim.job_id)
    house.run()
    clock.seconds += 31
    house.run()
    assert list(archive.stored)[-1] == uids[2]
    assert next(job for job in ledger.jobs() if job.state is JobState.READ).delivered


def states(ledger: Ledger, job_id: int) -> set[DeliveryState]:
    """Return what has become of a job's objects."""
    job = job_of(ledger, job_id)
    return {item.state for item in job.deliveries}


def test_what_never_left_is_no_predecessor(
    ledger: Ledger, queue_job: Callable[..., int], house: House, archive: DeletingArchive
) -> None:
    """A read that no archive has got is not spoken of; it is not deleted either, and does not wait for ever."""
    job_id = queue_job()
    house.read(1)
    later_images(ledger)
    claim = claim_next(ledger)
    assert superseded(ledger, claim) is None
    uids = house.read(2, claim=claim, deletes=True)
    house.run()
    assert (sorted(archive.stored), archive.deleted) == (sorted(uids), [])
    assert states(ledger, job_id) == {DeliveryState.REPLACED}
    assert set(ledger.overview().deliveries) == {
        ("pacs", DeliveryState.REPLACED),
        ("pacs", DeliveryState.ACCEPTED),
    }


def test_a_held_read_that_has_gone_out_is_superseded(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str]
) -> None:
    """An admin held it when the archive had it already."""
    ledger.hold_job(ledger.jobs()[0].id)
    later_images(ledger)
    claim = claim_next(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert [reference.sop_instance_uid for reference in earlier.references] == first_read
    assert (earlier.destinations, earlier.later_images) == ({"pacs"}, True)
    house.read(2, claim=claim, deletes=True)
    house.run()
    assert archive.deleted == first_read


@pytest.mark.parametrize("how", ["cancelled", "failed", "read and refused"])
def test_the_read_before_one_that_came_to_nothing_is_superseded(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str], how: str
) -> None:
    """Of three revisions the second is not read, or does not reach the archive: the third takes the first's place."""
    later_images(ledger)
    between = claim_next(ledger)
    if how == "read and refused":
        uids = house.read(2, claim=between, deletes=True)
        archive.refuse_with = dict.fromkeys(uids, 0xA900)
        house.run()
    later_images(ledger, 4)
    if how == "cancelled":
        ledger.cancel(between.job_id)
    elif how == "failed":
        ledger.fail(between, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    claim = claim_next(ledger)
    assert named(ledger, claim) == first_read
    uids = house.read(3, claim=claim, deletes=True)
    house.run()
    assert set(uids) <= set(archive.stored)
    assert archive.deleted == first_read


def test_what_was_superseded_before_is_not_named_again(ledger: Ledger, house: House, first_read: list[str]) -> None:
    """Where old objects are left, each read names the one before it and not all of them."""
    later_images(ledger)
    second = house.read(2)
    house.run()
    later_images(ledger, 4)
    assert named(ledger, claim_next(ledger)) == second


@pytest.mark.parametrize("answer", ["accepted", "refused", "none", "never", "another patient"])
def test_what_is_being_sent_while_it_is_superseded_is_withdrawn(
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: House,
    archive: DeletingArchive,
    clock: ManualLedgerClock,
    answer: str,
) -> None:
    """Not before the archive has answered, or may have it without an answer; what it refused is not there."""
    queue_job()
    old = house.read(1)
    sending = next_batch(ledger, "pacs")
    later_images(ledger)
    claim = claim_next(ledger)
    assert superseded(ledger, claim) is not None
    house.read(2, claim=claim, deletes=True)
    house.run()
    assert archive.deleted == [], "it could arrive after it was deleted"
    if answer in ("accepted", "refused"):
        for item in sending.objects:
            ledger.delivered(item, DeliveryState(answer), status=0 if answer == "accepted" else 0xA900)
    elif answer == "none":
        ledger.postpone(sending, reason="away", first_retry_s=1, longest_retry_s=1, give_up_after_s=100)
    elif answer == "never":
        clock.seconds += 61
        ledger.free_expired_deliveries()
    else:
        ledger.hold(sending, reason="PatientID differs")
    house.run()
    there = answer not in ("refused", "another patient")
    assert archive.deleted == (old if there else [])
    assert states(ledger, sending.job_id) == {DeliveryState.WITHDRAWN if there else DeliveryState.REPLACED}
    assert ledger.claim_deliveries("pacs", lease_s=60) is None


def test_what_goes_out_while_the_newer_read_is_written_is_not_forgotten(
    ledger: Ledger, queue_job: Callable[..., int], house: House
) -> None:
    """A read that names less than what stands by now is not recorded; told anew, it is."""
    old_job = queue_job()
    old = house.read(1)
    later_images(ledger)
    claim = claim_next(ledger)
    known = ledger.standing_before(claim)
    assert known.of_others == ()
    house.run()
    with pytest.raises(StandingChanged):
        house.read(2, claim=claim, standing=known)
    assert states(ledger, old_job) == {DeliveryState.ACCEPTED}
    job = job_of(ledger, claim.job_id)
    assert (job.state, job.deliveries) == (JobState.CLAIMED, ())
    known = ledger.standing_before(claim)
    assert [it.reference.sop_instance_uid for it in known.of_others] == old
    house.read(3, claim=claim, standing=known)
    job = job_of(ledger, claim.job_id)
    assert job.state is JobState.READ


@pytest.mark.parametrize("policy", ["leave", "delete"])
def test_what_an_archive_may_have_is_superseded_like_what_it_has(
    ledger: Ledger, queue_job: Callable[..., int], house: House, archive: DeletingArchive, policy: str
) -> None:
    """It took the objects and its answer was lost: they are named and deleted, and nothing waits for ever."""
    job_id = queue_job()
    old = house.read(1)
    sending = next_batch(ledger, "pacs")
    ledger.postpone(sending, reason="no answer", first_retry_s=1e6, longest_retry_s=1e6, give_up_after_s=1e6)
    later_images(ledger)
    claim = claim_next(ledger)
    assert named(ledger, claim) == old
    deletes = policy == "delete"
    house.read(2, claim=claim, deletes=deletes)
    assert states(ledger, job_id) == {DeliveryState.REPLACED}
    house.run()
    assert archive.deleted == (old if deletes else [])
    assert ("pacs", DeliveryState.PENDING) not in ledger.overview().deliveries


def _away(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    archive.away = True
    house.run()


def _damaged(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    for file in (house.deliverer._sender._results / "r1").iterdir():
        file.write_bytes(b"junk")
    house.run()


def _not_now(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    for item in ledger.jobs()[0].deliveries:
        archive.refuse_with[item.sop_instance_uid] = 0xA700
    house.run()


def _no_context(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    sending = next_batch(ledger, "pacs")
    for item in sending.objects:
        ledger.delivered(item, DeliveryState.REFUSED, status=0, reason="it takes no such SOP class")
    ledger.waive(sending.job_id)


def _refused_then_wanted_again(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    for item in ledger.jobs()[0].deliveries:
        archive.refuse_with[item.sop_instance_uid] = 0xA900
    house.run()
    ledger.send_again(ledger.jobs()[0].id)


def _no_answer(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archive, "store", lambda _files: [])
        house.run()


def _no_answer_then_away(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    _no_answer(ledger, house, archive)
    ledger.release_waiting("pacs")
    _away(ledger, house, archive)


def _killed(ledger: Ledger, house: House, archive: DeletingArchive) -> None:
    assert ledger.claim_deliveries("pacs", lease_s=-1) is not None
    assert ledger.free_expired_deliveries() == 2


Tried = Callable[[Ledger, Deliverer, DeletingArchive], None]


@pytest.mark.parametrize("policy", ["leave", "delete"])
@pytest.mark.parametrize(
    ("tried", "counts"),
    [
        (_away, False),
        (_damaged, False),
        (_not_now, False),
        (_no_context, False),
        (_refused_then_wanted_again, False),
        (_no_answer, True),
        (_no_answer_then_away, True),
        (_killed, True),
    ],
)
def test_what_certainly_never_arrived_is_not_superseded(
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: House,
    archive: DeletingArchive,
    tried: Tried,
    policy: str,
    *,
    counts: bool,
) -> None:
    """No connection, no object sent, an answer that refuses: only what was sent and not answered may be there."""
    job_id = queue_job()
    old = house.read(1)
    tried(ledger, house, archive)
    job = job_of(ledger, job_id)
    assert all(item.attempts for item in job.deliveries)
    later_images(ledger)
    claim = claim_next(ledger)
    earlier = superseded(ledger, claim)
    assert ([] if earlier is None else [it.sop_instance_uid for it in earlier.references]) == (old if counts else [])
    house.read(2, claim=claim, deletes=policy == "delete")
    archive.away = False
    archive.refuse_with.clear()
    house.run()
    assert archive.deleted == (old if counts and policy == "delete" else [])
    job = job_of(ledger, job_id)
    assert all(counts is ("may have it all the same" in item.reason) for item in job.deliveries) or policy == "delete"


@pytest.mark.parametrize("same", [True, False])
def test_a_second_read_of_a_job_takes_the_place_of_what_it_had_sent(
    ledger: Ledger, queue_job: Callable[..., int], house: House, archive: DeletingArchive, *, same: bool
) -> None:
    """One archive's check holds what another has: after a retry the other's are withdrawn, unless they are equal."""
    job_id = queue_job()
    both = {"pacs": ["SEG", "SR"], "far": ["SEG", "SR"]}
    old = house.read(1, destinations=both)
    house.run()
    held = next_batch(ledger, "far")
    ledger.hold(held, reason="PatientID differs")
    ledger.retry(job_id)
    claim = claim_next(ledger)
    standing = ledger.standing_before(claim)
    assert [(it.reference.sop_instance_uid, it.destinations) for it in standing.own] == [(uid, {"pacs"}) for uid in old]
    seed = 1 if same else 2
    uids = house.read(seed, claim=claim, destinations=both, withdraw_from=["pacs", "far"])
    assert (uids == old) is same
    house.run()
    assert archive.deleted == ([] if same else old)
    job = job_of(ledger, job_id)
    gone = {item.destination: item.state for item in job.deliveries if item.sop_instance_uid in set(old) - set(uids)}
    assert gone == ({} if same else {"pacs": DeliveryState.WITHDRAWN, "far": DeliveryState.REPLACED})
    batch = next_batch(ledger, "far")
    assert [item.sop_instance_uid for item in batch.objects] == uids


@pytest.mark.parametrize("second", ["away", "unanswered"])
def test_a_read_that_comes_again_stands_where_the_one_between_never_arrived(
    ledger: Ledger, first_read: list[str], house: House, archive: DeletingArchive, second: str
) -> None:
    """Nothing of it is to be deleted any more; of the one between what may be there is."""
    job_id = ledger.jobs()[0].id
    again(ledger, job_id)
    between = house.read(2, deletes=True)
    assert outstanding(ledger) == set(first_read)
    if second == "unanswered":
        _no_answer(ledger, house, archive)
    again(ledger, job_id)
    assert house.read(1, deletes=True) == first_read
    assert outstanding(ledger) == (set(between) if second == "unanswered" else set())
    house.run()
    assert archive.deleted == (between if second == "unanswered" else [])
    assert outstanding(ledger) == set()
    job = job_of(ledger, job_id)
    assert job.delivered
    assert {item.state for item in job.deliveries if item.sop_instance_uid in first_read} == {DeliveryState.ACCEPTED}
    told = [event.detail["object"] for event in ledger.timeline("1.2.3") if event.kind == "withdrawal called off"]
    assert len(told) == len(first_read)


def test_what_was_deleted_is_sent_again_where_the_latest_read_makes_it_again(
    ledger: Ledger, first_read: list[str], house: House, archive: DeletingArchive
) -> None:
    """Else the archive would keep the read between for ever, under a job that counts as delivered."""
    job_id = ledger.jobs()[0].id
    again(ledger, job_id)
    between = house.read(2, deletes=True)
    house.run()
    assert archive.deleted == first_read
    archive.stored.clear()
    again(ledger, job_id)
    house.read(1, deletes=True)
    job = job_of(ledger, job_id)
    assert not job.delivered
    house.run()
    assert sorted(archive.stored) == sorted(first_read)
    assert archive.deleted == [*first_read, *between]
    assert outstanding(ledger) == set()
    job = job_of(ledger, job_id)
    assert job.delivered


@pytest.mark.parametrize("deletes", [True, False])
@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_what_one_read_leaves_out_is_sent_again_where_the_latest_makes_it_again(
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: House,
    archive: DeletingArchive,
    left_out: int,
    *,
    deletes: bool,
) -> None:
    """A kind is switched off and on again: the reads share the other objects, and had them as the newest read's."""
    job_id = queue_job()
    kinds = ("SEG", "SR", "SC")
    uids = house.read(1, kinds, deletes=deletes)
    if deletes:
        house.run()
        assert sorted(archive.stored) == sorted(uids)
    again(ledger, job_id)
    house.read(1, kinds, left_out=left_out, deletes=deletes)
    house.run()
    assert archive.deleted == ([uids[left_out]] if deletes else [])
    for uid in archive.deleted:
        del archive.stored[uid]
    assert uids[left_out] not in archive.stored
    again(ledger, job_id)
    assert house.read(1, kinds, deletes=deletes) == uids
    job = job_of(ledger, job_id)
    assert not job.delivered
    house.run()
    assert sorted(archive.stored) == sorted(uids)
    assert outstanding(ledger) == set()


@pytest.mark.parametrize("deleted", [True, False])
def test_what_is_deleted_while_its_job_is_read_so_again_is_sent_again(
    ledger: Ledger, first_read: list[str], house: House, archive: DeletingArchive, *, deleted: bool
) -> None:
    """The archive was asked a moment before; where it has not deleted it, it stays as it is."""
    job_id = ledger.jobs()[0].id
    again(ledger, job_id)
    between = house.read(2, deletes=True)
    assert house.deliver()
    item = ledger.next_withdrawal("pacs")
    assert item is not None
    again(ledger, job_id)
    house.read(1, deletes=True)
    archive.stored.clear()
    if deleted:
        ledger.withdrawn(item)
    else:
        ledger.postpone_withdrawal(item, reason="no", first_retry_s=1, longest_retry_s=2, give_up_after_s=1e6)
    house.run()
    assert list(archive.stored) == ([item.sop_instance_uid] if deleted else [])
    assert archive.deleted == between
    assert outstanding(ledger) == set()


def again(ledger: Ledger, job_id: int) -> None:
    """Have a job read again that was read."""
    ledger.hold_job(job_id)
    ledger.retry(job_id)


def outstanding(ledger: Ledger) -> set[str]:
    """Return the SOP Instance UIDs of what is to be deleted where it went."""
    with ledger.reading() as session:
        of_withdrawals = (
            select(ResultObject.sop_instance_uid)
            .join(Delivery, Delivery.result_object_id == ResultObject.id)
            .join(Withdrawal, Withdrawal.delivery_id == Delivery.id)
        )
        return set(session.scalars(of_withdrawals))


def test_what_a_job_had_sent_stays_until_its_second_read_is_there(
    ledger: Ledger, queue_job: Callable[..., int], house: House, archive: DeletingArchive
) -> None:
    """Its own older objects are no proof that the newer ones have arrived."""
    job_id = queue_job()
    house.read(1)
    sending = next_batch(ledger, "pacs")
    ledger.delivered(sending.objects[0], DeliveryState.ACCEPTED, status=0)
    ledger.hold(sending, reason="PatientID differs")
    ledger.retry(job_id)
    uids = house.read(2, deletes=True)
    archive.refuse_with = dict.fromkeys(uids, 0xA900)
    house.run()
    ledger.waive(job_id)
    house.run()
    assert archive.deleted == []


def test_nothing_rejects_a_read_before_a_newer_one_of_the_same_job_is_there(
    ledger: Ledger, queue_job: Callable[..., int], house: House, archive: DeletingArchive
) -> None:
    """What the job had sent before is no proof of that; where nothing of the newer one is to come, nobody waits."""
    job_id = queue_job()
    old = house.read(1)
    house.run()
    ledger.hold_job(job_id)
    ledger.retry(job_id)
    uids = house.read(2, ("SEG", "SR", REJECTION))
    archive.refuse_with = dict.fromkeys(uids[:2], 0xA900)
    house.run()
    ledger.waive(job_id)
    ledger.release_waiting("pacs")
    house.run()
    assert set(archive.stored) == set(old)
    assert states(ledger, job_id) == {DeliveryState.ACCEPTED, DeliveryState.WAIVED}
    archive.refuse_with.clear()
    assert ledger.send_again(job_id) == 3
    house.run()
    assert set(archive.stored) == {*old, *uids}


def test_a_note_that_went_out_is_withdrawn_when_the_job_is_read_after_all(
    ledger: Ledger, queue_job: Callable[..., int], house: House, archive: DeletingArchive
) -> None:
    """It must not stand beside the read."""
    job_id = queue_job()
    ledger.fail(claim_next(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    uid = house.note()
    house.run()
    assert list(archive.stored) == [uid]
    ledger.retry(job_id)
    claim = claim_next(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert ([it.sop_instance_uid for it in earlier.references], earlier.later_images) == ([uid], False)
    house.read(2, claim=claim, deletes=True)
    house.run()
    assert archive.deleted == [uid]
    assert next(job for job in ledger.jobs() if job.id == job_id).delivered


def test_a_note_of_a_job_that_is_superseded_at_once_does_not_wait(
    ledger: Ledger, queue_job: Callable[..., int], house: House
) -> None:
    """It leaves no more, so nobody waits for it."""
    job_id = queue_job()
    ledger.fail(claim_next(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    house.note()
    later_images(ledger)
    assert states(ledger, job_id) == {DeliveryState.REPLACED}
    assert ledger.standing_before(claim_next(ledger)).of_others == ()


@pytest.mark.parametrize("between", ["nothing", "a read that never left"])
def test_where_a_newer_read_has_nothing_for_a_destination_the_earlier_one_is_deleted(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str], between: str
) -> None:
    """It gets masks alone, and the newer read found nothing to draw: nothing more will come."""
    later_images(ledger)
    claim = claim_next(ledger)
    if between != "nothing":
        house.read(2, ("SEG", "TEXT-SR"), claim=claim, deletes=True)
        again(ledger, claim.job_id)
        claim = claim_next(ledger)
    routes = {"pacs": ["SEG", "SR"], "ris": ["TEXT-SR"]}
    house.read(3, ("TEXT-SR",), claim=claim, destinations=routes, deletes=True)
    ledger.hold_job(claim.job_id)
    house.run()
    assert archive.deleted == [], "somebody is to look at it first"
    ledger.resume_job(claim.job_id)
    house.run()
    assert archive.deleted == first_read
    assert outstanding(ledger) == set()


def test_where_a_newer_read_has_nothing_for_a_destination_the_earlier_one_is_rejected(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str]
) -> None:
    """The note would wait for ever, and the old mask would stand."""
    later_images(ledger)
    claim = claim_next(ledger)
    routes = {"pacs": ["SEG", "SR", REJECTION], "ris": ["TEXT-SR"]}
    uids = house.read(2, ("TEXT-SR", REJECTION), claim=claim, destinations=routes)
    house.run()
    assert set(archive.stored) == {*first_read, uids[1]}
    assert ledger.standing_before(later_claim(ledger)).of_others == ()


def later_claim(ledger: Ledger) -> Claim:
    """Let more images come, and claim their job."""
    later_images(ledger, 4)
    return claim_next(ledger)


def test_what_waits_to_be_deleted_stays_where_the_newest_read_does_not_go(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str]
) -> None:
    """The destination would be left with nothing; a read that goes there again has it deleted after all."""
    later_images(ledger)
    uids = house.read(2, deletes=True)
    archive.refuse_with = dict.fromkeys(uids, 0xA900)
    house.run()
    house.read(3, claim=later_claim(ledger), destinations={"ris": ["SEG", "SR"]})
    house.run()
    assert archive.deleted == []
    assert outstanding(ledger) == set()
    told = [event.detail["object"] for event in ledger.timeline("1.2.3") if event.kind == "withdrawal called off"]
    assert told == ["SEG", "SR"]
    later_images(ledger, 5)
    house.read(4, deletes=True)
    house.run()
    assert archive.deleted == first_read


@pytest.mark.parametrize("policy", ["delete", "reject"])
def test_a_note_that_nothing_was_read_takes_no_reads_place(
    ledger: Ledger, house: House, archive: DeletingArchive, first_read: list[str], policy: str
) -> None:
    """The newer read did not arrive, and reading it again failed: the earlier one is all that the archive has."""
    later_images(ledger)
    claim = claim_next(ledger)
    kinds = ("SEG", "SR", *([REJECTION] if policy == "reject" else []))
    uids = house.read(2, kinds, claim=claim, deletes=policy == "delete")
    archive.refuse_with = dict.fromkeys(uids[:2], 0xA900)
    house.run()
    if policy == "delete":
        ledger.waive(claim.job_id)
    again(ledger, claim.job_id)
    ledger.fail(claim_next(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    note = house.note()
    ledger.release_waiting("pacs")
    house.run()
    assert (set(archive.stored), archive.deleted) == ({*first_read, note}, [])


def test_what_was_held_does_not_leave_with_the_note_that_nothing_was_read(
    ledger: Ledger, queue_job: Callable[..., int], house: House, archive: DeletingArchive
) -> None:
    """It leaves where the job is read so again; and the note, where it has gone out, is taken back."""
    job_id = queue_job()
    house.read(1)
    again(ledger, job_id)
    ledger.fail(claim_next(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    note = house.note()
    house.run()
    assert list(archive.stored) == [note]
    ledger.retry(job_id)
    uids = house.read(1, deletes=True)
    house.run()
    assert set(archive.stored) == {note, *uids}
    assert archive.deleted == [note]
    assert next(job for job in ledger.jobs() if job.id == job_id).delivered


@pytest.mark.parametrize("answer", ["accepted", "refused", "away"])
def test_a_read_that_is_superseded_as_its_rejection_goes_leaves_nothing_unrejected(
    ledger: Ledger,
    house: House,
    archive: DeletingArchive,
    first_read: list[str],
    clock: ManualLedgerClock,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    """Between the look whether the newer read has arrived and the rejection a third one may be read.

    It rejects all that stands, the first read too: whether the note on its way arrives is not known yet.
    """
    later_images(ledger)
    second = house.read(2, ("SEG", "SR", REJECTION))
    look = Ledger.has_arrived
    third: list[str] = []
    rejected: list[str] = []

    def interrupted(self: Ledger, job_id: int, destination: str) -> bool:
        arrived = look(self, job_id, destination)
        if not third:
            later_images(ledger, 4)
            claim = claim_next(ledger)
            standing = ledger.standing_before(claim)
            rejected.extend(item.reference.sop_instance_uid for item in standing.of_others)
            third.extend(house.read(3, ("SEG", "SR", REJECTION), claim=claim, standing=standing))
            archive.away = answer == "away"
            archive.refuse_with = {second[2]: 0xA900} if answer == "refused" else {}
        return arrived

    monkeypatch.setattr(Ledger, "has_arrived", interrupted)
    house.run()
    archive.away = False
    clock.seconds += 3600
    house.run()
    assert sorted(rejected) == sorted([*first_read, *second[:2]])
    assert set(third) <= set(archive.stored)
    assert list(archive.stored)[-1] == third[2]
    assert (second[2] in archive.stored) is (answer == "accepted")
    assert next(job for job in ledger.jobs() if job.state is JobState.READ).delivered
    assert ledger.claim_deliveries("pacs", lease_s=60) is None
