"""A connection that pynetdicom reads and writes, with bounds: no peer keeps a thread for ever, or fills the memory.

pynetdicom takes the timeout away once a connection is open, reads as many bytes as a PDU claims to have, and queues a
whole message before it sends the first of it. A peer that stops inside a PDU would hold the thread that reads, and with
it everybody who waits for that thread's end.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pynetdicom.fsm import InvalidEventError
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

from dicom_node.messages.negotiation import legible

#: Longer than any PDU that a peer may send us; what claims to be longer is not read.
LONGEST_PDU = 4 << 20
#: Longer than any PDU that we send: a peer that takes any length would get an object as one.
LONGEST_SENT = 1 << 20
#: A peer that takes no PDU of this length is told nothing: of a few bytes nothing is left behind the headers.
SHORTEST_SENT = 128
#: What waits to be sent, in PDUs; more of a message is read from its file only as these leave.
MOST_QUEUED = 64
_LOOK_S = 0.002


def outgoing_pdu(peer_takes: int) -> int:
    """Return how long the PDUs are that we send, of what the peer takes (PS3.8 D.1); 0 is any length."""
    return min(peer_takes or LONGEST_SENT, LONGEST_SENT)


def bound(association: Any, within_s: float) -> None:
    """Bound the connection of an association that has just opened, before anything goes over it.

    A PDU's header and its body each take `within_s` seconds at most, and so does a piece that the peer does not take:
    then the connection counts as closed (Evt17, PS3.8 9.2.3), as it does where a PDU is longer than LONGEST_PDU.
    """
    upper_layer = association.dul
    connection = upper_layer.socket
    connection.socket.settimeout(within_s)
    connection.recv = partial(_received, connection, within_s)
    upper_layer._decode_pdu = partial(_decoded, upper_layer._decode_pdu)  # noqa: SLF001 - see `dicom_node.receiving.pynetdicom_seam`
    upper_layer.send_pdu = partial(_send_in_turn, upper_layer, upper_layer.send_pdu)
    machine = upper_layer.state_machine
    machine.do_action = partial(_acted, upper_layer, machine.do_action)


def _acted(upper_layer: Any, act: Callable[[str], None], event: str) -> None:
    """Do what an event asks for; where its state knows none such, end the thread as that error would, but silently.

    A request of ours that meets a peer which has just been left (PS3.8 9.2.2, state 13): whoever made it hears that.
    """
    try:
        act(event)
    except InvalidEventError:
        upper_layer.kill_dul()
        upper_layer.socket.close()


def _decoded(decode: Callable[[bytearray], Any], pdu: bytearray) -> Any:
    decoded, event = decode(legible(pdu))
    if not isinstance(decoded, P_DATA_TF):
        # What the state machine will do with it, in a thread that would end with whatever this raises.
        decoded.to_primitive()
    return decoded, event


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


def _send_in_turn(upper_layer: Any, send_pdu: Any, primitive: Any) -> None:
    """Queue a primitive; data waits until there is room, and is dropped where nobody is left to send it."""
    if isinstance(primitive, P_DATA):
        while upper_layer.is_alive() and upper_layer.to_provider_queue.qsize() >= MOST_QUEUED:
            time.sleep(_LOOK_S)
        if not upper_layer.is_alive():
            return
    send_pdu(primitive)
