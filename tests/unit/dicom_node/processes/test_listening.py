"""Ports of the node, and what is told where one cannot be had."""

import errno
import os
import socket

import pytest

from dicom_node.errors import ListenFailed
from dicom_node.processes.listening import listen
from dicom_node.settings import NodeSettings


def test_an_address_of_another_machine_is_told() -> None:
    """Nobody else has the port: the address is wrong."""
    with pytest.raises(ListenFailed, match=r"is `node\.host` an address"):
        listen(NodeSettings(host="203.0.113.9", port=11112))


def test_a_port_that_another_has_is_told() -> None:
    """The address is right."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(ListenFailed, match="does another node, or another program, run there"),
    ):
        listen(NodeSettings(port=other.getsockname()[1]))


def test_a_port_that_is_not_for_everybody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """DICOM's own port, 104, is one."""

    def refuse(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ListenFailed, match="CAP_NET_BIND_SERVICE"):
        listen(NodeSettings(port=104))
