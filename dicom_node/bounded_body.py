"""The body of an answer over HTTP, read within bounds: requests itself reads any size, unpacked, and for any time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import requests

#: Of what a service answers to us, nothing comes near: a status for one instance, or a list of some studies.
MOST_BYTES = 16 << 20
#: One piece, unpacked. Small, so that what is packed tightly is seen before it is large.
_PIECE = 1 << 16


class BodyTooLarge(requests.RequestException):
    """The body of an answer is larger than it may be."""


def read_body(answer: requests.Response, *, seconds: float, most_bytes: int = MOST_BYTES) -> None:
    """Read the body of an answer of which the head has come; `answer.content` is it from then on.

    Args:
        answer: As it comes to a hook, before requests reads it.
        seconds: For all of the body; requests' own timeout begins anew with each byte.
        most_bytes: After decompression.

    Raises BodyTooLarge, requests.Timeout, or another RequestException where it breaks off. Its connection is
    closed then.
    """
    pieces, size = [], 0
    try:
        with _cut_off(answer, seconds):
            for piece in answer.iter_content(_PIECE):
                size += len(piece)
                _require_room(size, most_bytes)
                pieces.append(piece)
    except BaseException:
        answer.close()
        raise
    answer._content, answer._content_consumed = b"".join(pieces), True  # noqa: SLF001  # there is no other way


def _require_room(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise BodyTooLarge


@contextmanager
def _cut_off(answer: requests.Response, seconds: float) -> Iterator[None]:
    """Shut the connection after so many seconds, and raise requests.Timeout then, whatever came of that."""
    over = threading.Event()

    def shut() -> None:
        over.set()
        with suppress(OSError, ValueError, RuntimeError):  # all of it has just come
            answer.raw.shutdown()

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except requests.RequestException as error:
        if over.is_set():
            raise requests.Timeout from error
        raise
    finally:
        timer.cancel()
    if over.is_set():
        raise requests.Timeout
