"""pynetdicom's and pydicom's process-wide switches, set once by whoever opens a node or an archive."""

import contextlib
import logging
import select
import socket
import ssl
from typing import Any

import pydicom.config
from pynetdicom import _config
from pynetdicom.transport import AssociationSocket

_CLOSED = "Evt17"  # PS3.8 9.2.3


def set_switches() -> None:
    """Keep patients out of logs and bytes as they are. Idempotent."""
    # The standard handlers format every message, and these two write a C-FIND's patient into the log.
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    # Its other lines quote whatever a peer sent as a UID or an AE title. What matters is logged by us.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    # pydicom's warning of an invalid value quotes the value.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    # Sends the dataset's bytes from the file: no decoding, no second encoding. pynetdicom would still queue all of them
    # at once; on associations of ours some PDUs wait at a time (`dicom_node.archives.bounded_connection`).
    _config.STORE_SEND_CHUNKED_DATASET = True
    # A bad UID in a request is answered by name (`require_uid` of `dicom_node.datasets.origin`); pynetdicom would end
    # the association without a word.
    _config.VALIDATORS["UI"] = _any_uid
    # pynetdicom 3.0.4 closes a socket only if its shutdown succeeded, and that of a peer that is gone does not: every
    # refused connection would leave a descriptor until a garbage collection finds it.
    AssociationSocket._shutdown_socket = _close  # noqa: SLF001 - nothing public to do it with
    # It asks with `select`, which cannot be asked about descriptors from 1024 on.
    AssociationSocket.ready = property(_ready)


def _close(association_socket: Any) -> None:
    sock = association_socket.socket
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()


def _ready(association_socket: Any) -> bool:
    """Say whether there is something to read, or the peer has closed."""
    sock = association_socket.socket
    if sock is None or not association_socket._is_connected:  # noqa: SLF001 - as pynetdicom's own
        return False
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        there = bool(poll.poll(0))
    except (OSError, ValueError):
        association_socket.event_queue.put(_CLOSED)
        return False
    # Decrypted already, of which the system does not know.
    return there or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)


def _any_uid(_value: object) -> tuple[bool, str]:
    return True, ""
