"""The machine, row 33: the wall clock jumps while studies arrive and jobs are held."""

import mmap
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.raw_sender import Instance, RawAssociation, associated, encode
from models.testing import write_threshold_model
from tests.faults.a_node import ANode
from tests.faults.preloaded import preloaded
from tests.insisting_senders import study
from worker.jobs.job import JobState
from worker.jobs.job_records import Claim
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series

MR = "1.2.840.10008.5.1.4.1.1.4"
HOUR_S = 3600
QUIET_S = 6.0


class Clock:
    """The wall clock of a node."""

    def __init__(self, file: Path) -> None:
        """Begin with the right time."""
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._seconds = mmap.mmap(opened.fileno(), 8)

    def jump(self, seconds: int) -> None:
        """Be wrong by so many seconds from now on."""
        self._seconds[:] = struct.pack("=q", seconds)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[tuple[ANode, Clock]]:
    """A node and its clock; it has a model for head MR."""
    folder = tmp_path_factory.mktemp("clock")
    clock = Clock(folder / "seconds")
    environment = preloaded("jumping_clock", folder)
    node = ANode(
        folder / "node",
        free_port(),
        environment={**environment, "JUMPING_CLOCK": str(folder / "seconds"), "WETREAD_LOG_JSON": "1"},
        worker={"reconcile_every_s": 0.2, "retry_delay_s": 0.1},
        processes=2,
        quiet_time_s=QUIET_S,
        association_hold_s=QUIET_S,
    )
    write_threshold_model(node.data / "models", sop_classes=[MR])
    with node:
        yield node, clock


def _store(association: RawAssociation, instance: Instance) -> None:
    assert association.store(encode(instance, 1, association.longest_pdu)) == 0


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_row_33_a_clock_that_jumps_neither_closes_a_study_nor_holds_it(
    machine: tuple[ANode, Clock], wait_for: Callable[..., None], jump_s: int
) -> None:
    """What comes after the jump belongs to the revision that was open before, which ends after its quiet time."""
    node, clock = machine
    first, second = study(33, 0, HOUR_S + jump_s, 2)
    (whole,) = study(33, 1, HOUR_S + jump_s, 1)
    (other,) = study(33, 2, HOUR_S + jump_s, 1)
    uid, uid_of_whole = (instance.sop_instance_uid.rsplit(".", 2)[0] for instance in (first, whole))
    clock.jump(0)
    with associated(node.peer.port, first) as association:
        began = time.monotonic()
        with associated(node.peer.port, whole) as another:
            _store(another, whole)
        _store(association, first)
        wait_for(lambda: all(_arriving(node, each) for each in (uid, uid_of_whole)), what="the assembler has heard")
        clock.jump(jump_s)
        with associated(node.peer.port, other) as another:
            _store(another, other)  # the assembler looks at the time
        assert node.completions(uid) == []
        _store(association, second)
        last = time.monotonic()
        assert last - began < QUIET_S, "this machine is too slow to tell"
    wait_for(lambda: node.completions(uid), what="it is complete", deadline_s=60)
    assert time.monotonic() - last >= QUIET_S
    assert node.completions(uid) == [2]
    wait_for(lambda: node.completions(uid_of_whole) == [1], what="so is the one of which nothing came", deadline_s=60)
    # It did jump: the log tells of it.
    stamps = [line for line in node.log().splitlines() if "study handed over" in line and uid in line]
    shifted = time.time() + jump_s
    assert any(time.strftime("%Y-%m-%dT%H", time.gmtime(shifted + wrong)) in stamps[-1] for wrong in (-30, 0))


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_row_33_a_clock_that_jumps_ends_no_association(machine: tuple[ANode, Clock], jump_s: int) -> None:
    """An association that is open and silent is as old as it is, whatever the wall says."""
    node, clock = machine
    first, second = study(34, 0, HOUR_S + jump_s, 2)
    clock.jump(0)
    with associated(node.peer.port, first) as association:
        _store(association, first)
        time.sleep(0.5)  # longer than the node lingers over what comes next
        clock.jump(jump_s)
        time.sleep(1.0)  # it looks at its timers a thousand times in it
        _store(association, second)


def test_row_33_a_clock_that_jumps_ends_no_lease(
    machine: tuple[ANode, Clock], tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """A job that is held for ten minutes stays held an hour later by the wall; one that is held too long is freed."""
    node, clock = machine
    clock.jump(0)
    for seed in (331, 332):
        node.send(*write_mr_series(tmp_path / str(seed), seed=seed))
    wait_for(lambda: sum(job.state is JobState.QUEUED for job in node.jobs()) == 2, what="two jobs are queued")
    ledger = Ledger.open(f"sqlite:///{node.data}/ledger.sqlite3")
    try:
        held = ledger.claim(["cpu"], worker="held", lease_s=600.0)
        assert held is not None
        for jump_s in (HOUR_S, -HOUR_S):
            clock.jump(jump_s)
            claims: list[Claim | None] = [None]

            def claimed(claims: list[Claim | None] = claims) -> bool:
                claims[0] = claims[0] or ledger.claim(["cpu"], worker="lost", lease_s=0.1)
                return claims[0] is not None

            wait_for(claimed, what="the other job is claimed")
            assert claims[0] is not None
            lost = claims[0].job_id
            assert lost != held.job_id
            wait_for(lambda lost=lost: _state(node, lost) is JobState.QUEUED, what="the lease ran out")
            assert _state(node, held.job_id) is JobState.CLAIMED
    finally:
        ledger.close()


def _arriving(node: ANode, study_uid: str) -> bool:
    ledger = Ledger.open(f"sqlite:///{node.data}/ledger.sqlite3")
    try:
        return bool(ledger.timeline(study_uid))
    finally:
        ledger.close()


def _state(node: ANode, job_id: int) -> JobState:
    return next(job.state for job in node.jobs() if job.id == job_id)
