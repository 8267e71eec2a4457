"""What is changed in pynetdicom for the whole process."""

import fcntl
import queue
import resource
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from pynetdicom.transport import AssociationSocket

from dicom_node.pynetdicom_switches import set_switches

ABOVE = 1100


@pytest.fixture
def many_descriptors() -> Any:
    """Descriptors above those that `select` knows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard <= ABOVE:
        pytest.skip(f"this system gives a process {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ABOVE + 10), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_connection_with_a_high_descriptor_is_read() -> None:
    """Nothing, something, the end; what is closed here is told as an event."""
    set_switches()
    near, far = socket.socketpair()
    high = socket.socket(fileno=fcntl.fcntl(near.fileno(), fcntl.F_DUPFD, ABOVE))
    near.close()
    events: queue.Queue[str] = queue.Queue()
    connection = AssociationSocket(SimpleNamespace(dul=SimpleNamespace(event_queue=events)), client_socket=high)
    assert events.get_nowait() == "Evt5"
    assert not connection.ready
    far.sendall(b"x")
    assert connection.ready
    assert high.recv(1) == b"x"
    far.close()
    assert connection.ready
    assert events.empty()
    high.close()
    assert not connection.ready
    assert events.get_nowait() == "Evt17"
