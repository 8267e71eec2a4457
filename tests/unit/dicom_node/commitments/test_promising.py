"""What is promised is true: there, whole, of that SOP class, synced, held."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_node.commitments import promising as committing
from dicom_node.commitments import safekeeping
from dicom_node.commitments.promising import commit
from dicom_node.messages.commitment_messages import CommitmentRequest, Reference
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool import Spool
from tests.unit.dicom_node.instances import CT, SOP, dataset, incoming

MR = "1.2.840.10008.5.1.4.1.1.4"
GOOD = Reference(CT, SOP)


def request(*references: Reference) -> CommitmentRequest:
    """Return a request."""
    return CommitmentRequest(
        peer="CT1", transaction_uid="1.2.3", references=references, asked_at=datetime(2026, 1, 2, tzinfo=UTC)
    )


def held_of(spool: Spool) -> set[str]:
    """Return everything that is held."""
    return {file for folder in spool.study_folders() for file in HeldInstances(spool.root).of_study(folder)}


@pytest.mark.parametrize("fsync", ["instance", "study", "off"])
def test_what_is_there_is_committed_and_on_the_disk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fsync: str,
) -> None:
    """Whatever `fsync` says, file, series, study and spool are synced before they are held; twice is the same."""
    spool = Spool(tmp_path, fsync=fsync)  # type: ignore[arg-type]
    file = spool.store(*incoming()).file
    synced: list[Path] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    for verdict in [commit(spool, request(GOOD)) for _ in range(2)]:
        assert (verdict.committed, verdict.failed, verdict.event_type_id) == ((GOOD,), (), 1)
    path = tmp_path / file
    held = tmp_path / "commitment" / "held" / path.parts[-3]
    order = [synced.index(each) for each in (path, path.parent, path.parent.parent, tmp_path)]
    assert max(order) < synced.index(held)
    assert order[0] == min(order)
    assert held_of(spool) == {file}


def test_what_is_not_so_fails_with_its_reason_and_is_not_held(tmp_path: Path) -> None:
    """Missing, of another class, cut short: each its Failure Reason; the others are committed all the same."""
    spool = Spool(tmp_path)
    file = spool.store(*incoming()).file
    uids = ("1.2.8", "1.2.9")
    cut, other = (spool.store(*incoming(dataset(SOPInstanceUID=uid), sop_instance_uid=uid)).file for uid in uids)
    (tmp_path / cut).write_bytes((tmp_path / cut).read_bytes()[:-2])
    asked = (GOOD, Reference(CT, "1.2.404"), Reference(CT, "1.2.8"), Reference(MR, "1.2.9"))
    verdict = commit(spool, request(*asked))
    assert verdict.committed == (GOOD,)
    assert verdict.failed == ((asked[1], 0x0112), (asked[2], 0x0110), (asked[3], 0x0119))
    assert verdict.event_type_id == 2
    assert held_of(spool) == {file}
    assert (tmp_path / other).exists()


def test_a_request_that_fails_lets_nothing_go(tmp_path: Path) -> None:
    """An instance that somebody was promised stays held when somebody else asks for it in a wrong way."""
    spool = Spool(tmp_path)
    file = spool.store(*incoming()).file
    commit(spool, request(GOOD))
    assert commit(spool, request(Reference(MR, SOP), GOOD)).failed == ((Reference(MR, SOP), 0x0119),)
    assert held_of(spool) == {file}


def test_variants_are_held_together(tmp_path: Path) -> None:
    """Two instances under one UID: both, or neither."""
    spool = Spool(tmp_path)
    files = {spool.store(*incoming(dataset(PatientID=name))).file for name in ("one", "two")}
    assert len(files) == 2
    assert commit(spool, request(GOOD)).committed == (GOOD,)
    assert held_of(spool) == files
    (tmp_path / max(files)).write_bytes(b"damaged")
    assert commit(spool, request(GOOD)).failed == ((GOOD, 0x0110),)


def test_a_duplicate_commits_nothing(tmp_path: Path) -> None:
    """Its Transaction UID is another request's."""
    spool = Spool(tmp_path)
    spool.store(*incoming())
    assert commit(spool, replace(request(GOOD), duplicate=True)).failed == ((GOOD, 0x0131),)
    assert held_of(spool) == set()


@pytest.mark.parametrize("what", ["file", "study", "another in its place"])
def test_what_is_removed_meanwhile_is_not_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Between the look and the hold, also where another file has come under the name, at which nobody has looked."""
    spool = Spool(tmp_path)
    path = tmp_path / spool.store(*incoming()).file
    look = safekeeping.look_at

    def look_and_remove(spool: Spool, file: str) -> safekeeping.Looked:
        looked = look(spool, file)
        data = path.read_bytes()
        path.rename(tmp_path / "away")
        if what == "study":
            shutil.rmtree(path.parent.parent)
        if what == "another in its place":
            path.write_bytes(data)
        return looked

    monkeypatch.setattr(committing, "look_at", look_and_remove)
    assert commit(spool, request(GOOD)).failed == ((GOOD, 0x0112),)
    assert held_of(spool) == set()
    assert spool.trusted()


def _failing(at: str) -> Callable[[int], None]:
    def fail(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == at:
            raise OSError(5, "Input/output error")

    return fail


@pytest.mark.parametrize("at", [".dcm", ""])
def test_a_disk_that_does_not_sync_commits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Neither a file nor a folder; and instances are refused until the disk takes a test file."""
    spool = Spool(tmp_path)
    spool.store(*incoming())
    monkeypatch.setattr(os, "fsync", _failing(at))
    try:
        assert commit(spool, request(GOOD)).failed == ((GOOD, 0x0110),)
    except OSError:
        assert at == ""
    assert at == "" or spool._disk._suspect.is_set()
    monkeypatch.undo()
    assert spool.trusted()
    assert held_of(spool) == set()


def test_a_held_instance_that_cannot_be_read_is_not_moved(tmp_path: Path) -> None:
    """The sweep puts what it cannot read into quarantine, but not what somebody was promised."""
    spool = Spool(tmp_path)
    file = spool.store(*incoming()).file
    commit(spool, request(GOOD))
    (tmp_path / file).write_bytes(b"damaged")
    assert spool.describe(file) is None
    assert (tmp_path / file).exists()
    HeldInstances(tmp_path).release([file])
    assert spool.describe(file) is None
    assert not (tmp_path / file).exists()
