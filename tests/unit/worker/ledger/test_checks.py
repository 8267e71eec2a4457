"""What must hold in a ledger: each thing is broken on purpose and found; where nothing is broken, nothing is found."""

import hashlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import text

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, record, result_file
from worker.errors import LedgerAway
from worker.jobs.job import DeliveryState, Priority
from worker.jobs.retention import Keeping
from worker.ledger.checks import CHECKS, flaws_of
from worker.ledger.database import utc_now
from worker.ledger.deliveries import CommitmentWish
from worker.ledger.facts import StudyFacts, UnreadableStudy
from worker.ledger.files import IMAGES, RESULTS, file_flaws
from worker.ledger.flaws import Moment
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS

PATIENCE_S = 60.0
WANTED = {"near": DEFAULT_KINDS, "far": DEFAULT_KINDS, "asked": DEFAULT_KINDS}
SOP_CLASS = "1.2.840.10008.5.1.4.1.1.88.22"
TOKENS = "what is queued has a token"
LEASES = "who works has a lease"
LET_GO = "nothing waits for what is superseded"

#: Statements that break each invariant in the ledger of `busy`. Job 1 is a delivered read, job 3 has replaced job 2, of
#: which "near" has deleted the SR. Results 1 and 2 are of job 1, result 6 is the SR of job 3. "asked" must commit.
HARM: dict[str, tuple[list[str], ...]] = {
    "states are known": (
        ["UPDATE job SET state = 'reed' WHERE id = 1"],
        ["UPDATE job SET priority = 9 WHERE id = 1"],
        ["UPDATE job SET held_from = 'nowhere' WHERE id = 1"],
    ),
    "revisions are numbered and told": (["DELETE FROM event WHERE kind = 'study complete' AND study_id = 1"],),
    "a revision has its series": (
        ["UPDATE series SET manifest = '[]' WHERE id = 1"],
        ["DELETE FROM series WHERE id = 1"],
    ),
    "a job has its input": (
        ["DELETE FROM job_input WHERE job_id = 1"],
        ["UPDATE job_input SET files = '[]' WHERE job_id = 1"],
        ["UPDATE job_input SET files = (SELECT files FROM job_input WHERE job_id = 3) WHERE job_id = 1"],
    ),
    "timelines are legal and end where the job is": (["DELETE FROM event WHERE kind = 'job claimed' AND job_id = 1"],),
    "one read a model and study": (["UPDATE job SET state = 'read' WHERE id = 2"],),
    "what is superseded is earlier": (
        ["UPDATE job SET supersedes_job_id = 1 WHERE id = 1"],
        ["UPDATE job SET supersedes_job_id = 1 WHERE id = 3"],
    ),
    "a read has results": (
        [
            "DELETE FROM commitment",
            "DELETE FROM delivery WHERE result_object_id IN (1, 2)",
            "DELETE FROM result_object WHERE job_id = 1",
        ],
    ),
    "results go to who gets them": (
        ["DELETE FROM delivery WHERE destination = 'far' AND result_object_id = 6"],
        # All of a read for one destination, sent or not; all of a read; none of them says what others of its kind get.
        ["DELETE FROM delivery WHERE destination = 'near' AND result_object_id IN (1, 2)"],
        ["DELETE FROM delivery WHERE destination = 'far' AND result_object_id IN (1, 2)"],
        ["DELETE FROM commitment", "DELETE FROM delivery WHERE result_object_id IN (1, 2)"],
        # Of a read that an older wetread has recorded, the timeline tells what was answered.
        [
            "UPDATE event SET detail = '{}' WHERE kind = 'job read'",
            "DELETE FROM delivery WHERE destination = 'near' AND result_object_id IN (1, 2)",
        ],
    ),
    "fences only grow": (["UPDATE job SET fence = 0 WHERE id = 1"], ["UPDATE delivery SET in_vain = 9 WHERE id = 1"]),
    LEASES: (["UPDATE job SET clock = '', lease_owner = '' WHERE state = 'claimed'"],),
    "deliveries are where their timeline ends": (
        ["DELETE FROM event WHERE kind = 'object accepted' AND job_id = 1"],
        ["UPDATE delivery SET state = 'withdrawn' WHERE destination = 'near' AND result_object_id IN (1, 2)"],
        ["UPDATE delivery SET state = 'pending' WHERE destination = 'near' AND result_object_id IN (1, 2)"],
        ["UPDATE delivery SET state = 'sending', clock = 'boot-1', lease_until_s = 9e9 WHERE destination = 'near'"],
        ["UPDATE delivery SET state = 'accepted' WHERE state = 'withdrawn'"],
    ),
    "what must be committed to is asked for": (["DELETE FROM commitment"],),
    LET_GO: (
        ["UPDATE delivery SET state = 'pending' WHERE destination = 'far' AND state = 'replaced'"],
        ["UPDATE withdrawal SET job_id = 2"],
    ),
}


