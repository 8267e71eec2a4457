"""A connection that pynetdicom reads and writes, with bounds: no peer keeps a thread for ever, or fills the memory.

pynetdicom takes the timeout away once a connection is open, and reads as many bytes as a PDU claims to have. A peer
that stops inside a PDU would hold the thread that reads, and with it everybody who waits for that thread's end.
"""

import time
from functools import partial
from typing import Any

#: Longer than any PDU that a peer may send us; what claims to be longer is not read.
LONGEST_PDU = 4 << 20


def bound(association: Any, within_s: float) -> None:
    """Bound the connection of an association that has just opened, before anything goes over it.

    A PDU's header and its body each take `within_s` seconds at most, and so does a piece that the peer does not take:
    then the connection counts as closed (Evt17, PS3.8 9.2.3), as it does where a PDU is longer than LONGEST_PDU.
    """
    connection = association.dul.socket
    connection.socket.settimeout(within_s)
    connection.recv = partial(_received, connection, within_s)


def _received(connection: Any, within_s: float, count: int) -> bytearray:
    """Read so many bytes, or fewer where the peer has closed. Raises OSError; TimeoutError is one."""
    if count > LONGEST_PDU:
        raise OSError(f"a PDU that claims {count} bytes, {LONGEST_PDU} are the most")
    # Taken once: who ends the association sets it to None meanwhile.
    raw = connection.socket
    deadline = time.monotonic() + within_s
    data = bytearray(count)
    view, start = memoryview(data), 0
    try:
        while start < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the peer stopped in the middle of a PDU")
            raw.settimeout(left)
            taken = raw.recv_into(view[start:])
            if not taken:
                break
            start += taken
    finally:
        view.release()
        raw.settimeout(within_s)
    del data[start:]
    return data
