"""The node of the rows of the wire: short deadlines, small PDUs; and that a test has left it as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.a_node import ANode
from tests.faults.wire_bytes import RawPeer

ACSE_S, NETWORK_S = 2.0, 2.5
#: A deadline that was kept, on a machine that is busy with other things.
SLACK_S = 8.0
#: The deadlines of a node that must end a connection without waiting for any of them, and sooner than all of them.
PATIENT_S, AT_ONCE_S = 60.0, 30.0
LONGEST_PDU = 16384


def wire_node(folder: Path, port: int, *, acse_s: float = ACSE_S, network_s: float = NETWORK_S) -> ANode:
    """Return a node that is not started yet."""
    return ANode(
        folder,
        port,
        acse_timeout_s=acse_s,
        network_timeout_s=network_s,
        dimse_timeout_s=network_s,
        max_pdu_bytes=LONGEST_PDU,
        max_associations=64,
    )


@contextmanager
def unharmed(node: ANode, wait_for: Callable[..., None]) -> Iterator[None]:
    """Hold that the node lives afterwards, answers, and has the connections that it had."""
    before = node.descriptors(), node.pid
    yield
    assert node.alive()
    assert node.answers()
    assert node.pid == before[1]
    wait_for(lambda: node.descriptors() <= before[0], what="every connection is closed")
    assert [file for file in node.files() if file.suffix == ".part"] == []


def raw(node: ANode) -> RawPeer:
    """Connect to the node."""
    return RawPeer(node.peer.port)
