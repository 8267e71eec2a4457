"""A request is not made before the reactor stands still."""

import threading
import time
from collections.abc import Callable
from queue import Empty, Queue

import pytest

from dicom_node.reactor_checkpoint import ReactorCheckpoint


class Reactor(threading.Thread):
    """Does as pynetdicom's: passes its checkpoint, is held up by a busy machine, and takes what there is."""

    def __init__(self, make: Callable[[threading.Thread], threading.Event]) -> None:
        """Take what makes the checkpoint; it stands open."""
        super().__init__(daemon=True)
        self.answers: Queue[str] = Queue()
        self.taken: list[str] = []
        self.passed, self.ends = threading.Event(), threading.Event()
        self.checkpoint = make(self)
        self.checkpoint.set()

    def run(self) -> None:
        """Look for messages until it is to end."""
        while not self.ends.is_set():
            self.checkpoint.wait()
            self.passed.set()
            time.sleep(0.2)  # long enough for a whole round trip
            try:
                self.taken.append(self.answers.get_nowait())
            except Empty:
                continue


def taken_by_the_reactor(make: Callable[[threading.Thread], threading.Event]) -> list[str]:
    """Stop a reactor right after it passed; return what it takes of the answer that comes then."""
    reactor = Reactor(make)
    reactor.start()
    assert reactor.passed.wait(5)
    reactor.checkpoint.clear()
    reactor.answers.put("our answer")
    time.sleep(0.5)
    taken = list(reactor.taken)
    reactor.ends.set()
    reactor.checkpoint.set()
    reactor.join(5)
    return taken


def test_a_reactor_that_has_passed_takes_no_answer_of_ours() -> None:
    """It comes round to the checkpoint before `clear` returns."""
    assert taken_by_the_reactor(ReactorCheckpoint) == []


def test_a_plain_event_lets_it() -> None:
    """What this is for: pynetdicom's own checkpoint is such an event."""
    assert taken_by_the_reactor(lambda _reactor: threading.Event()) == ["our answer"]


@pytest.mark.timeout(20)
def test_a_reactor_that_is_over_is_not_waited_for() -> None:
    """It never comes to its checkpoint."""
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    ReactorCheckpoint(ended).clear()


@pytest.mark.timeout(20)
def test_a_reactor_that_stops_itself_goes_on() -> None:
    """What serves a message of the peer may ask something in turn."""
    checkpoint = ReactorCheckpoint(threading.current_thread())
    checkpoint.clear()
    assert not checkpoint.is_set()
    assert not checkpoint.wait(0.01)
    checkpoint.set()
    assert checkpoint.wait(0.01)
