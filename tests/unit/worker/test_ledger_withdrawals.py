"""Objects of superseded reads: remembered, taken back, or rejected, and never before the newer read is there."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from dicom_node.errors import ArchiveError
from dicom_node.testing import InMemoryArchive
from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from worker.delivery import Deliverer, Destination
from worker.job import Claim, DeliveryState, JobState, ResultFile
from worker.ledger import Ledger
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


def finish(ledger: Ledger, claim: Claim, results: Path, seed: int, kinds: tuple[str, ...], **more: object) -> list[str]:
    """Record objects of a read; return their SOP Instance UIDs."""
    files = write_mr_series(results / f"r{seed}", seed=seed, slices=len(kinds))
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
        destinations={"pacs": kinds},
        runtime="r",
        inputs_digest="i",
        recipe_digest="c",
        **more,  # type: ignore[arg-type]
    )
    return uids


def claimed(ledger: Ledger) -> Claim:
    """Claim what must be there."""
    claim = ledger.claim(["cpu"], worker="w", lease_s=60)
    assert claim is not None
    return claim


def later_images(ledger: Ledger) -> None:
    """Let later images come."""
    files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled(files=files), {}, [planned(files=files, input_key="key-2")])


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
    earlier = ledger.superseded_read(claim)
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


def test_what_never_left_is_no_predecessor(ledger: Ledger, queue_job: Callable[..., int], tmp_path: Path) -> None:
    """A read that no archive has got is not spoken of."""
    queue_job()
    finish(ledger, claimed(ledger), tmp_path / "results", 1, ("SEG", "SR"))
    later_images(ledger)
    assert ledger.superseded_read(claimed(ledger)) is None