def _close(ledger: Ledger, root: Path, study: str, images: int = 1) -> None:
    files = tuple(f"folder-{study}/a/{number}.dcm" for number in range(images))
    for file in files:
        (root / "spool" / file).parent.mkdir(parents=True, exist_ok=True)
        (root / "spool" / file).touch()
    ledger.close_revision(assembled(study, files), {}, [planned(files=files, input_key=f"{study}-{images}")])


def _read(ledger: Ledger, root: Path, study: str, images: int = 2) -> None:
    """Close a study with images on disk, read it, and deliver it to one of its destinations, of more images to two."""
    _close(ledger, root, study, images)
    _finish(ledger, root, None)
    _deliver(ledger, "near")
    if images > 2:
        _deliver(ledger, "asked", "required")


def _finish(ledger: Ledger, root: Path, job_id: int | None) -> None:
    """Read what is next; `job_id` says which that is."""
    claim = claim_next(ledger)
    assert job_id in (None, claim.job_id)
    results = []
    for kind in ("SEG", "SR"):
        file = f"{claim.job_id}/{kind}.dcm"
        (root / "results" / file).parent.mkdir(parents=True, exist_ok=True)
        uid = f"1.2.{claim.job_id}.{len(results)}"
        _write_object(root / "results" / file, uid)
        results.append(
            result_file(
                kind,
                uid,
                sop_class_uid=SOP_CLASS,
                file=file,
                sha256=hashlib.sha256((root / "results" / file).read_bytes()).hexdigest(),
            )
        )
    record(ledger, claim, results, WANTED, withdraw_from=["near"])


def _write_object(file: Path, sop_instance_uid: str) -> None:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = SOP_CLASS, sop_instance_uid
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.save_as(file, enforce_file_format=True)


def _deliver(ledger: Ledger, destination: str, commitment: CommitmentWish = "") -> None:
    """Let a destination take the objects of a read; of those that are older too."""
    while (batch := ledger.claim_deliveries(destination, lease_s=60)) is not None:
        for item in batch.objects:
            ledger.delivered(item, DeliveryState.ACCEPTED, status=0, commitment=commitment)


