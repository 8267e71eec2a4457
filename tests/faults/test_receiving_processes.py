"""Several receiving processes: they have one limit (the wire, row 12), and may die at any instruction (row 32)."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from benchmarks.raw_sender import RawAssociation, associated, encode
from dicom_node.datasets.part10 import dataset_digest
from tests.faults.wire_bytes import ASSOCIATE_AC, RELEASE_RP, RELEASE_RQ, RawPeer, associate_rq, pdu
from tests.insisting_senders import send_while, study
from tests.node_process import NodeProcess
from tests.stack import connections, tree
from worker.ledger.ledger import Ledger

SEED = 20260101
SENDERS = 6


def receivers(node: NodeProcess) -> list[int]:
    """Return the receiving processes that live."""
    own, *children = tree(node.pid)
    return [pid for pid in children if pid != own]


def switches(pid: int) -> int:
    """Return how often threads of a process have been woken."""
    woken = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(OSError):  # a thread that has just ended
            (line,) = (line for line in status.read_text().splitlines() if line.startswith("voluntary_ctxt_switches"))
            woken += int(line.split()[1])
    return woken


def recorded(node: NodeProcess, files: dict[str, str]) -> set[str]:
    """Return which of the files are in a revision of a study."""
    ledger = Ledger.open(f"sqlite:///{node.spool.parent}/ledger.sqlite3")
    try:
        folders = {file.split("/", maxsplit=1)[0] for file in files}
        return {file for folder in folders for file in ledger.recorded_files(folder)} & set(files)
    finally:
        ledger.close()


def assert_all_there(node: NodeProcess, answered: dict[str, str], wait_for: Callable[..., None]) -> None:
    """Every answered instance is in the spool to the byte, and in a revision once its study has been quiet."""
    missing = [file for file in answered if not (node.spool / file).exists()]
    assert not missing, f"{len(missing)} of {len(answered)} answered instances are gone"
    changed = [file for file, digest in answered.items() if dataset_digest(node.spool / file) != digest]
    assert not changed, f"{len(changed)} of {len(answered)} answered instances are not what was sent"
    wait_for(
        lambda: len(recorded(node, answered)) == len(answered), what="every answered instance is read", deadline_s=60
    )
    assert not list(node.spool.rglob("*.part"))


def torture(node: NodeProcess, wait_for: Callable[..., None], *, kills: int, seed: int) -> None:
    """Kill a receiving process again and again while studies stream in."""
    print(f"seed {seed}, {kills} kills")  # noqa: T201  # shown when it fails, and by `make torture-receive`
    chance = random.Random(seed)  # noqa: S311  # the same schedule for the same seed
    node.start("processes = 3\nquiet_time_s = 1.0\nassociation_hold_s = 1.0\nmax_associations = 64")

    def kill() -> None:
        time.sleep(chance.uniform(0.0, 0.4))  # the moment is the test
        wait_for(killed, what="a receiving process lives")

    def killed() -> bool:
        living = receivers(node)
        # The last one that was killed may end only now.
        with suppress(ProcessLookupError):
            if living:
                os.kill(chance.choice(living), signal.SIGKILL)
                return True
        return False

    answered, tries = send_while(kill, faults=kills, senders=SENDERS, seed=seed, port=node.port)
    print(f"{len(answered)} instances answered in {tries} tries")  # noqa: T201
    assert len(answered) > kills
    assert_all_there(node, answered, wait_for)
    assert node.stop() == 0


def test_row_32_twenty_receiving_processes_die_and_nothing_answered_is_lost(
    node: NodeProcess, wait_for: Callable[..., None]
) -> None:
    """SIGKILL at random moments under load; `make torture-receive` has two hundred."""
    torture(node, wait_for, kills=20, seed=SEED)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_row_32_two_hundred_receiving_processes_die(node: NodeProcess, wait_for: Callable[..., None]) -> None:
    """The long version; WETREAD_SEED replays one."""
    torture(node, wait_for, kills=200, seed=int(os.environ.get("WETREAD_SEED", SEED)))


def test_row_12_the_limit_is_counted_over_all_receiving_processes(
    node: NodeProcess, wait_for: Callable[..., None]
) -> None:
    """Callers at once get exactly as many places as there are; the others (2, 3, 2), until a place is free again."""
    node.start("processes = 3\nmax_associations = 9")
    with ExitStack() as opened:
        calls: list[RawPeer] = []

        def spread() -> bool:
            calls.append(opened.enter_context(RawPeer(node.port)))
            return len(calls) >= 24 and sum(connections(pid) > 0 for pid in receivers(node)) > 1

        wait_for(spread, what="several processes have callers")
        for call in calls:
            call.send(associate_rq())
        answers = [call.read() for call in calls]
        inside = [call for call, (kind, _) in zip(calls, answers, strict=True) if kind == ASSOCIATE_AC]
        refusals = {body for kind, body in answers if kind != ASSOCIATE_AC}
        assert len(inside) == 9
        assert refusals == {bytes((0, 2, 3, 2))}
        inside[0].send(pdu(RELEASE_RQ, bytes(4)))
        assert inside[0].read()[0] == RELEASE_RP

        def admitted() -> bool:
            call = opened.enter_context(RawPeer(node.port))
            call.send(associate_rq())
            return call.read()[0] == ASSOCIATE_AC

        wait_for(admitted, what="the free place is taken")
        assert not admitted()


def test_one_study_through_several_processes_is_one_study(node: NodeProcess, wait_for: Callable[..., None]) -> None:
    """Its instances come over many associations at once, which no one process would hold, and end in one revision."""
    node.start("processes = 3\nquiet_time_s = 2.0\nassociation_hold_s = 2.0\nmax_associations = 900")
    instances = list(study(SEED, 0, 1, 36))
    with ExitStack() as opened:
        held: list[RawAssociation] = []

        def spread() -> bool:
            # Who accepts is whoever wakes first: on a busy machine one process may be quicker nine times running.
            held.extend(opened.enter_context(associated(node.port, instances[0])) for _ in range(9))
            return len([pid for pid in receivers(node) if connections(pid) > 1]) > 1

        wait_for(spread, what="more than one process holds associations")
        for number, instance in enumerate(instances):
            assert held[number % len(held)].store(encode(instance, 1, held[0].longest_pdu)) == 0
    wait_for(lambda: node.events("study handed over"), what="the study is complete")
    assert node.stop() == 0
    assert [event["series"] for event in node.events("study handed over")] == [1]
    assert [event["revision"] for event in node.events("study complete") if "revision" in event] == [1]
    assert len(node.instances()) == 36


def test_callers_are_spread_over_the_processes(node: NodeProcess) -> None:
    """Whoever has few lets those who have more wait: none is left without work while others have it all."""
    node.start("processes = 3\nmax_associations = 64")
    one = next(iter(study(SEED, 0, 1, 1)))
    with ExitStack() as opened:
        for _ in range(24):
            opened.enter_context(associated(node.port, one))
        assert min(connections(pid) for pid in receivers(node)) > 2


def test_associations_at_rest_wake_nobody(node: NodeProcess, wait_for: Callable[..., None]) -> None:
    """An archive may hold one for hours; two threads of each asked a thousand times a second whether something came."""
    node.start("processes = 1\nmax_associations = 64")
    one, held, rest_s = next(iter(study(SEED, 0, 1, 1))), 20, 2.0
    with ExitStack() as opened:
        for _ in range(held):
            opened.enter_context(associated(node.port, one))
        (pid,) = receivers(node)
        wait_for(lambda: connections(pid) >= 2 * held, what="all of them rest")
        before = switches(pid)
        time.sleep(rest_s)  # what happens in it is the test
        assert switches(pid) - before < 400 * held * rest_s


def test_a_receiving_process_that_dies_is_replaced(node: NodeProcess, wait_for: Callable[..., None]) -> None:
    """The others serve meanwhile, and its places are free again."""
    node.start("processes = 2\nmax_associations = 2")
    first = receivers(node)
    os.kill(first[0], signal.SIGKILL)
    assert node.dcmtk("echoscu").returncode == 0
    wait_for(lambda: len(receivers(node)) == 2 and receivers(node) != first, what="another process in its place")
    for _ in range(6):
        assert node.dcmtk("echoscu").returncode == 0


def test_the_node_goes_with_its_first_process(node: NodeProcess, wait_for: Callable[..., None]) -> None:
    """No receiving process answers for instances that nobody assembles."""
    node.start("processes = 2")
    pids = receivers(node)
    os.kill(node.pid, signal.SIGKILL)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), what="its children are gone")


def test_nothing_is_answered_for_after_the_nodes_first_process_is_gone(
    node: NodeProcess, wait_for: Callable[..., None]
) -> None:
    """Another node has looked through the spool meanwhile, and would never hear of what came after that."""
    node.start("processes = 1\nquiet_time_s = 1.0\nassociation_hold_s = 1.0")
    before, after = (next(iter(study(SEED, number, 1, 1))) for number in (0, 1))
    with associated(node.port, before) as association:
        assert association.store(encode(before, 1, association.longest_pdu)) == 0
        first = receivers(node)
        node.kill_first()
        node.start("processes = 1\nquiet_time_s = 1.0\nassociation_hold_s = 1.0")
        wait_for(lambda: node.events("study handed over"), what="what had been answered for is complete")
        assert all(Path(f"/proc/{pid}").exists() for pid in first)  # it waits for its association
        assert association.store(encode(after, 2, association.longest_pdu)) == 0xA700
    assert node.stop() == 0
