"""Requests over HTTP within bounds: requests itself reads any size, unpacked, and for any time.

Its own timeout begins anew with each byte of an answer, of the head too; and a whole body must have left within one.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

#: Of what a service answers to us, nothing comes near: a status for one instance, or a list of some studies.
MOST_BYTES = 16 << 20
#: Objects, lists, values and elements in its JSON or XML: parsed, each is a hundred times as much as the byte it begins
#: with. A backslash separates values too. A list of five thousand studies has as many.
MOST_THINGS = 500_000
_BEGIN = (b"{", b"[", b",", b"<", b"\\")
#: One piece, sent, or unpacked. Small, so that what is packed tightly is seen before it is large.
_PIECE = 1 << 16


class BodyTooLarge(requests.RequestException):
    """The body of an answer is larger than it may be, or has more in it; the words say what."""


def read_body(answer: requests.Response, *, seconds: float, most_bytes: int = MOST_BYTES) -> None:
    """Read the body of an answer of which the head has come; `answer.content` is it from then on.

    Args:
        answer: As it comes to a hook, before requests reads it.
        seconds: For all of the body.
        most_bytes: After decompression.

    Raises BodyTooLarge, requests.Timeout, or another RequestException where it breaks off. Its connection is
    closed then.
    """
    pieces, size, things = [], 0, 0
    try:
        with _cut_off(lambda _: answer.raw.shutdown(), seconds, requests.Timeout):
            for piece in answer.iter_content(_PIECE):
                size += len(piece)
                things += sum(piece.count(mark) for mark in _BEGIN)
                _require_room(size, most_bytes, things)
                pieces.append(piece)
    except BaseException:
        answer.close()
        raise
    answer._content, answer._content_consumed = b"".join(pieces), True  # noqa: SLF001  # there is no other way


def _require_room(size: int, most_bytes: int, things: int) -> None:
    if size > most_bytes:
        raise BodyTooLarge(f"more than {most_bytes >> 20} MiB")
    if things > MOST_THINGS:
        raise BodyTooLarge(f"more than {MOST_THINGS} values")


class TimedAdapter(HTTPAdapter):
    """Requests' own way to a server, but the head of an answer has all of its timeout, not each byte of it.

    And each piece of what is sent has one of its own: how long all of it takes is a matter of its size.
    """

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pool of connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


class _TimedHead:
    """Of a connection of urllib3: `timeout` and `sock` are its own."""

    def send(self, data: Any) -> None:
        """Send bytes, or what else it takes as it is. Raises OSError; TimeoutError is one."""
        connection: Any = super()
        if not isinstance(data, bytes):
            connection.send(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            connection.send(view[start : start + _PIECE])

    def getresponse(self) -> Any:
        """Return the answer when its head has come. Raises OSError."""
        connection: Any = super()
        with _cut_off(self.sock.shutdown, self.timeout, TimeoutError):  # type: ignore[attr-defined]
            return connection.getresponse()


class _PlainConnection(_TimedHead, HTTPConnection):
    pass


class _TlsConnection(_TimedHead, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@contextmanager
def _cut_off(shut: Callable[[int], object], seconds: float, late: type[Exception]) -> Iterator[None]:
    """Shut a connection after so many seconds, and raise `late` then, whatever came of that."""
    over = threading.Event()

    def end() -> None:
        over.set()
        with suppress(OSError, ValueError, RuntimeError):  # all of it has just come
            shut(socket.SHUT_RD)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if over.is_set():
            raise late from error
        raise
    finally:
        timer.cancel()
    if over.is_set():
        raise late
