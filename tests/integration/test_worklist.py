"""A real modality worklist is asked for the priority of an order."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_node.archives.worklist import Worklist
from dicom_node.errors import ArchiveUnreachable, NodeError
from dicom_node.settings import Peer
from tests.worklist_server import WorklistServer


@pytest.fixture
def server(tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]) -> Iterator[WorklistServer]:
    """A worklist with the orders of two patients under one accession number, and some of others."""
    started = WorklistServer(tmp_path / "worklist", free_port())
    started.order("ACC1", "TEST-1", "STAT")
    started.order("ACC1", "TEST-2", "LOW")
    started.order("ACC2", "TEST-1", "ROUTINE")
    started.order("ACC3", "", "HIGH")
    started.order("ACC4", "TEST-1", "")
    started.start()
    wait_for(lambda: _listens(started.port), what="the worklist listens")
    yield started
    started.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ask(port: int, *, within_s: float = 30.0, called: str = WorklistServer.ae_title) -> Worklist:
    return Worklist(Peer(ae_title=called, host="127.0.0.1", port=port), "WETREAD", within_s=within_s)


def test_an_orders_priority_is_found(server: WorklistServer) -> None:
    """By accession number, of this patient only; what names no patient counts, and what says nothing does not."""
    worklist = _ask(server.port)
    assert worklist.priorities("ACC1", "TEST-1") == ["STAT"]
    assert worklist.priorities("ACC2", "TEST-1") == ["ROUTINE"]
    assert worklist.priorities("ACC3", "TEST-1") == ["HIGH"]
    assert worklist.priorities("ACC4", "TEST-1") == []
    assert worklist.priorities("ACC9", "TEST-1") == []


@pytest.mark.parametrize("number", ["", "ACC*", "ACC?", "ACC1\\ACC2", "Überweisung"])
def test_what_could_match_other_orders_is_not_asked(server: WorklistServer, number: str) -> None:
    """Wildcards (PS3.4 C.2.2.2) come from outside, in an image; nothing goes over the wire for them."""
    server.stop()
    assert _ask(server.port).priorities(number, "TEST-1") == []


def test_a_worklist_that_is_silent_is_left(free_port: Callable[[], int]) -> None:
    """A question takes no longer than it may, and one that nobody answers is an error that names the worklist."""
    with socket.create_server(("127.0.0.1", free_port())) as silent:  # the kernel takes the call, and nobody answers
        port = silent.getsockname()[1]
        begun = time.monotonic()
        with pytest.raises(NodeError, match="RIS"):
            _ask(port, within_s=1.0).priorities("ACC1", "TEST-1")
        assert time.monotonic() - begun < 30
    with pytest.raises(ArchiveUnreachable, match="RIS"):
        _ask(port).priorities("ACC1", "TEST-1")