@pytest.fixture
def busy(ledger: Ledger, tmp_path: Path) -> Ledger:
    """A ledger with delivered reads, one of which replaced another; a job that failed, was skipped, runs, and waits."""
    _read(ledger, tmp_path, "1.1")
    _read(ledger, tmp_path, "1.2")
    _read(ledger, tmp_path, "1.2", images=3)
    withdrawal = ledger.next_withdrawal("near")
    assert withdrawal is not None
    ledger.withdrawn(withdrawal)
    _close(ledger, tmp_path, "1.3")
    failed = claim_next(ledger)
    ledger.fail(failed, reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    ledger.close_revision(assembled("1.4", ()), {}, [planned(files=(), input_key="4", runs=False)])
    for study in ("1.5", "1.6"):
        _close(ledger, tmp_path, study)
    assert ledger.claim(["cpu"], worker="w", lease_s=60) is not None
    ledger.tokens_published([token for token, _, _ in ledger.waiting_tokens()])
    return ledger


def broken(ledger: Ledger, clock: ManualLedgerClock, root: Path, *, later_s: float = 0.0) -> set[str]:
    """Return which invariants do not hold, `later_s` seconds from now by the wall."""
    moment = Moment(
        now=clock.read(),
        wall=utc_now() + timedelta(seconds=later_s),
        patience_s=PATIENCE_S,
        fed=ledger.fed_queues(clock.read(), PATIENCE_S),
        wanted=WANTED,
        first_deliveries=ledger.first_deliveries(),
    )
    flaws = []
    for facts in ledger.all_facts():
        if isinstance(facts, UnreadableStudy):
            continue
        flaws += flaws_of(facts, moment)
        flaws += file_flaws(facts, spool=root / "spool", results=root / "results", contents=True)
    assert all(flaw.what and flaw.remedy for flaw in flaws)
    return {flaw.invariant for flaw in flaws}


def test_a_ledger_in_the_middle_of_its_day_is_well(busy: Ledger, clock: ManualLedgerClock, tmp_path: Path) -> None:
    """Whatever wetread itself writes holds."""
    assert broken(busy, clock, tmp_path) == set()
    assert busy.orphans() == []


@pytest.mark.parametrize("held", [False, True])
def test_a_job_that_is_handed_back_beside_the_one_of_later_images_is_no_flaw(
    ledger: Ledger, clock: ManualLedgerClock, tmp_path: Path, *, held: bool
) -> None:
    """As where its worker is started again; an admin may hold both."""
    _close(ledger, tmp_path, "1.2.1")
    claim = claim_next(ledger)
    _close(ledger, tmp_path, "1.2.1", images=2)
    ledger.hand_back(claim, reason="its worker stops")
    if held:
        ledger.hold_job(1)
        ledger.hold_job(2)
    assert broken(ledger, clock, tmp_path) == set()


def test_every_invariant_is_broken_here() -> None:
    """No check is without its proof that it can find something; tokens have a test of their own."""
    assert set(HARM) == set(CHECKS) - {TOKENS}


@pytest.mark.parametrize(
    ("invariant", "statements"),
    [(name, statements) for name, several in HARM.items() for statements in several],
)
def test_what_is_broken_is_found(
    busy: Ledger, clock: ManualLedgerClock, tmp_path: Path, invariant: str, statements: list[str]
) -> None:
    """Rows that somebody has changed or lost are found under the name of what they break."""
    with busy.writing() as session:
        for statement in statements:
            session.execute(text(statement))
    assert invariant in broken(busy, clock, tmp_path)


def test_what_nobody_would_ask_for_is_asked_for_again(busy: Ledger, clock: ManualLedgerClock, tmp_path: Path) -> None:
    """A commitment that only counts, and whose wish is lost, is wished for anew; the next request asks for it."""
    with busy.writing() as session:
        session.execute(text("DELETE FROM commitment"))
    assert busy.claim_commitment("asked", timeout_s=60, give_up_after_s=60) is None
    lost = busy.ask_again()
    assert lost > 0
    assert broken(busy, clock, tmp_path) == set()
    asked = busy.claim_commitment("asked", timeout_s=60, give_up_after_s=60)
    assert asked is not None
    assert busy.ask_again() == 0


def test_what_an_older_wetread_left_of_superseded_jobs_is_let_go(
    busy: Ledger, clock: ManualLedgerClock, tmp_path: Path
) -> None:
    """Its results waited for ever, and so did the deletion of what stood before it: what stands now takes its place."""
    with busy.writing() as session:
        session.execute(text("UPDATE delivery SET state = 'pending', reason = '' WHERE state = 'replaced'"))
        session.execute(text("DELETE FROM event WHERE kind = 'object replaced'"))
        session.execute(text("UPDATE withdrawal SET job_id = 2"))
    assert busy.next_withdrawal("near") is None
    assert broken(busy, clock, tmp_path) == {LET_GO}
    assert busy.let_superseded_go() == 5
    assert broken(busy, clock, tmp_path) == set()
    assert busy.let_superseded_go() == 0
    job = busy.job(2)
    assert job is not None
    assert {row.state for row in job.deliveries if row.destination == "far"} == {DeliveryState.REPLACED}
    withdrawn = busy.next_withdrawal("near")
    assert withdrawn is not None
    assert withdrawn.job_id == 3


def test_deliveries_that_are_lost_come_back_by_the_remedy(
    busy: Ledger, clock: ManualLedgerClock, tmp_path: Path
) -> None:
    """A read that is held and retried is read again: what has a delivery keeps it, what lost it gets one."""
    with busy.writing() as session:
        session.execute(text("DELETE FROM delivery WHERE destination = 'near' AND result_object_id IN (1, 2)"))
    assert broken(busy, clock, tmp_path) == {"results go to who gets them"}
    busy.hold_job(1)
    busy.retry(1)
    _finish(busy, tmp_path, 1)
    _deliver(busy, "near")
    assert broken(busy, clock, tmp_path) == set()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE event SET detail = '{x' WHERE id = 1", ("event", "1", "detail")),
        ("UPDATE event SET detail = '[]' WHERE id = 1", ("event", "1", "detail")),
        ("UPDATE series SET manifest = '{garbled' WHERE id = 1", ("series", "1", "manifest")),
        ("UPDATE job SET queued_at = 'gestern' WHERE id = 1", ("job", "1", "queued_at")),
        ("UPDATE job SET queued_at = '2026-02-31 12:00:00.000000' WHERE id = 1", ("job", "1", "queued_at")),
        ("UPDATE job SET attempts = 'many' WHERE id = 1", ("job", "1", "attempts")),
    ],
)
def test_values_that_cannot_be_read_are_named_and_the_rest_is_checked(
    busy: Ledger, clock: ManualLedgerClock, tmp_path: Path, statement: str, value: tuple[str, str, str]
) -> None:
    """Row and column are told, and what is broken of another study is still found."""
    try:
        with busy.writing() as session:
            session.execute(text(statement))
            session.execute(text("UPDATE job SET fence = 0 WHERE id = 3"))
    except LedgerAway:
        return  # PostgreSQL takes no such value
    assert busy.unreadable() == [value]
    assert "fences only grow" in broken(busy, clock, tmp_path)


