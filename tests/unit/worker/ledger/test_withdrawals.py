"""Objects of superseded reads: remembered, taken back, or rejected, and never before the newer read is there."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select, text

from dicom_node.errors import ArchiveError
from dicom_node.testing import InMemoryArchive
from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
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


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger, archive: DeletingArchive) -> Deliverer:
    """A deliverer with one archive."""
    return Deliverer(
        ledger=ledger,
        destinations={"pacs": destination(archive)},
        spool=tmp_path / "spool",
        results=tmp_path / "results",
        settings=DeliverySettings(breaker_after=100),
    )


def destination(archive: DeletingArchive) -> Destination:
    """Return the archive as a destination that takes superseded objects back."""
    return Destination(name="pacs", archive=archive, identity_check=False, withdraws=True)


def finish(
    ledger: Ledger,
    claim: Claim,
    results: Path,
    seed: int,
    kinds: tuple[str, ...],
    *,
    left_out: int | None = None,
    **more: object,
) -> list[str]:
    """Record objects of a read, but for one that it may leave out; return their SOP Instance UIDs."""
    files = write_mr_series(results / f"r{seed}", seed=seed, slices=len(kinds))
    if left_out is not None:
        kinds = (*kinds[:left_out], *kinds[left_out + 1 :])
        del files[left_out]
    uids = [str(pydicom.dcmread(file).SOPInstanceUID) for file in files]
    ledger.finish(
        claim,
        results=[
            ResultFile(
                kind=kind,
                sop_class_uid="1.2",
                sop_instance_uid=uid,
                series_instance_uid="1.3",
                file=f"r{seed}/{file.name}",
                sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            )
            for kind, uid, file in zip(kinds, uids, files, strict=True)
        ],
        runtime="r",
        inputs_digest="i",
        recipe_digest="c",
        **({"destinations": {"pacs": kinds}} | more),  # type: ignore[arg-type]
    )
    return uids


def claimed(ledger: Ledger) -> Claim:
    """Claim what must be there."""
    claim = ledger.claim(["cpu"], worker="w", lease_s=60)
    assert claim is not None
    return claim


def superseded(ledger: Ledger, claim: Claim) -> SupersededRead | None:
    """Return what a read that differs from all before takes the place of."""
    standing = ledger.standing_before(claim)
    return SupersededRead.of(standing, standing.own)


def later_images(ledger: Ledger, images: int = 3) -> None:
    """Let later images come."""
    files = tuple(f"s/a/{number + 1}.dcm" for number in range(images))
    ledger.close_revision(assembled(files=files), {}, [planned(files=files, input_key=f"key-{images}")])


@pytest.fixture
def first_read(
    ledger: Ledger, queue_job: Callable[..., int], house: Deliverer, archive: DeletingArchive, tmp_path: Path
) -> list[str]:
    """The objects of a read that the archive has."""
    queue_job()
    uids = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    assert house.step(destination(archive))
    assert sorted(archive.stored) == sorted(uids)
    return uids


def run(house: Deliverer, archive: DeletingArchive) -> None:
    """Do all that is due."""
    while house.step(destination(archive)):
        pass


def test_the_ledger_knows_what_an_earlier_read_was_made_on(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path
) -> None:
    """Of the latest read that an archive has, or may have; one that has not left is none; nor is a damaged row."""
    assert first_read
    later_images(ledger)
    claim = claimed(ledger)
    assert ledger.standing_before(claim).files == ("s/a/1.dcm", "s/a/2.dcm")
    finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"))
    later_images(ledger, 4)
    last = claimed(ledger)
    assert ledger.standing_before(last).files == ("s/a/1.dcm", "s/a/2.dcm")
    run(house, archive)
    found = ledger.standing_before(last)
    assert found.files == claim.files
    assert (earlier := SupersededRead.of(found, found.own)) is not None
    assert earlier.files == claim.files
    with ledger.writing() as session:
        session.execute(text("UPDATE job_input SET files = '{}' WHERE job_id = :job"), {"job": claim.job_id})
    assert ledger.standing_before(last).files == ()


def test_nothing_is_deleted_where_an_admin_holds_the_destination(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path
) -> None:
    """A hold is of all that goes there; it is done when the destination is let go."""
    later_images(ledger)
    finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    assert house.deliver_one(destination(archive))
    ledger.hold_all("destination", "pacs")
    run(house, archive)
    assert archive.deleted == []
    ledger.resume_all("destination", "pacs")
    run(house, archive)
    assert archive.deleted == first_read


def test_what_is_superseded_is_deleted_once_the_newer_read_is_there(
    ledger: Ledger,
    house: Deliverer,
    archive: DeletingArchive,
    first_read: list[str],
    tmp_path: Path,
    clock: ManualLedgerClock,
) -> None:
    """Not while the newer one is refused; then each object, and the ledger says so."""
    later_images(ledger)
    claim = claimed(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert [reference.sop_instance_uid for reference in earlier.references] == first_read
    assert earlier.destinations == {"pacs"}
    uids = finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    archive.refuse_with = {uids[1]: 0xA900}
    run(house, archive)
    assert archive.deleted == [], "the newer read has not arrived whole"
    archive.refuse_with = {}
    ledger.send_again(claim.job_id)
    run(house, archive)
    assert archive.deleted == first_read
    old = next(job for job in ledger.jobs() if job.state is JobState.SUPERSEDED)
    assert {item.state for item in old.deliveries} == {DeliveryState.WITHDRAWN}
    assert next(job for job in ledger.jobs() if job.state is JobState.READ).delivered


@pytest.mark.parametrize("refused", ["one", "all"])
@pytest.mark.parametrize("kind", ["SR", REJECTION])
def test_what_an_admin_waives_does_not_keep_the_earlier_read(
    ledger: Ledger,
    house: Deliverer,
    archive: DeletingArchive,
    first_read: list[str],
    tmp_path: Path,
    refused: str,
    kind: str,
) -> None:
    """A read that lacks a picture takes its place; one that is waived as a whole does not."""
    later_images(ledger)
    claim = claimed(ledger)
    uids = finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SC", kind), withdraw_from=["pacs"])
    gone = uids[1:2] if refused == "one" else uids[: 2 + (kind != REJECTION)]
    archive.refuse_with = dict.fromkeys(gone, 0xA900)
    run(house, archive)
    assert archive.deleted == []
    ledger.waive(claim.job_id)
    if kind == REJECTION:
        assert ledger.has_arrived(claim.job_id, "pacs") is (refused == "one")
    else:
        run(house, archive)
        assert archive.deleted == (first_read if refused == "one" else [])


def test_an_archive_that_does_not_delete_is_asked_again_and_given_up(
    ledger: Ledger,
    house: Deliverer,
    archive: DeletingArchive,
    first_read: list[str],
    tmp_path: Path,
    clock: ManualLedgerClock,
) -> None:
    """The wait grows; in the end the old objects stay, and the timeline says why."""
    later_images(ledger)
    finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    archive.forbids = True
    run(house, archive)
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


def test_where_nothing_is_to_be_deleted_nothing_is(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path
) -> None:
    """The default leaves the old objects."""
    later_images(ledger)
    finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"))
    run(house, archive)
    assert archive.deleted == []


def test_a_rejection_goes_last_and_only_when_the_newer_read_has_arrived(
    ledger: Ledger,
    house: Deliverer,
    archive: DeletingArchive,
    first_read: list[str],
    tmp_path: Path,
    clock: ManualLedgerClock,
) -> None:
    """An archive that refuses the newer read keeps the older one unrejected."""
    later_images(ledger)
    claim = claimed(ledger)
    uids = finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR", REJECTION))
    archive.refuse_with = {uids[0]: 0xA700}
    run(house, archive)
    assert uids[2] not in archive.stored
    archive.refuse_with = {}
    ledger.send_again(claim.job_id)
    run(house, archive)
    clock.seconds += 31
    run(house, archive)
    assert list(archive.stored)[-1] == uids[2]
    assert next(job for job in ledger.jobs() if job.state is JobState.READ).delivered


def states(ledger: Ledger, job_id: int) -> set[DeliveryState]:
    """Return what has become of a job's objects."""
    job = ledger.job(job_id)
    assert job is not None
    return {item.state for item in job.deliveries}


