"""Rows 13 and 14: many connects, and a disk that takes its time, against a real `wetread node` process."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.a_node import ANode
from tests.faults.wire_bytes import RELEASE_RP, RELEASE_RQ, RawPeer, pdu
from tests.unit.dicom_node.instances import dataset, encode

#: What a burst leaves to the allocator: the same after a thousand connects and after a hundred thousand.
TIDES_KIB = 16 << 10


@pytest.fixture
def node(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[ANode]:
    """A node; after the test it is the same process, and answers."""
    with ANode(tmp_path / "node", free_port(), acse_timeout_s=1.0, network_timeout_s=1.5) as running:
        pid = running.pid
        yield running
        assert running.answers()
        assert running.pid == pid
        assert "Traceback" not in running.log()


def connect_and_close(node: ANode, times: int) -> None:
    """Do as a load balancer does that asks whether a port is open, with every way of closing."""
    for number in range(times):
        peer = socket.create_connection(("127.0.0.1", node.peer.port), timeout=60)
        if number % 3 == 1:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 3 == 2:
            peer.shutdown(socket.SHUT_WR)
        peer.close()


def costs_stay_flat(node: ANode, times: int, wait_for: Callable[..., None], *, warm: int) -> None:
    """Hold that so many connects cost no descriptor, no thread, and no memory beyond the allocator's own tides.

    A connection that is forgotten as a whole costs tens of KiB, so that a leak shows within a thousand of them.
    """
    connect_and_close(node, warm)  # what is made once is made by now
    descriptors, threads, memory_kib = settled(node, wait_for)
    connect_and_close(node, times)
    wait_for(lambda: node.descriptors() <= descriptors and node.threads() <= threads, what="as few as before")
    assert node.resident_kib() - memory_kib < TIDES_KIB


def settled(node: ANode, wait_for: Callable[..., None]) -> tuple[int, int, int]:
    """Return descriptors, threads and KiB once nothing of earlier connections is left."""
    smallest = [(node.descriptors(), node.threads())]

    def unchanged() -> bool:
        smallest.append((node.descriptors(), node.threads()))
        return len(smallest) > 20 and len(set(smallest[-20:])) == 1

    wait_for(unchanged, what="the node is calm")
    return *smallest[-1], node.resident_kib()


def test_row_13_thousands_of_connects_and_closes_cost_nothing(node: ANode, wait_for: Callable[..., None]) -> None:
    """3000 of them leave memory, threads and descriptors as they were."""
    costs_stay_flat(node, 3000, wait_for, warm=1000)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_row_13_a_hundred_thousand_connects_and_closes_cost_nothing(node: ANode, wait_for: Callable[..., None]) -> None:
    """The same for as long as a weekend's health checks."""
    costs_stay_flat(node, 100_000, wait_for, warm=10_000)


def test_row_14_an_answer_that_takes_longer_than_the_network_timeout_still_arrives(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """A disk three times as slow as the timeout: each instance is answered with success, on one association."""
    program = (str(Path(__file__).with_name("slow_node.py")), "3.0")
    with ANode(tmp_path / "slow", free_port(), program=program, network_timeout_s=1.0, dimse_timeout_s=1.0) as slow:
        with RawPeer(slow.peer.port).associate() as peer:
            for number in range(2):
                uid = f"1.2.14.{number}"
                began = time.monotonic()
                peer.store(encode(dataset(SOPInstanceUID=uid)), sop_instance=uid)
                assert peer.status() == 0
                assert time.monotonic() - began > 2.0
            peer.send(pdu(RELEASE_RQ, bytes(4)))
            assert peer.read()[0] == RELEASE_RP
        assert len(slow.files()) == 2
