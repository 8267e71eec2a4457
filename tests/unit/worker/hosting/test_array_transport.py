"""Arrays between processes: nothing is lost, nothing stays behind, and what is no message is said to be none."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.hosting.array_transport import TransportError, receive, send

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
        np.arange(20, dtype=np.uint8)[::3],
        np.array(7.5),
        np.zeros((0, 5), np.uint16),
        np.array([True, False]),
    ],
    ids=["plain", "fortran", "strided", "scalar", "empty", "bool"],
)
def test_an_array_arrives_as_it_was(pair: Pair, array: NDArray[Any]) -> None:
    """Values, dtype and shape are the same on the other side, however the array lay in memory."""
    send(pair[0], {"word": "µ"}, {"first": array, "second": np.arange(3)})
    header, arrays = receive(pair[1])
    assert header["word"] == "µ"
    assert list(arrays) == ["first", "second"]
    assert (arrays["first"].dtype, arrays["first"].shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(arrays["first"], array)
    np.testing.assert_array_equal(arrays["second"], np.arange(3))


def test_an_array_is_the_receivers_own(pair: Pair) -> None:
    """What the receiver writes into an array is not seen by the sender, nor by another array."""
    sent = np.arange(10, dtype=np.float32)
    send(pair[0], {}, {"a": sent})
    _, arrays = receive(pair[1])
    arrays["a"][...] = 0  # type: ignore[call-overload]  # an array of any kind
    assert sent[9] == 9


def test_memory_and_descriptors_come_back(pair: Pair) -> None:
    """After use no descriptor is open and no mapping is left, in sender and receiver alike."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    send(pair[0], {}, {"a": np.ones(1_000_000, np.float32)})
    arrays = receive(pair[1])[1]
    assert "memfd:wetread" in Path("/proc/self/maps").read_text()
    del arrays
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert "memfd:wetread" not in Path("/proc/self/maps").read_text()


def test_the_other_side_closed(pair: Pair) -> None:
    """An end between messages and an end in the middle of one are both an end."""
    pair[0].close()
    with pytest.raises(EOFError):
        receive(pair[1])


def _message(header: object, size: int = 64) -> tuple[bytes, int]:
    descriptor = os.memfd_create("test")
    os.truncate(descriptor, size)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text, descriptor


def _place(**changed: object) -> dict[str, object]:
    place = {"name": "a", "dtype": "uint8", "shape": [4], "offset": 0, **changed}
    return {"arrays": [place], "size": 64}


@pytest.mark.parametrize(
    "header",
    [
        b"\x80\x04\x95",
        b"[" * 60_000,
        [],
        {},
        {"arrays": 5, "size": 64},
        {"arrays": [], "size": 65},
        {"arrays": [], "size": -1},
        {"arrays": [], "size": "1e999"},
        b'{"arrays": [], "size": 1e999}',
        _place(dtype="object"),
        _place(dtype=["uint8"]),
        _place(shape=[65]),
        _place(shape=[-1]),
        _place(shape=5),
        _place(shape=[10**30]),
        _place(offset=61),
        _place(offset=-1),
        {"arrays": [{"name": "a", "dtype": "uint8", "shape": [10**12], "offset": 0}], "size": 0},
        {"arrays": [None], "size": 64},
    ],
    ids=lambda header: str(header)[:60],
)
def test_what_is_no_message_is_refused(pair: Pair, header: object) -> None:
    """No pickle, no other dtypes, no array outside its memory, however the header says it; and nothing stays open."""
    content, descriptor = _message(header)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    socket.send_fds(pair[0], [content], [descriptor])
    with pytest.raises(TransportError):
        receive(pair[1])
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    os.close(descriptor)


def test_a_header_without_memory_is_refused(pair: Pair) -> None:
    """A message brings exactly one piece of memory."""
    content, descriptor = _message({"arrays": [], "size": 0})
    os.close(descriptor)
    pair[0].sendall(content)
    with pytest.raises(TransportError):
        receive(pair[1])


def test_an_endless_header_is_refused_before_it_is_read(pair: Pair) -> None:
    """A length of 4 GiB costs nothing."""
    _, descriptor = _message({})
    socket.send_fds(pair[0], [struct.pack(">I", 0xFFFF_FFFF)], [descriptor])
    with pytest.raises(TransportError):
        receive(pair[1])
    os.close(descriptor)


def test_a_long_header_is_not_sent(pair: Pair) -> None:
    """What the other side would refuse is refused here."""
    with pytest.raises(TransportError, match="bytes"):
        send(pair[0], {"message": "x" * 100_000}, {})
