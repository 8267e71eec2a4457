"""The machine, row 30: another process holds the ledger, or its server is away, and studies arrive."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.raw_sender import associated, encode
from models.testing import write_threshold_model
from tests.faults.a_node import ANode
from tests.insisting_senders import study
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer
from tests.stack import Stack
from worker.jobs.job import JobState
from worker.testing import write_mr_series

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
BACKLOG = 3


@contextmanager
def held(node: ANode) -> Iterator[None]:
    """Hold the ledger's write lock, as a backup or a person with a database browser may."""
    connection = sqlite3.connect(node.data / "ledger.sqlite3", isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@contextmanager
def stopped(server: PostgresqlServer) -> Iterator[None]:
    """Stop PostgreSQL as a crash would, and start it again."""
    server.stop()
    try:
        yield
    finally:
        server.start()


def _send_one(node: ANode, number: int) -> int:
    """Send a study of one instance; return the status."""
    (instance,) = study(30, 0, number, 1)
    with associated(node.peer.port, instance) as association:
        return association.store(encode(instance, 1, association.longest_pdu))


def _uid(number: int) -> str:
    return f"1.2.826.30.0.{number}"


def test_a_ledger_of_no_bytes_is_told_as_the_node_starts(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """A restore has left an empty file: the studies of the spool are taken up, and the log says what has happened."""
    node = ANode(tmp_path / "node", free_port(), quiet_time_s=0.2)
    with node:
        assert _send_one(node, 1) == SUCCESS
        wait_for(lambda: node.completions(_uid(1)) == [1], what="it is recorded")
        assert "ledger knows no study" not in node.log()
    for file in node.data.glob("ledger.sqlite3*"):
        file.unlink()
    (node.data / "ledger.sqlite3").touch()
    with node:
        wait_for(lambda: node.completions(_uid(1)) == [1], what="it is taken up")
        assert "ledger knows no study" in node.log()


def test_row_30_a_ledger_that_is_held_stops_receiving_at_the_backlog(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Studies are taken up to the backlog, then A700; with the ledger back all are recorded, and it goes on by itself.

    A node that is told to stop meanwhile stops in order, and what it could not hand over is adopted.
    """
    node = ANode(tmp_path / "node", free_port(), processes=2, max_backlog=BACKLOG, quiet_time_s=0.2)
    with node:
        taken = range(BACKLOG + 1)
        with held(node):
            assert [_send_one(node, number) for number in taken] == [SUCCESS] * len(taken)
            # Again and again an instance that it has: one study stays open, the others fill the backlog.
            wait_for(lambda: _send_one(node, 0) == OUT_OF_RESOURCES, what="the backlog is full", deadline_s=40)
            wait_for(lambda: _send_one(node, 9001) == OUT_OF_RESOURCES, what="so it is for new studies")
            assert node.answers()
        wait_for(lambda: all(node.completions(_uid(number)) == [1] for number in taken), what="all are recorded")
        wait_for(lambda: _send_one(node, 9001) == SUCCESS, what="it takes studies again")
        wait_for(lambda: node.completions(_uid(9001)) == [1], what="the next one is recorded")
        with held(node):
            assert _send_one(node, 9002) == SUCCESS
            wait_for(lambda: "store refused" in node.log().rsplit("study handed over", 1)[-1], what="it is not taken")
            assert node.stop() == 0
        assert node.completions(_uid(9002)) == []
        node.start()
        wait_for(lambda: node.completions(_uid(9002)) == [1], what="it is adopted")


def test_row_30_postgresql_is_away_and_comes_back(
    tmp_path: Path,
    free_port: Callable[[], int],
    wait_for: Callable[..., None],
    postgresql: PostgresqlServer,
    postgresql_url: str,
) -> None:
    """Studies are taken up to the backlog, then A700; when the server is back all are recorded, and it goes on.

    The password of the ledger is in none of the node's log lines.
    """
    settings = {"processes": 1, "max_backlog": BACKLOG, "quiet_time_s": 0.2}
    node = ANode(tmp_path / "node", free_port(), ledger_url=postgresql_url, **settings)
    with node:
        assert _send_one(node, 9000) == SUCCESS
        wait_for(lambda: node.completions(_uid(9000)) == [1], what="the first one is recorded")
        taken = range(BACKLOG + 1)
        with stopped(postgresql):
            assert [_send_one(node, number) for number in taken] == [SUCCESS] * len(taken)
            wait_for(lambda: _send_one(node, 0) == OUT_OF_RESOURCES, what="the backlog is full", deadline_s=60)
            assert node.answers()
        wait_for(lambda: all(node.completions(_uid(number)) == [1] for number in taken), what="all are recorded")
        wait_for(lambda: _send_one(node, 9001) == SUCCESS, what="it takes studies again")
        wait_for(lambda: node.completions(_uid(9001)) == [1], what="the next one is recorded")
        assert node.stop() == 0
    assert "store refused" in node.log()
    assert postgresql.password not in node.log()


def test_row_30_postgresql_is_away_while_a_study_is_read(
    tmp_path: Path,
    free_port: Callable[[], int],
    wait_for: Callable[..., None],
    redis_server: RedisServer,
    postgresql: PostgresqlServer,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a worker has read when the server is away is kept until it is back, and costs the study no attempt."""
    # A machine that is busy with other tests may not renew a short lease in time, and that would cost an attempt.
    monkeypatch.setenv("WETREAD_WORKER__LEASE_S", "60")
    house = Stack(
        tmp_path, port=free_port(), broker_url=redis_server.url, archive_port=free_port(), ledger_url=postgresql_url
    )
    write_threshold_model(house.models, slow_rounds=2_000_000)
    house.start("node", "worker")
    try:
        wait_for(house.listening, what="the node listens", deadline_s=60)
        house.send(write_mr_series(tmp_path / "study", slices=12))

        def states() -> list[tuple[JobState, int]]:
            return [(job.state, job.attempts) for job in house.jobs() if job.model_id == "constant-answer"]

        wait_for(lambda: states() == [(JobState.CLAIMED, 1)], what="the job is claimed", deadline_s=90)
        with stopped(postgresql):
            waits = "worker waits for the ledger"
            wait_for(lambda: waits in house.log("worker"), what="there is a read to be recorded", deadline_s=90)
        wait_for(lambda: states() == [(JobState.READ, 1)], what="it is recorded", deadline_s=60)
        assert house.flaws() == []
    finally:
        house.stop()
    assert postgresql.password not in house.log("worker") + house.log("node")