def test_what_never_left_is_no_predecessor(
    ledger: Ledger, queue_job: Callable[..., int], house: Deliverer, archive: DeletingArchive, tmp_path: Path
) -> None:
    """A read that no archive has got is not spoken of; it is not deleted either, and does not wait for ever."""
    job_id = queue_job()
    finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    later_images(ledger)
    claim = claimed(ledger)
    assert superseded(ledger, claim) is None
    uids = finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
    assert (sorted(archive.stored), archive.deleted) == (sorted(uids), [])
    assert states(ledger, job_id) == {DeliveryState.REPLACED}
    assert set(ledger.overview().deliveries) == {
        ("pacs", DeliveryState.REPLACED),
        ("pacs", DeliveryState.ACCEPTED),
    }


def test_a_held_read_that_has_gone_out_is_superseded(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path
) -> None:
    """An admin held it when the archive had it already."""
    ledger.hold_job(ledger.jobs()[0].id)
    later_images(ledger)
    claim = claimed(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert [reference.sop_instance_uid for reference in earlier.references] == first_read
    assert (earlier.destinations, earlier.later_images) == ({"pacs"}, True)
    finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
    assert archive.deleted == first_read


@pytest.mark.parametrize("how", ["cancelled", "failed", "read and refused"])
def test_the_read_before_one_that_came_to_nothing_is_superseded(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path, how: str
) -> None:
    """Of three revisions the second is not read, or does not reach the archive: the third takes the first's place."""
    later_images(ledger)
    between = claimed(ledger)
    if how == "read and refused":
        uids = finish(ledger, between, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
        archive.refuse_with = dict.fromkeys(uids, 0xA900)
        run(house, archive)
    later_images(ledger, 4)
    if how == "cancelled":
        ledger.cancel(between.job_id)
    elif how == "failed":
        ledger.fail(between, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    claim = claimed(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert [reference.sop_instance_uid for reference in earlier.references] == first_read
    uids = finish(ledger, claim, tmp_path / "results", 3, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
    assert set(uids) <= set(archive.stored)
    assert archive.deleted == first_read


def test_what_was_superseded_before_is_not_named_again(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path
) -> None:
    """Where old objects are left, each read names the one before it and not all of them."""
    later_images(ledger)
    second = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"))
    run(house, archive)
    later_images(ledger, 4)
    earlier = superseded(ledger, claimed(ledger))
    assert earlier is not None
    assert [reference.sop_instance_uid for reference in earlier.references] == second


@pytest.mark.parametrize("answer", ["accepted", "refused", "none", "never", "another patient"])
def test_what_is_being_sent_while_it_is_superseded_is_withdrawn(
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
    clock: ManualLedgerClock,
    answer: str,
) -> None:
    """Not before the archive has answered, or may have it without an answer; what it refused is not there."""
    queue_job()
    old = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    sending = ledger.claim_deliveries("pacs", lease_s=60)
    assert sending is not None
    later_images(ledger)
    claim = claimed(ledger)
    assert superseded(ledger, claim) is not None
    finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
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
    run(house, archive)
    there = answer not in ("refused", "another patient")
    assert archive.deleted == (old if there else [])
    assert states(ledger, sending.job_id) == {DeliveryState.WITHDRAWN if there else DeliveryState.REPLACED}
    assert ledger.claim_deliveries("pacs", lease_s=60) is None


def test_what_goes_out_while_the_newer_read_is_written_is_not_forgotten(
    ledger: Ledger, queue_job: Callable[..., int], house: Deliverer, archive: DeletingArchive, tmp_path: Path
) -> None:
    """A read that names less than what stands by now is not recorded; told anew, it is."""
    old_job = queue_job()
    old = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    later_images(ledger)
    claim = claimed(ledger)
    known = ledger.standing_before(claim)
    assert known.of_others == ()
    run(house, archive)
    with pytest.raises(StandingChanged):
        finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), standing=known)
    assert states(ledger, old_job) == {DeliveryState.ACCEPTED}
    job = ledger.job(claim.job_id)
    assert job is not None
    assert (job.state, job.deliveries) == (JobState.CLAIMED, ())
    known = ledger.standing_before(claim)
    assert [it.reference.sop_instance_uid for it in known.of_others] == old
    finish(ledger, claim, tmp_path / "results", 3, ("SEG", "SR"), standing=known)
    job = ledger.job(claim.job_id)
    assert job is not None
    assert job.state is JobState.READ


@pytest.mark.parametrize("policy", ["leave", "delete"])
def test_what_an_archive_may_have_is_superseded_like_what_it_has(
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
    policy: str,
) -> None:
    """It took the objects and its answer was lost: they are named and deleted, and nothing waits for ever."""
    job_id = queue_job()
    old = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    sending = ledger.claim_deliveries("pacs", lease_s=60)
    assert sending is not None
    ledger.postpone(sending, reason="no answer", first_retry_s=1e6, longest_retry_s=1e6, give_up_after_s=1e6)
    later_images(ledger)
    claim = claimed(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert [reference.sop_instance_uid for reference in earlier.references] == old
    withdraw = ["pacs"] if policy == "delete" else []
    finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=withdraw)
    assert states(ledger, job_id) == {DeliveryState.REPLACED}
    run(house, archive)
    assert archive.deleted == (old if withdraw else [])
    assert ("pacs", DeliveryState.PENDING) not in ledger.overview().deliveries


def _away(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
    archive.away = True
    run(house, archive)


def _damaged(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
    for file in (house._sender._results / "r1").iterdir():
        file.write_bytes(b"junk")
    run(house, archive)


def _not_now(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
    for item in ledger.jobs()[0].deliveries:
        archive.refuse_with[item.sop_instance_uid] = 0xA700
    run(house, archive)


def _no_context(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
    sending = ledger.claim_deliveries("pacs", lease_s=60)
    assert sending is not None
    for item in sending.objects:
        ledger.delivered(item, DeliveryState.REFUSED, status=0, reason="it takes no such SOP class")
    ledger.waive(sending.job_id)


def _refused_then_wanted_again(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
    for item in ledger.jobs()[0].deliveries:
        archive.refuse_with[item.sop_instance_uid] = 0xA900
    run(house, archive)
    ledger.send_again(ledger.jobs()[0].id)


def _no_answer(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archive, "store", lambda _files: [])
        run(house, archive)


def _no_answer_then_away(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
    _no_answer(ledger, house, archive)
    ledger.release_waiting("pacs")
    _away(ledger, house, archive)


def _killed(ledger: Ledger, house: Deliverer, archive: DeletingArchive) -> None:
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
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
    tried: Tried,
    policy: str,
    *,
    counts: bool,
) -> None:
    """No connection, no object sent, an answer that refuses: only what was sent and not answered may be there."""
    job_id = queue_job()
    old = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    tried(ledger, house, archive)
    job = ledger.job(job_id)
    assert job is not None
    assert all(item.attempts for item in job.deliveries)
    later_images(ledger)
    claim = claimed(ledger)
    earlier = superseded(ledger, claim)
    assert ([] if earlier is None else [it.sop_instance_uid for it in earlier.references]) == (old if counts else [])
    finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"] if policy == "delete" else [])
    archive.away = False
    archive.refuse_with.clear()
    run(house, archive)
    assert archive.deleted == (old if counts and policy == "delete" else [])
    job = ledger.job(job_id)
    assert job is not None
    assert all(counts is ("may have it all the same" in item.reason) for item in job.deliveries) or policy == "delete"


@pytest.mark.parametrize("same", [True, False])
def test_a_second_read_of_a_job_takes_the_place_of_what_it_had_sent(
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
    *,
    same: bool,
) -> None:
    """One archive's check holds what another has: after a retry the other's are withdrawn, unless they are equal."""
    job_id = queue_job()
    both = {"pacs": ["SEG", "SR"], "far": ["SEG", "SR"]}
    old = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"), destinations=both)
    run(house, archive)
    held = ledger.claim_deliveries("far", lease_s=60)
    assert held is not None
    ledger.hold(held, reason="PatientID differs")
    ledger.retry(job_id)
    claim = claimed(ledger)
    standing = ledger.standing_before(claim)
    assert [(it.reference.sop_instance_uid, it.destinations) for it in standing.own] == [(uid, {"pacs"}) for uid in old]
    seed = 1 if same else 2
    uids = finish(
        ledger, claim, tmp_path / "results", seed, ("SEG", "SR"), destinations=both, withdraw_from=["pacs", "far"]
    )
    assert (uids == old) is same
    run(house, archive)
    assert archive.deleted == ([] if same else old)
    job = ledger.job(job_id)
    assert job is not None
    gone = {item.destination: item.state for item in job.deliveries if item.sop_instance_uid in set(old) - set(uids)}
    assert gone == ({} if same else {"pacs": DeliveryState.WITHDRAWN, "far": DeliveryState.REPLACED})
    batch = ledger.claim_deliveries("far", lease_s=60)
    assert batch is not None
    assert [item.sop_instance_uid for item in batch.objects] == uids


@pytest.mark.parametrize("second", ["away", "unanswered"])
def test_a_read_that_comes_again_stands_where_the_one_between_never_arrived(
    ledger: Ledger,
    first_read: list[str],
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
    second: str,
) -> None:
    """Nothing of it is to be deleted any more; of the one between what may be there is."""
    job_id = ledger.jobs()[0].id
    again(ledger, job_id)
    between = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    assert outstanding(ledger) == set(first_read)
    if second == "unanswered":
        _no_answer(ledger, house, archive)
    again(ledger, job_id)
    assert finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"), withdraw_from=["pacs"]) == first_read
    assert outstanding(ledger) == (set(between) if second == "unanswered" else set())
    run(house, archive)
    assert archive.deleted == (between if second == "unanswered" else [])
    assert outstanding(ledger) == set()
    job = ledger.job(job_id)
    assert job is not None
    assert job.delivered
    assert {item.state for item in job.deliveries if item.sop_instance_uid in first_read} == {DeliveryState.ACCEPTED}
    told = [event.detail["object"] for event in ledger.timeline("1.2.3") if event.kind == "withdrawal called off"]
    assert len(told) == len(first_read)


def test_what_was_deleted_is_sent_again_where_the_latest_read_makes_it_again(
    ledger: Ledger, first_read: list[str], house: Deliverer, archive: DeletingArchive, tmp_path: Path
) -> None:
    """Else the archive would keep the read between for ever, under a job that counts as delivered."""
    job_id = ledger.jobs()[0].id
    again(ledger, job_id)
    between = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
    assert archive.deleted == first_read
    archive.stored.clear()
    again(ledger, job_id)
    finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"), withdraw_from=["pacs"])
    job = ledger.job(job_id)
    assert job is not None
    assert not job.delivered
    run(house, archive)
    assert sorted(archive.stored) == sorted(first_read)
    assert archive.deleted == [*first_read, *between]
    assert outstanding(ledger) == set()
    job = ledger.job(job_id)
    assert job is not None
    assert job.delivered


@pytest.mark.parametrize("deletes", [True, False])
@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_what_one_read_leaves_out_is_sent_again_where_the_latest_makes_it_again(
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
    left_out: int,
    *,
    deletes: bool,
) -> None:
    """A kind is switched off and on again: the reads share the other objects, and had them as the newest read's."""
    job_id = queue_job()
    withdraw_from = ["pacs"] if deletes else []
    results, kinds = tmp_path / "results", ("SEG", "SR", "SC")
    uids = finish(ledger, claimed(ledger), results, 1, kinds, withdraw_from=withdraw_from)
    if deletes:
        run(house, archive)
        assert sorted(archive.stored) == sorted(uids)
    again(ledger, job_id)
    finish(ledger, claimed(ledger), results, 1, kinds, left_out=left_out, withdraw_from=withdraw_from)
    run(house, archive)
    assert archive.deleted == ([uids[left_out]] if deletes else [])
    for uid in archive.deleted:
        del archive.stored[uid]
    assert uids[left_out] not in archive.stored
    again(ledger, job_id)
    assert finish(ledger, claimed(ledger), results, 1, kinds, withdraw_from=withdraw_from) == uids
    job = ledger.job(job_id)
    assert job is not None
    assert not job.delivered
    run(house, archive)
    assert sorted(archive.stored) == sorted(uids)
    assert outstanding(ledger) == set()


@pytest.mark.parametrize("deleted", [True, False])
def test_what_is_deleted_while_its_job_is_read_so_again_is_sent_again(
    ledger: Ledger,
    first_read: list[str],
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
    *,
    deleted: bool,
) -> None:
    """The archive was asked a moment before; where it has not deleted it, it stays as it is."""
    job_id = ledger.jobs()[0].id
    again(ledger, job_id)
    between = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    assert house.deliver_one(destination(archive))
    item = ledger.next_withdrawal("pacs")
    assert item is not None
    again(ledger, job_id)
    finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"), withdraw_from=["pacs"])
    archive.stored.clear()
    if deleted:
        ledger.withdrawn(item)
    else:
        ledger.postpone_withdrawal(item, reason="no", first_retry_s=1, longest_retry_s=2, give_up_after_s=1e6)
    run(house, archive)
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
    ledger: Ledger,
    queue_job: Callable[..., int],
    house: Deliverer,
    archive: DeletingArchive,
    tmp_path: Path,
) -> None:
    """Its own older objects are no proof that the newer ones have arrived."""
    job_id = queue_job()
    finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    sending = ledger.claim_deliveries("pacs", lease_s=60)
    assert sending is not None
    ledger.delivered(sending.objects[0], DeliveryState.ACCEPTED, status=0)
    ledger.hold(sending, reason="PatientID differs")
    ledger.retry(job_id)
    uids = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    archive.refuse_with = dict.fromkeys(uids, 0xA900)
    run(house, archive)
    ledger.waive(job_id)
    run(house, archive)
    assert archive.deleted == []


def test_nothing_rejects_a_read_before_a_newer_one_of_the_same_job_is_there(
    ledger: Ledger, queue_job: Callable[..., int], house: Deliverer, archive: DeletingArchive, tmp_path: Path
) -> None:
    """What the job had sent before is no proof of that; where nothing of the newer one is to come, nobody waits."""
    job_id = queue_job()
    old = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    run(house, archive)
    ledger.hold_job(job_id)
    ledger.retry(job_id)
    uids = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR", REJECTION))
    archive.refuse_with = dict.fromkeys(uids[:2], 0xA900)
    run(house, archive)
    ledger.waive(job_id)
    ledger.release_waiting("pacs")
    run(house, archive)
    assert set(archive.stored) == set(old)
    assert states(ledger, job_id) == {DeliveryState.ACCEPTED, DeliveryState.WAIVED}
    archive.refuse_with.clear()
    assert ledger.send_again(job_id) == 3
    run(house, archive)
    assert set(archive.stored) == {*old, *uids}


def test_a_note_that_went_out_is_withdrawn_when_the_job_is_read_after_all(
    ledger: Ledger, queue_job: Callable[..., int], house: Deliverer, archive: DeletingArchive, tmp_path: Path
) -> None:
    """It must not stand beside the read."""
    job_id = queue_job()
    ledger.fail(claimed(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    unread = ledger.next_unread(["cpu"], [JobState.FAILED])
    assert unread is not None
    (file,) = write_mr_series(tmp_path / "results" / "note", seed=7, slices=1)
    uid = str(pydicom.dcmread(file).SOPInstanceUID)
    note = ResultFile(
        kind="TEXT-SR",
        sop_class_uid="1.2",
        sop_instance_uid=uid,
        series_instance_uid="1.3",
        file=f"note/{file.name}",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    ledger.note_unread(unread, results=[note], destinations={"pacs": ["TEXT-SR"]}, why="told")
    run(house, archive)
    assert list(archive.stored) == [uid]
    ledger.retry(job_id)
    claim = claimed(ledger)
    earlier = superseded(ledger, claim)
    assert earlier is not None
    assert ([it.sop_instance_uid for it in earlier.references], earlier.later_images) == ([uid], False)
    finish(ledger, claim, tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
    assert archive.deleted == [uid]
    assert next(job for job in ledger.jobs() if job.id == job_id).delivered


def test_a_note_of_a_job_that_is_superseded_at_once_does_not_wait(
    ledger: Ledger, queue_job: Callable[..., int], tmp_path: Path
) -> None:
    """It leaves no more, so nobody waits for it."""
    job_id = queue_job()
    ledger.fail(claimed(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    unread = ledger.next_unread(["cpu"], [JobState.FAILED])
    assert unread is not None
    note = ResultFile(
        kind="TEXT-SR",
        sop_class_uid="1.2",
        sop_instance_uid="1.2.7",
        series_instance_uid="1.3",
        file="f",
        sha256="0",
    )
    ledger.note_unread(unread, results=[note], destinations={"pacs": ["TEXT-SR"]}, why="told")
    later_images(ledger)
    assert states(ledger, job_id) == {DeliveryState.REPLACED}
    assert ledger.standing_before(claimed(ledger)).of_others == ()


@pytest.mark.parametrize("between", ["nothing", "a read that never left"])
def test_where_a_newer_read_has_nothing_for_a_destination_the_earlier_one_is_deleted(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path, between: str
) -> None:
    """It gets masks alone, and the newer read found nothing to draw: nothing more will come."""
    later_images(ledger)
    claim = claimed(ledger)
    if between != "nothing":
        finish(ledger, claim, tmp_path / "results", 2, ("SEG", "TEXT-SR"), withdraw_from=["pacs"])
        again(ledger, claim.job_id)
        claim = claimed(ledger)
    routes = {"pacs": ["SEG", "SR"], "ris": ["TEXT-SR"]}
    finish(ledger, claim, tmp_path / "results", 3, ("TEXT-SR",), destinations=routes, withdraw_from=["pacs"])
    ledger.hold_job(claim.job_id)
    run(house, archive)
    assert archive.deleted == [], "somebody is to look at it first"
    ledger.resume_job(claim.job_id)
    run(house, archive)
    assert archive.deleted == first_read
    assert outstanding(ledger) == set()


def test_where_a_newer_read_has_nothing_for_a_destination_the_earlier_one_is_rejected(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path
) -> None:
    """The note would wait for ever, and the old mask would stand."""
    later_images(ledger)
    claim = claimed(ledger)
    routes = {"pacs": ["SEG", "SR", REJECTION], "ris": ["TEXT-SR"]}
    uids = finish(ledger, claim, tmp_path / "results", 2, ("TEXT-SR", REJECTION), destinations=routes)
    run(house, archive)
    assert set(archive.stored) == {*first_read, uids[1]}
    assert ledger.standing_before(later_claim(ledger)).of_others == ()


def later_claim(ledger: Ledger) -> Claim:
    """Let more images come, and claim their job."""
    later_images(ledger, 4)
    return claimed(ledger)


def test_what_waits_to_be_deleted_stays_where_the_newest_read_does_not_go(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path
) -> None:
    """The destination would be left with nothing; a read that goes there again has it deleted after all."""
    later_images(ledger)
    uids = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR"), withdraw_from=["pacs"])
    archive.refuse_with = dict.fromkeys(uids, 0xA900)
    run(house, archive)
    finish(ledger, later_claim(ledger), tmp_path / "results", 3, ("SEG", "SR"), destinations={"ris": ["SEG", "SR"]})
    run(house, archive)
    assert archive.deleted == []
    assert outstanding(ledger) == set()
    told = [event.detail["object"] for event in ledger.timeline("1.2.3") if event.kind == "withdrawal called off"]
    assert told == ["SEG", "SR"]
    later_images(ledger, 5)
    finish(ledger, claimed(ledger), tmp_path / "results", 4, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
    assert archive.deleted == first_read


def noted(ledger: Ledger, results: Path, seed: int = 7) -> str:
    """Write the note of a job that ended without a read; return its SOP Instance UID."""
    unread = ledger.next_unread(["cpu"], [JobState.FAILED])
    assert unread is not None
    (file,) = write_mr_series(results / f"note{seed}", seed=seed, slices=1)
    note = ResultFile(
        kind="TEXT-SR",
        sop_class_uid="1.2",
        sop_instance_uid=str(pydicom.dcmread(file).SOPInstanceUID),
        series_instance_uid="1.3",
        file=f"note{seed}/{file.name}",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    ledger.note_unread(unread, results=[note], destinations={"pacs": ["TEXT-SR"]}, why="told")
    return note.sop_instance_uid


@pytest.mark.parametrize("policy", ["delete", "reject"])
def test_a_note_that_nothing_was_read_takes_no_reads_place(
    ledger: Ledger, house: Deliverer, archive: DeletingArchive, first_read: list[str], tmp_path: Path, policy: str
) -> None:
    """The newer read did not arrive, and reading it again failed: the earlier one is all that the archive has."""
    later_images(ledger)
    claim = claimed(ledger)
    kinds = ("SEG", "SR", *([REJECTION] if policy == "reject" else []))
    deleting = ["pacs"] if policy == "delete" else []
    uids = finish(ledger, claim, tmp_path / "results", 2, kinds, withdraw_from=deleting)
    archive.refuse_with = dict.fromkeys(uids[:2], 0xA900)
    run(house, archive)
    if policy == "delete":
        ledger.waive(claim.job_id)
    again(ledger, claim.job_id)
    ledger.fail(claimed(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    note = noted(ledger, tmp_path / "results")
    ledger.release_waiting("pacs")
    run(house, archive)
    assert (set(archive.stored), archive.deleted) == ({*first_read, note}, [])


def test_what_was_held_does_not_leave_with_the_note_that_nothing_was_read(
    ledger: Ledger, queue_job: Callable[..., int], house: Deliverer, archive: DeletingArchive, tmp_path: Path
) -> None:
    """It leaves where the job is read so again; and the note, where it has gone out, is taken back."""
    job_id = queue_job()
    finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    again(ledger, job_id)
    ledger.fail(claimed(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    note = noted(ledger, tmp_path / "results")
    run(house, archive)
    assert list(archive.stored) == [note]
    ledger.retry(job_id)
    uids = finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"), withdraw_from=["pacs"])
    run(house, archive)
    assert set(archive.stored) == {note, *uids}
    assert archive.deleted == [note]
    assert next(job for job in ledger.jobs() if job.id == job_id).delivered


@pytest.mark.parametrize("answer", ["accepted", "refused", "away"])
def test_a_read_that_is_superseded_as_its_rejection_goes_leaves_nothing_unrejected(
    ledger: Ledger,
    house: Deliverer,
    archive: DeletingArchive,
    first_read: list[str],
    tmp_path: Path,
    clock: ManualLedgerClock,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    """Between the look whether the newer read has arrived and the rejection a third one may be read.

    It rejects all that stands, the first read too: whether the note on its way arrives is not known yet.
    """
    later_images(ledger)
    second = finish(ledger, claimed(ledger), tmp_path / "results", 2, ("SEG", "SR", REJECTION))
    look = Ledger.has_arrived
    third: list[str] = []
    rejected: list[str] = []

    def interrupted(self: Ledger, job_id: int, destination: str) -> bool:
        arrived = look(self, job_id, destination)
        if not third:
            later_images(ledger, 4)
            claim = claimed(ledger)
            standing = ledger.standing_before(claim)
            rejected.extend(item.reference.sop_instance_uid for item in standing.of_others)
            third.extend(finish(ledger, claim, tmp_path / "results", 3, ("SEG", "SR", REJECTION), standing=standing))
            archive.away = answer == "away"
            archive.refuse_with = {second[2]: 0xA900} if answer == "refused" else {}
        return arrived

    monkeypatch.setattr(Ledger, "has_arrived", interrupted)
    run(house, archive)
    archive.away = False
    clock.seconds += 3600
    run(house, archive)
    assert sorted(rejected) == sorted([*first_read, *second[:2]])
    assert set(third) <= set(archive.stored)
    assert list(archive.stored)[-1] == third[2]
    assert (second[2] in archive.stored) is (answer == "accepted")
    assert next(job for job in ledger.jobs() if job.state is JobState.READ).delivered
    assert ledger.claim_deliveries("pacs", lease_s=60) is None
