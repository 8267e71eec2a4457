"""The way back: what an archive does wrong, held against one real `wetread deliver` over real sockets."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian

from dicom_node.datasets.part10 import dataset_digest
from tests.delivering import DeliveryHouse
from tests.fake_archive import FakeArchive
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import DeliveryState

WARNINGS = (0xB000, 0xB006, 0xB007)
DEADLINE_S = 60.0

_ONE = """
[[destinations]]
name = "{name}"
ae_title = "FAKE"
host = "127.0.0.1"
port = {port}
identity_check = false
{more}
"""
#: Name of a destination to its settings, and to the transfer syntaxes that its archive takes of an MR image.
_DESTINATIONS: dict[str, tuple[str, dict[str, object]]] = {
    "away": ("", {}),
    "well": ("", {}),
    "implicit-only": ('encodings = ["as-made", "implicit"]', {"syntaxes": (ImplicitVRLittleEndian,)}),
    "takes-none": ('encodings = ["as-made", "implicit"]', {"syntaxes": ()}),
    "loses-answers": ("", {}),
    "warns": ("", {}),
    "silent": ('commitment = "required"\ncommitment_timeout_s = 0.5\ncommitment_linger_s = 0.2', {}),
    "fails-some": ('commitment = "required"\ncommitment_linger_s = 20', {}),
}


class Scene:
    """A deliverer and the archives that it delivers to."""

    def __init__(self, house: DeliveryHouse, archives: dict[str, FakeArchive]) -> None:
        self.house = house
        self.archives = archives


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Scene]:
    """One deliverer for all tests of this file, and an archive for each of its destinations."""
    settings = "[delivery]\nfirst_retry_s = 0.3\nlongest_retry_s = 0.6\npoll_s = 0.1\nbreaker_after = 2\n"
    archives = {}
    for name, (more, options) in _DESTINATIONS.items():
        port = free_port()
        archives[name] = FakeArchive(port, **options)  # type: ignore[arg-type]
        settings += _ONE.format(name=name, port=port, more=more)
    archives["away"].stop()
    house = DeliveryHouse(tmp_path_factory.mktemp("house"), settings)
    house.start()
    yield Scene(house, archives)
    house.close()
    for name, archive in archives.items():
        if name != "away":
            archive.stop()


def delivered(scene: Scene, job: JobRow) -> Callable[[], bool]:
    """Return the condition that a job is delivered."""
    return lambda: (row := scene.house.ledger.job(job.id)) is not None and row.delivered


def test_row_44_an_archive_that_is_away_holds_no_other_and_costs_few_attempts(
    scene: Scene, wait_for: Callable[..., None]
) -> None:
    """Many jobs wait for it: few are tried until it answers again; others flow; all arrive once when it is back."""
    house = scene.house
    jobs = [house.read(["away", "well"], objects=1) for _ in range(12)]
    wait_for(
        lambda: "away" in house.ledger.destinations() and not house.ledger.destinations()["away"].answering,
        what="the breaker is open",
        deadline_s=DEADLINE_S,
    )
    wait_for(
        lambda: sum(item.state is DeliveryState.ACCEPTED for job in jobs for item in house.deliveries(job)) == 12,
        what="the other archive has everything",
        deadline_s=DEADLINE_S,
    )
    # Each probe is longer than a retry's wait: without the breaker every job would have been tried by now.
    wait_for(lambda: house.log().count('"destination away"') >= 2, what="it was tried", deadline_s=DEADLINE_S)
    waiting = [item for job in jobs for item in house.deliveries(job) if item.destination == "away"]
    assert sum(item.attempts for item in waiting) <= 3, house.log()
    assert {item.state for item in waiting} == {DeliveryState.PENDING}
    scene.archives["away"].start()
    for job in jobs:
        wait_for(delivered(scene, job), what="it arrives when the archive is back", deadline_s=DEADLINE_S)
    assert house.ledger.destinations()["away"].answering
    received = [uid for uid, _ in scene.archives["away"].received]
    assert sorted(received) == sorted({item.sop_instance_uid for job in jobs for item in house.deliveries(job)})
    scene.archives["away"].stop()


def test_row_45_a_rejected_presentation_context_is_followed_by_the_next_encoding(
    scene: Scene, wait_for: Callable[..., None]
) -> None:
    """The same SOP Instance goes there in the encoding that the site allows as the next one."""
    job = scene.house.read(["implicit-only"])
    wait_for(delivered(scene, job), what="it is taken in another encoding", deadline_s=DEADLINE_S)
    uids = {item.sop_instance_uid for item in scene.house.deliveries(job)}
    assert {uid for uid, _ in scene.archives["implicit-only"].received} == uids


def test_row_45_without_any_accepted_encoding_the_reason_is_shown(scene: Scene, wait_for: Callable[..., None]) -> None:
    """What no encoding helps is refused, and says which SOP class was not taken."""
    job = scene.house.read(["takes-none"])
    wait_for(lambda: scene.house.states(job) == {DeliveryState.REFUSED}, what="it is refused", deadline_s=DEADLINE_S)
    assert "takes no SOP class 1.2.840.10008.5.1.4.1.1.4" in scene.house.deliveries(job)[0].reason


def test_row_46_a_lost_answer_is_followed_by_the_identical_bytes(
    scene: Scene, wait_for: Callable[..., None], tmp_path: Path
) -> None:
    """The archive stores and its answer is lost; the object comes again, under its UID, byte by byte the same."""
    archive = scene.archives["loses-answers"]
    archive.loses_answers = 1
    job = scene.house.read(["loses-answers"], objects=1)
    wait_for(delivered(scene, job), what="it is answered in the end", deadline_s=DEADLINE_S)
    (item,) = scene.house.deliveries(job)
    own = dataset_digest(scene.house.data / "results" / item.file)
    assert archive.received == [(item.sop_instance_uid, own)] * 2


def test_row_47_warnings_count_as_sent_and_are_recorded(scene: Scene, wait_for: Callable[..., None]) -> None:
    """B000, B006 and B007 are acceptances; the reason says which."""
    scene.archives["warns"].store_status = lambda before: WARNINGS[before % len(WARNINGS)]
    job = scene.house.read(["warns"], objects=3)
    wait_for(delivered(scene, job), what="all three are accepted", deadline_s=DEADLINE_S)
    reasons = " ".join(item.reason for item in scene.house.deliveries(job))
    assert all(f"status {status:04X}" in reasons for status in WARNINGS)
    assert scene.house.states(job) == {DeliveryState.ACCEPTED}


def test_row_48_a_commitment_that_never_arrives_is_asked_for_again(scene: Scene, wait_for: Callable[..., None]) -> None:
    """After a timeout another request is made; the job is not delivered before a report, and is by a late one."""
    archive = scene.archives["silent"]
    archive.reports = "never"
    job = scene.house.read(["silent"])
    wait_for(lambda: len(archive.requests) >= 2, what="it is asked twice", deadline_s=DEADLINE_S)
    assert scene.house.states(job) == {DeliveryState.UNCOMMITTED}
    assert not delivered(scene, job)()
    first, second = archive.requests[:2]
    assert first[0] != second[0]
    assert sorted(first[1]) == sorted(second[1]) == sorted(i.sop_instance_uid for i in scene.house.deliveries(job))
    archive.reports = "same"
    wait_for(delivered(scene, job), what="it is committed to in the end", deadline_s=DEADLINE_S)
    assert len(archive.received) == 2, "nothing was sent again for want of a report"


def test_row_48_what_was_not_committed_to_is_sent_again(scene: Scene, wait_for: Callable[..., None]) -> None:
    """One of two objects fails: it alone is sent and asked for again, and both end as committed."""
    archive = scene.archives["fails-some"]
    lost: list[str] = []

    def keeps(uid: str, before: int) -> bool:
        if before == 0 and not lost:
            lost.append(uid)
        return before > 0 or uid not in lost

    archive.keeps = keeps
    job = scene.house.read(["fails-some"])
    wait_for(delivered(scene, job), what="both are committed to", deadline_s=DEADLINE_S)
    assert scene.house.states(job) == {DeliveryState.COMMITTED}
    assert [uids for _, uids in archive.requests][1:] == [lost]
    received = [uid for uid, _ in archive.received]
    assert sorted(received) == sorted([*{i.sop_instance_uid for i in scene.house.deliveries(job)}, *lost])
    assert scene.house.events(job, "commitment failed") == 1
