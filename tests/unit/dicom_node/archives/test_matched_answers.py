"""An answer goes to who asked for it, and to nobody else; over an association with a real peer."""

import queue
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_ECHO, C_FIND
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined,unused-ignore]  # made at import

from dicom_node.archives.matched_answers import MatchedAnswers
from dicom_node.archives.requestor import Requestor
from dicom_node.monotonic_timer import MonotonicTimer
from dicom_node.settings import Peer

CONTEXT = 1


@pytest.fixture
def peer(free_port: Callable[[], int]) -> Iterator[Peer]:
    """A peer that answers C-ECHO."""
    port = free_port()
    entity = AE(ae_title="ARCHIVE")
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", port), block=False)
    yield Peer(ae_title="ARCHIVE", host="127.0.0.1", port=port)
    server.shutdown()


@pytest.fixture
def association(peer: Peer) -> Iterator[Any]:
    """An association of ours with it."""
    with Requestor(peer=peer, calling_ae_title="TEST", dimse_timeout_s=5).associate([(Verification, None)]) as opened:
        yield opened


@pytest.fixture
def dimse(association: Any) -> MatchedAnswers:
    """Its DIMSE, held still: pynetdicom's own thread does not look at messages here, the test does it in its place."""
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        threading.Event().wait(0.01)
    assert isinstance(association.dimse, MatchedAnswers)
    made: MatchedAnswers = association.dimse
    return made


def answer(message_id: int, status: int = 0x0000, kind: type[Any] = C_ECHO) -> tuple[int, Any]:
    """Return an answer to the request with this Message ID, as it stands in the queue."""
    message = kind()
    message.MessageIDBeingRespondedTo = message_id
    message.Status = status
    return CONTEXT, message


def ask(dimse: MatchedAnswers, message_id: int) -> None:
    """Make a request; the peer's own answer is waited for and dropped, for the test gives others."""
    request = C_ECHO()
    request.MessageID = message_id
    request.AffectedSOPClassUID = Verification
    dimse.send_msg(request, CONTEXT)
    dimse.msg_queue.get(timeout=5)


def test_an_association_of_ours_has_them_and_timers_that_do_not_jump(association: Any) -> None:
    """From the moment that its connection is open."""
    assert isinstance(association.dimse, MatchedAnswers)
    assert isinstance(association.dul.artim_timer, MonotonicTimer)
    assert isinstance(association.dul._idle_timer, MonotonicTimer)
    assert association.dul._idle_timer._start_time is not None
    assert association.send_c_echo().Status == 0x0000


def test_while_an_answer_is_waited_for_the_other_thread_takes_nothing(dimse: MatchedAnswers) -> None:
    """However far it has come: the answer is there for who asked."""
    ask(dimse, 7)
    dimse.msg_queue.put(answer(7))
    assert dimse.get_msg() == (None, None)
    context_id, message = dimse.get_msg(block=True)
    assert (context_id, message.MessageIDBeingRespondedTo) == (CONTEXT, 7)


def test_after_the_last_answer_it_takes_what_comes(dimse: MatchedAnswers) -> None:
    """Requests of the peer are served by it; an answer that nobody waits for is dropped by it."""
    ask(dimse, 7)
    dimse.msg_queue.put(answer(7))
    dimse.get_msg(block=True)
    request = C_ECHO()
    request.MessageID = 1
    dimse.msg_queue.put((CONTEXT, request))
    assert dimse.get_msg() == (CONTEXT, request)


def test_a_pending_answer_is_not_the_last(dimse: MatchedAnswers) -> None:
    """A C-FIND has many."""
    ask(dimse, 3)
    for status in (0xFF00, 0xFF01, 0x0000):
        dimse.msg_queue.put(answer(3, status, C_FIND))
    statuses = []
    while dimse.get_msg() == (None, None) and len(statuses) < 3:
        statuses.append(dimse.get_msg(block=True)[1].Status)
    assert statuses == [0xFF00, 0xFF01, 0x0000]


def test_an_answer_to_another_request_is_not_taken_for_this_ones(dimse: MatchedAnswers) -> None:
    """A peer that answers twice would have said of the next instance that it is stored."""
    ask(dimse, 8)
    dimse.msg_queue.put(answer(7, 0x0000))
    dimse.msg_queue.put(answer(8, 0xA700))
    assert dimse.get_msg(block=True)[1].Status == 0xA700


def test_a_request_meanwhile_is_given_to_who_waits(dimse: MatchedAnswers) -> None:
    """The C-STORE requests of a C-GET."""
    ask(dimse, 8)
    request = C_ECHO()
    request.MessageID = 8
    dimse.msg_queue.put((CONTEXT, request))
    assert dimse.get_msg(block=True) == (CONTEXT, request)
    assert dimse.get_msg() == (None, None)


@pytest.mark.timeout(60)
def test_a_connection_that_ended_is_not_waited_for(association: Any, dimse: MatchedAnswers) -> None:
    """The timeout is ten minutes, and nobody is left who could answer."""
    dimse.assoc.dimse_timeout = 600
    ask(dimse, 8)
    association._reactor_checkpoint.set()
    association.abort()
    dimse.msg_queue.queue.clear()
    assert dimse.get_msg(block=True) == (None, None)


def test_no_answer_within_the_timeout_is_none(dimse: MatchedAnswers) -> None:
    """And the next request is one again."""
    dimse.assoc.dimse_timeout = 0.2
    ask(dimse, 8)
    assert dimse.get_msg(block=True) == (None, None)
    dimse.msg_queue.put(answer(8))
    assert dimse.get_msg() != (None, None)


def test_the_timeout_begins_when_the_request_has_left() -> None:
    """A peer that takes a large object slowly has nothing to answer yet."""
    unsent: queue.Queue[int] = queue.Queue()
    for number in range(6):
        unsent.put(number)
    upper_layer = SimpleNamespace(to_provider_queue=unsent, is_alive=lambda: True)
    dimse = MatchedAnswers(SimpleNamespace(dimse_timeout=0.5, dul=upper_layer))

    def send() -> None:
        while not unsent.empty():
            threading.Event().wait(0.2)
            unsent.get()
        dimse.msg_queue.put(answer(7))

    threading.Thread(target=send).start()
    dimse._asked = 7
    assert dimse.get_msg(block=True) != (None, None)


def test_a_request_that_does_not_leave_has_no_answer() -> None:
    """However much of it waits."""
    unsent: queue.Queue[int] = queue.Queue()
    unsent.put(1)
    upper_layer = SimpleNamespace(to_provider_queue=unsent, is_alive=lambda: True)
    dimse = MatchedAnswers(SimpleNamespace(dimse_timeout=0.2, dul=upper_layer))
    assert dimse.get_msg(block=True) == (None, None)