def test_leases_and_tokens_that_nobody_renews_are_found(busy: Ledger, clock: ManualLedgerClock, tmp_path: Path) -> None:
    """Without a reconciler a lease stays beyond its end, and a queued job loses its token; a new one mends that."""
    clock.seconds += 2 * PATIENCE_S + 60.0
    assert broken(busy, clock, tmp_path, later_s=2 * PATIENCE_S) == {LEASES, TOKENS}
    assert busy.requeue_silent(silent_s=PATIENCE_S) == 1
    busy.tokens_published([token for token, _, _ in busy.waiting_tokens()])
    assert broken(busy, clock, tmp_path, later_s=2 * PATIENCE_S) == {LEASES}


def test_files_that_are_gone_or_changed_are_found(busy: Ledger, clock: ManualLedgerClock, tmp_path: Path) -> None:
    """An image that is missing, and a result with other bytes."""
    image = next((tmp_path / "spool").rglob("*.dcm"))
    image.unlink()
    assert broken(busy, clock, tmp_path) == {IMAGES}
    image.touch()
    result = next((tmp_path / "results").rglob("*.dcm"))
    result.write_bytes(b"other bytes")
    assert broken(busy, clock, tmp_path) == {RESULTS}
    result.unlink()
    assert broken(busy, clock, tmp_path) == {RESULTS}


def test_what_retention_removed_is_not_missing_though_more_came(
    busy: Ledger, clock: ManualLedgerClock, tmp_path: Path
) -> None:
    """A late image is held and the disk is well; it, and what is read of it, is looked for like any other."""
    removed = next(facts.study for facts in busy.all_facts() if facts.study.study_instance_uid == "1.2")
    for what, root in ((Keeping.IMAGES, "spool"), (Keeping.RESULTS, "results")):
        for facts in busy.all_facts():
            if facts.study.id == removed.id:
                _remove(facts, tmp_path / root)
        busy.note_removed(removed.id, what, files=3, freed_bytes=9)
    late = tmp_path / "spool" / "1.2" / "late.dcm"
    late.parent.mkdir(exist_ok=True)
    late.touch()
    images = assembled("1.2", ("1.2/late.dcm",))
    busy.close_revision(images, {}, [planned(files=("1.2/late.dcm",), input_key="late", held="others are gone")])
    assert broken(busy, clock, tmp_path) == set()
    late.unlink()
    assert broken(busy, clock, tmp_path) == {IMAGES}
    late.touch()
    busy.prioritise_study("1.2", Priority.STAT)
    _read(busy, tmp_path, "1.2", images=4)
    assert broken(busy, clock, tmp_path) == set()


def _remove(facts: StudyFacts, root: Path) -> None:
    """Remove what a study has under the spool, or among the results."""
    names = {file for series in facts.series for file in series.manifest}
    names |= {one.result.file for it in facts.jobs for one in it.results}
    for name in names:
        (root / name).unlink(missing_ok=True)


def test_a_result_that_is_another_object_is_found(busy: Ledger, clock: ManualLedgerClock, tmp_path: Path) -> None:
    """The bytes are those that were recorded, and their SOP Instance UID is not; or they are no DICOM at all."""
    with busy.writing() as session:
        session.execute(text("UPDATE result_object SET sop_instance_uid = '1.9' WHERE id = 6"))
    assert broken(busy, clock, tmp_path) == {RESULTS}
    with busy.writing() as session:
        session.execute(text("UPDATE result_object SET sop_instance_uid = '1.2.3.1' WHERE id = 6"))
    assert broken(busy, clock, tmp_path) == set()
    with busy.writing() as session:
        file = session.scalar(text("SELECT file FROM result_object WHERE id = 6"))
        (tmp_path / "results" / str(file)).write_bytes(b"text")
        digest = hashlib.sha256(b"text").hexdigest()
        session.execute(text("UPDATE result_object SET sha256 = :digest WHERE id = 6"), {"digest": digest})
    assert broken(busy, clock, tmp_path) == {RESULTS}


def test_rows_without_their_parents_are_found(busy: Ledger, ledger_url: str) -> None:
    """Somebody has deleted a revision by hand, past the database's own guard."""
    if ledger_url.startswith("sqlite"):
        with sqlite3.connect(ledger_url.removeprefix("sqlite:///")) as connection:
            connection.execute("DELETE FROM revision WHERE id = 1")
        connection.close()
    else:
        with psycopg.connect(ledger_url) as unguarded:
            unguarded.execute("SET session_replication_role = replica")
            unguarded.execute("DELETE FROM revision WHERE id = 1")
    assert busy.orphans() == [("job", 1, "revision"), ("series", 1, "revision")]
