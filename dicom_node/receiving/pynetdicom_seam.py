"""Where our C-STORE data path sits inside pynetdicom's association.

Negotiation and ACSE stay pynetdicom's. In the state Sta6 (PS3.8 9.2: ready for data transfer) PDUs are read here, with
deadlines; C-STORE requests go straight to the spool, other messages are answered (`store_receiver`), and a
release or an abort is given to pynetdicom. What pynetdicom trips over ends the association and nothing else.
It relies on these private names of pynetdicom 3.0, and a test names the one that moved:

    DULServiceProvider._is_transport_event    called whenever there may be something to read
    DULServiceProvider._read_pdu_data         reads one PDU and queues it with its event
    DULServiceProvider._decode_pdu            makes a PDU object and its event of bytes
    DULServiceProvider._recv_pdu              the queue of PDUs that go with the events
    DULServiceProvider._idle_timer            how long there has been nothing to read
    Timer._start_time, Timer._end_time        what the timers go by (`dicom_node.monotonic_timer`)
    DULServiceProvider._kill_thread           set when its thread is to end
    RequestHandler._create_association        makes the association of a connection
    Association._reactor_checkpoint           holds the association's own thread while it is cleared
    fsm.AA_1, fsm.AA_2                        abort, close (PS3.8 9.2.3)
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from pynetdicom import fsm
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.timer import Timer
from pynetdicom.transport import RequestHandler

from dicom_node.errors import Interrupted, Silent, WireError
from dicom_node.messages.negotiation import legible
from dicom_node.messages.pdata import P_DATA_TF, PDU_HEADER
from dicom_node.monotonic_timer import set_timers
from dicom_node.receiving.reading import Reading
from dicom_node.receiving.wire import PduReader

if TYPE_CHECKING:
    from dicom_node.receiving.store_receiver import StoreReceiver

_log = structlog.get_logger()

#: What the seam relies on, for the test that watches it.
PRIVATE_NAMES: tuple[tuple[Any, str], ...] = (
    (DULServiceProvider, "_is_transport_event"),
    (DULServiceProvider, "_read_pdu_data"),
    (DULServiceProvider, "_decode_pdu"),
    (RequestHandler, "_create_association"),
    (fsm, "AA_1"),
    (fsm, "AA_2"),
)
#: Of an instance, made in its __init__.
PRIVATE_ATTRIBUTES: tuple[tuple[Any, str], ...] = (
    (DULServiceProvider, "_recv_pdu"),
    (DULServiceProvider, "_idle_timer"),
    (Timer, "_start_time"),
    (Timer, "_end_time"),
    (DULServiceProvider, "_kill_thread"),
    (Association, "_reactor_checkpoint"),
)

_IDLE, _DATA_TRANSFER, _CLOSING = "Sta1", "Sta6", "Sta13"  # PS3.8 9.2.1
_CLOSED, _INVALID_PDU = "Evt17", "Evt19"  # PS3.8 9.2.3
_KINDS = range(0x01, 0x08)
_BY_PROVIDER = 0x02  # who aborts (PS3.8 9.3.8)
#: An A-ASSOCIATE-RQ with 128 contexts of 40 transfer syntaxes each has 400 kB.
_LONGEST_ASSOCIATE = 1 << 20
#: How long the next PDU is waited for after a message, before pynetdicom's threads get their turn.
_LINGER_S = 0.1
#: How long an association that rests waits at a time; so long an end, or what we have to say, may be put off.
_REST_S = 0.05


class StoreDul(DULServiceProvider):
    """An upper layer that takes C-STORE requests by itself."""

    def __init__(self, association: Any, reading: Reading) -> None:
        """Take the association, which has its socket already, and what the node says of it."""
        super().__init__(association)
        set_timers(self)
        self._reading = reading
        self._reader: PduReader | None = None
        self._receiver: StoreReceiver | None = None

    def run_reactor(self) -> None:
        """Run until the association is over; what was not complete by then is forgotten."""
        try:
            super().run_reactor()
        except Exception as error:  # noqa: BLE001 - the outermost frame of the thread: the others go on
            _tell_aborted(self.assoc, f"what came has no place in its state ({type(error).__name__})")
            self._break_off()
        finally:
            if self._receiver is not None:
                self._receiver.discard()
            if self._reader is not None:
                self._reader.close()
            # The association's own thread waits for a request for as long as the ACSE timeout, though nobody is there
            # any more: a load balancer's connects would be thousands of threads. None is what a timeout gives it.
            self.to_user_queue.put(None)

    def _break_off(self) -> None:
        """Abort and close, for a thread that ends: whoever waits for the state in which it may end is let go."""
        machine = self.state_machine
        if machine.current_state not in (_IDLE, _CLOSING):
            # pynetdicom may have closed the socket, and with it forgotten it, before it failed.
            with contextlib.suppress(OSError, AttributeError):
                fsm.AA_1(self)
        machine.transition(fsm.AA_2(self))

    def _is_transport_event(self) -> bool:
        if self.state_machine.current_state == _CLOSING:
            return self._close_when_silent()
        if self.state_machine.current_state != _DATA_TRANSFER:
            return bool(super()._is_transport_event())
        # What was passed on is pynetdicom's turn first: it takes its events one a round.
        if not self.event_queue.empty() or self.socket is None or self.socket.socket is None:
            return False
        # The association's own thread would ask a thousand times a second meanwhile, as this one would if it did not
        # wait: forty associations at rest took more than a core.
        self.assoc._reactor_checkpoint.clear()  # noqa: SLF001 - see above
        try:
            turn = self._awaited()
            if turn is None:
                return False
            self._end_with(turn)
            # That thread looks at the timer first, and what was done may have taken longer than the network timeout.
            self._idle_timer.restart()
            return True
        finally:
            self.assoc._reactor_checkpoint.set()  # noqa: SLF001

    def _awaited(self) -> Callable[[], None] | None:
        """Wait a moment; return what takes what came, or what says what the node has to say, or None."""
        to_say = self._receiver is not None and self._receiver.has_to_speak
        try:
            comes = self._connected().readable(0.0 if to_say else _REST_S)
        except OSError:
            self.event_queue.put(_CLOSED)
            return None
        if comes:
            return self._transfer
        return self._speak if to_say else None

    def _speak(self) -> None:
        """Send what the node has to say without having been asked, if the peer is still there."""
        if self._receiver is not None and self.event_queue.empty():
            self._connected().send(self._receiver.unasked())

    def _close_when_silent(self) -> bool:
        """Close, once the peer says no more: closed over unread bytes, a connection loses the abort that was sent."""
        assert self.socket is not None  # noqa: S101  # there was a connection
        # Not taken for PDUs: they would be thousands of wrong ones, each answered with another abort.
        with contextlib.suppress(OSError):
            if self.socket.ready and self._connected().discard():
                return True
        self.socket.close()
        return True

    def _read_pdu_data(self) -> None:
        """Read a PDU of the negotiation; refused before it is read where it is too long."""

        def read() -> None:
            # Of TLS there may be something to read, and none of it a PDU.
            if not self._connected().readable(0.0):
                return
            kind, body = self._pdu(longest=_LONGEST_ASSOCIATE, within_s=self._reading.association_within_s)
            self._pass_on(kind, bytes(body))

        self._end_with(read)

    def _transfer(self) -> None:
        """Take PDUs for as long as they are C-STORE's and keep coming."""
        receiver = self._receiver = self._receiver or self._reading.receiver_of(self.assoc)
        reader = self._connected()
        if not reader.readable(0.0):
            return
        while True:
            kind, body = self._pdu(longest=self._reading.longest_pdu, within_s=self._reading.data_within_s)
            if kind != P_DATA_TF:
                self._pass_on(kind, bytes(body))
                return
            answer = receiver.take(body)
            if answer:
                try:
                    reader.send(answer)
                finally:
                    receiver.answered()
            if receiver.in_message:
                reader.wait(self._reading.data_within_s)
            elif self._interrupted() or not reader.readable(_LINGER_S):
                return

    def _end_with(self, action: Callable[[], None]) -> None:
        """Do it; what goes wrong becomes the event that ends the association (PS3.8 9.2.3)."""
        event = None
        try:
            action()
        except WireError as error:
            event = _INVALID_PDU
            _tell_aborted(self.assoc, str(error))
        except Silent as error:
            # An abort, not a close: a peer that is there learns that its message was not taken.
            event = _INVALID_PDU
            _tell_aborted(self.assoc, str(error))
        except Interrupted:
            pass
        except (EOFError, OSError):
            event = _CLOSED
        if event is not None:
            if self._receiver is not None:
                self._receiver.discard()
            self.event_queue.put(event)

    def _connected(self) -> PduReader:
        if self._reader is None:
            assert self.socket is not None  # noqa: S101  # asked only with a connection
            self._reader = PduReader(self.socket.socket, interrupted=self._interrupted)
        return self._reader

    def _interrupted(self) -> bool:
        # Asked for each PDU: the deque itself, without the queue's lock.
        return self._kill_thread or bool(self.to_provider_queue.queue)

    def _pdu(self, *, longest: int, within_s: float) -> tuple[int, memoryview]:
        kind, body = self._connected().read(longest=longest, within_s=within_s)
        if kind not in _KINDS:
            raise WireError(f"a PDU of the unknown type {kind}")
        return kind, body

    def _pass_on(self, kind: int, body: bytes) -> None:
        try:
            pdu, event = self._decode_pdu(legible(bytearray(PDU_HEADER.pack(kind, 0, len(body)) + body)))
            # What its state machine will do with it, in a thread that would end with whatever this raises.
            pdu.to_primitive()
        except Exception as error:  # pynetdicom raises anything over bytes that are no PDU
            raise WireError(f"a PDU of type {kind} that cannot be read ({type(error).__name__})") from error
        self._recv_pdu.put(pdu)
        self.event_queue.put(event)


