"""Connections accepted: from a socket that other processes accept from too, where there are not too many already."""

import socket
import threading
import time
from collections.abc import Callable
from socketserver import BaseServer
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

from dicom_node.admitting.crowd import Crowd, Place, place_of
from dicom_node.receiving.pynetdicom_seam import StoreDul, handler_class
from dicom_node.receiving.reading import Reading

Admit = Callable[[socket.socket, str], socket.socket | None]
"""Given a connection and its caller's address: what to speak DICOM over, or None where it was closed."""


def _as_it_is(connection: socket.socket, _address: str) -> socket.socket:
    return connection


def server_class(
    reading: Reading, listening: socket.socket, admit: Admit = _as_it_is
) -> type[ThreadedAssociationServer]:
    """Return a server for `AE.make_server` whose associations take C-STORE requests through the seam.

    It accepts from a socket that listens already, and never waits, for other processes accept from it too.
    `admit` is called in a thread of the connection's own: whatever it waits for, others are accepted meanwhile.
    """

    class Server(ThreadedAssociationServer):
        """Accepts connections for the node."""

        def __init__(self, *arguments: Any, **values: Any) -> None:
            self._crowd = Crowd(
                reading.most_connections, _running, shares_port=reading.shares_port, strange=reading.is_strange
            )
            super().__init__(*arguments, request_handler=handler_class(reading), **values)

        def server_bind(self) -> None:
            """Take the socket that listens in place of the one that was made for the address."""
            self.server_close()
            self.socket = listening
            self.server_address = self.socket.getsockname()

        def server_activate(self) -> None:
            """Leave it as it is."""

        def get_request(self) -> Any:
            """Accept, after the idler ones of the processes that share the port.

            The caller's address is one that logs, records and `hosts` have in common: not ::ffff:192.0.2.7.
            """
            time.sleep(self._crowd.deference_s)
            connection, client_address = super().get_request()
            return connection, place_of(client_address)

        def process_request(self, request: Any, client_address: Any) -> None:
            """Give an accepted connection a thread of its own, where there are not too many."""
            if self._crowd.enter(place_of(client_address)):
                super().process_request(request, client_address)
            else:
                self.shutdown_request(request)

        def process_request_thread(self, request: Any, client_address: Any) -> None:
            """Speak DICOM with an accepted connection, in its thread."""
            try:
                connection = admit(request, str(client_address[0]))
                if connection is not None:
                    super().process_request_thread(connection, client_address)
            finally:
                self._crowd.entered(place_of(client_address))

        def shutdown(self) -> None:
            """Accept nobody more. pynetdicom's own looks for this server in a list that `make_server` does not fill."""
            BaseServer.shutdown(self)
            self.server_close()

    return Server


def connected() -> set[Any]:
    """Return the connections of this process that are associations, are becoming one, or end.

    Of the two threads of each the upper layer's starts later, and may end later.
    """
    threads = threading.enumerate()
    associations = {thread.assoc for thread in threads if isinstance(thread, StoreDul)}
    return associations.union(thread for thread in threads if isinstance(getattr(thread, "dul", None), StoreDul))


def _running() -> dict[Place, bool]:
    """Return the places of all that are connected; True for associations."""
    return {
        place_of((association.requestor.address, association.requestor.port)): bool(association.is_established)
        for association in connected()
    }
