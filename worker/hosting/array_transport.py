"""How arrays travel between a child and the model host: a JSON header, and anonymous shared memory beside it.

The memory has no name: whoever is killed at whatever moment, nothing is left behind. No pickle: a header is data.
"""

import json
import mmap
import os
import socket
import struct
import tempfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Header = dict[str, Any]
Arrays = Mapping[str, NDArray[np.generic]]

_LENGTH = struct.Struct(">I")
_MOST_HEADER_BYTES = 64 * 1024
_MOST_ARRAY_BYTES = 16 * 1024**3
_ALIGNMENT = 64
_DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)


class TransportError(Exception):
    """The other side sent what is no message; the connection cannot go on."""


def send(connection: socket.socket, header: Header, arrays: Arrays) -> None:
    """Send a message.

    Raises OSError when the connection is lost or memory runs out, TransportError for a long header.
    """
    layout, size = [], 0
    for name, array in arrays.items():
        size = -(-size // _ALIGNMENT) * _ALIGNMENT
        layout.append({"name": name, "dtype": str(array.dtype), "shape": list(array.shape), "offset": size})
        size += array.nbytes
    text = json.dumps({**header, "arrays": layout, "size": size}).encode()
    if len(text) > _MOST_HEADER_BYTES:
        raise TransportError(f"a header of {len(text)} bytes, and {_MOST_HEADER_BYTES} are the most")
    with _shared_file() as shared:
        if size:
            # All of it now: memory that runs out is an error here, and a killed process at the first write.
            os.posix_fallocate(shared.fileno(), 0, size)
            with mmap.mmap(shared.fileno(), size) as memory:
                for place, array in zip(layout, arrays.values(), strict=True):
                    _view(memory, place)[...] = array
        socket.send_fds(connection, [_LENGTH.pack(len(text))], [shared.fileno()])
        connection.sendall(text)


def receive(connection: socket.socket) -> tuple[Header, dict[str, NDArray[np.generic]]]:
    """Wait for a message; its arrays are the receiver's own to change, in memory that ends with them.

    Raises EOFError when the other side has closed, TransportError for what is no message, OSError.
    """
    prefix, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 4)
    try:
        if not prefix:
            raise EOFError("the other side closed the connection")
        prefix += _exactly(connection, _LENGTH.size - len(prefix))
        (length,) = _LENGTH.unpack(prefix)
        if length > _MOST_HEADER_BYTES or len(descriptors) != 1:
            raise TransportError("no header of ours")
        return _unpack(_exactly(connection, length), descriptors[0])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _unpack(text: bytes, descriptor: int) -> tuple[Header, dict[str, NDArray[np.generic]]]:
    try:
        header = json.loads(text)
        size = int(header["size"])
        layout = list(header["arrays"])
        if not 0 <= size <= min(_MOST_ARRAY_BYTES, os.fstat(descriptor).st_size):
            raise TransportError("the memory is smaller than its header says")
        # Copied where the receiver writes, and only there. An empty mapping cannot be made.
        memory = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY) if size else b""
        return header, {str(place["name"]): _view(memory, place) for place in layout}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise TransportError(f"no header of ours ({type(error).__name__})") from error


def _view(memory: mmap.mmap | bytes, place: Any) -> NDArray[np.generic]:
    shape = tuple(int(side) for side in place["shape"])
    offset = int(place["offset"])
    if min((offset, *shape)) < 0:  # numpy takes that
        raise TransportError("an array outside its memory")
    return np.ndarray(shape, _dtype(place), buffer=memory, offset=offset)


def _dtype(place: Any) -> np.dtype[Any]:
    if place["dtype"] not in _DTYPES:
        raise TransportError("an array of a kind that is not sent")
    dtype: np.dtype[Any] = np.dtype(place["dtype"])
    return dtype


def _shared_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        shared: BinaryIO = os.fdopen(os.memfd_create("wetread", os.MFD_CLOEXEC), "r+b")
    else:
        shared = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    return shared


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise EOFError("the other side closed the connection in the middle of a message")
        data += chunk
    return bytes(data)
