"""The thread that sends: the oldest first, each until it is taken, by one process at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ops.audit.outgoing import Outgoing
from ops.audit.sending import Sender
from ops.audit.syslog_message import AuditAway, Outward


class Repository:
    """What takes messages, or not."""

    def __init__(self) -> None:
        self.away = False
        self.tries = 0
        self.taken: list[bytes] = []

    def send(self, messages: Sequence[Outward]) -> None:
        """Take them."""
        self.tries += 1
        if self.away:
            raise AuditAway("nobody is there")
        self.taken += [message.xml for message in messages]


@pytest.fixture
def outgoing(tmp_path: Path) -> Outgoing:
    """Where messages wait."""
    return Outgoing(tmp_path / "outgoing", max_bytes=1 << 20)


def test_what_waits_is_sent_in_order_and_gone(outgoing: Outgoing, wait_for: Callable[..., None]) -> None:
    """What was there before, what another process writes, and what comes last, before the thread ends."""
    expected = [b"<%d/>" % number for number in range(250)]
    for message in expected:
        outgoing.put(message, severity=5)
    repository = Repository()
    sender = Sender(outgoing, repository)
    sender.start()
    wait_for(lambda: len(repository.taken) == 250, what="all of them")
    outgoing.put(b"<of another process/>", severity=5)
    wait_for(lambda: len(repository.taken) == 251, what="what nobody told it of")
    outgoing.put(b"<last/>", severity=5)
    sender.stop(60)
    assert repository.taken == [*expected, b"<of another process/>", b"<last/>"]
    assert outgoing.waiting() == []


def test_a_repository_that_is_away_is_asked_again(outgoing: Outgoing, wait_for: Callable[..., None]) -> None:
    """Not at each message: the waits grow; what waits stays until it is taken."""
    repository = Repository()
    repository.away = True
    sender = Sender(outgoing, repository)
    outgoing.put(b"<a/>", severity=5)
    sender.start()
    wait_for(lambda: repository.tries, what="the first try")
    for _ in range(50):
        outgoing.put(b"<b/>", severity=5)
        sender.wake()
    assert repository.tries < 5
    assert len(outgoing.waiting()) == 51
    repository.away = False
    wait_for(lambda: len(repository.taken) == 51, what="all of them")
    sender.stop(60)


def test_a_message_that_cannot_be_read_holds_nobody(outgoing: Outgoing, wait_for: Callable[..., None]) -> None:
    """It stays, is told once, and the others go."""
    (outgoing.folder / f"{0:020d}-1-1-5@elsewhere.xml").mkdir(parents=True)
    repository = Repository()
    sender = Sender(outgoing, repository)
    outgoing.put(b"<a/>", severity=5)
    sender.start()
    wait_for(lambda: repository.taken == [b"<a/>"], what="the other one")
    sender.stop(60)
    assert len(outgoing.waiting()) == 1


def test_a_second_process_waits_for_the_first(outgoing: Outgoing, wait_for: Callable[..., None]) -> None:
    """And sends from then on."""
    repository = Repository()
    sender = Sender(outgoing, repository)
    with outgoing.sole_sender() as ours:
        assert ours
        outgoing.put(b"<a/>", severity=5)
        sender.start()
        sender.wake()
        assert repository.tries == 0
    wait_for(lambda: repository.taken == [b"<a/>"], what="its turn")
    sender.stop(60)