def _negotiating(association: Any) -> Callable[[], None]:
    """Return the association's negotiation; what it trips over aborts the association."""
    negotiate = association.acse.negotiate_association

    def negotiate_or_abort() -> None:
        try:
            negotiate()
        except Exception as error:  # noqa: BLE001 - contexts without syntaxes, and whatever else pynetdicom trips over
            abort(association, f"a request that cannot be negotiated ({type(error).__name__})")

    return negotiate_or_abort


def abort(association: Any, reason: str) -> None:
    """Abort an association that is being negotiated, from its own thread."""
    _tell_aborted(association, reason)
    association.acse.send_abort(_BY_PROVIDER)
    association.kill()


def _tell_aborted(association: Any, reason: str) -> None:
    request = association.requestor.primitive
    _log.warning(
        "association aborted",
        address=association.requestor.address,
        calling_ae_title="" if request is None else request.calling_ae_title,
        reason=reason,
    )


def handler_class(reading: Reading) -> type[RequestHandler]:
    """Return what makes associations of accepted connections, with our upper layer."""

    class Handler(RequestHandler):
        """Makes associations with our upper layer."""

        def _create_association(self) -> Association:
            association = super()._create_association()
            theirs = association.dul
            association.dul = StoreDul(association, reading)
            # That a connection came is in its queue already.
            association.dul.socket, association.dul.event_queue = theirs.socket, theirs.event_queue
            # Set once more: the association gave them to the upper layer that it was made with.
            association.acse_timeout = association.acse_timeout
            association.network_timeout = association.network_timeout
            association.acse.negotiate_association = _negotiating(association)
            return association

    return Handler
