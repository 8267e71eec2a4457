"""HL7 over MLLP (HL7 v2 transport specification, release 1): a block a message, and an ACK comes back on it."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ops.notifiers.hl7_message import acknowledgement_of, oru_of
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification_records import Answer, Message
from worker.notifying.notification_settings import Hl7Settings

_START, _END = b"\x0b", b"\x1c\x0d"
_LONGEST_ANSWER = 65536
_TAKEN, _WRONG = ("AA", "CA"), ("AE", "CE")


class Mllp:
    """Sends messages to one interface engine."""

    def __init__(self, settings: Hl7Settings) -> None:
        """Take the channel's settings."""
        self._settings = settings

    def tell(self, message: Message) -> Answer:
        """Send it and wait for its ACK, which says that it is received, not that anybody has read it.

        Raises ChannelAway, also for a *reject*, which is about the moment; ChannelRefused for an *error*.
        """
        text = oru_of(message, self._settings)
        try:
            with self._connected() as connection:
                connection.sendall(_START + text.encode() + _END)
                answer = _block(connection, time.monotonic() + self._settings.timeout_s)
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that can be none
            cause = getattr(error, "strerror", None) or type(error).__name__
            raise ChannelAway(f"the interface engine does not answer ({cause}); can this machine reach it?") from error
        return _judged(answer, message.key)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        settings = self._settings
        with socket.create_connection((settings.host, settings.port), timeout=settings.timeout_s) as plain:
            if not settings.tls:
                yield plain
                return
            context = ssl.create_default_context(cafile=settings.ca_file)
            with context.wrap_socket(plain, server_hostname=settings.host) as private:
                yield private


def _block(connection: socket.socket, deadline: float) -> str:
    received = b""
    while _END not in received:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        part = connection.recv(4096)
        if not part:
            raise ConnectionResetError(None, "it closed the connection without an ACK")
        received += part
        if len(received) > _LONGEST_ANSWER:
            raise ChannelAway("the interface engine's answer does not end; is this port MLLP?")
    return received.partition(_END)[0].lstrip(_START).decode("utf-8", "replace")


def _judged(answer: str, control_id: str) -> Answer:
    try:
        said = acknowledgement_of(answer)
    except ValueError as error:
        raise ChannelAway(f"the interface engine sent {error}; is this port HL7 v2 over MLLP?") from error
    if said.control_id != control_id:
        raise ChannelAway("the interface engine acknowledged another message; it is sent again")
    if said.code in _TAKEN:
        return Answer(text=f"acknowledged with {said.code}: received, not read")
    # Not its own words (MSA-3, ERR): they may quote the message.
    if said.code in _WRONG:
        raise ChannelRefused(f"the interface engine answered {said.code}, error: its log says what it does not take")
    raise ChannelAway(f"the interface engine answered {said.code}, reject: it is sent again")
