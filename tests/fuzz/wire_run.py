"""Cases, many at a time, over real sockets: each is sent, its answers are read, and its end is waited for."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dicom_node.messages.pdata import PDU_HEADER
from tests.faults.wire_bytes import ABORT, ASSOCIATE_AC, COMMAND, DATA, LAST, RELEASE_RP
from tests.fuzz.wire_case import Case
from tests.fuzz.wire_grammar import elements_of

AT_ONCE = 32
#: Where something is wrong an answer is waited for as long, then the next bytes go all the same.
_ANSWER_S = 0.5
#: The node's own deadlines are a second or less; the rest is for a machine that is busy with other things.
_END_S = 20.0
_REJECT = 0x03
_ANSWERS = (ASSOCIATE_AC, _REJECT, DATA, RELEASE_RP, ABORT)
_LONGEST_ANSWER = 1 << 20
_RESPONSE = 0x8000  # in a Command Field
_PDV_HEADER = struct.Struct(">IBB")  # PS3.8 9.3.5.1, and the message control header (E.2)


@dataclass(kw_only=True)
class Told:
    """What came back over one connection.

    Attributes:
        kinds: Of its PDUs, in order.
        statuses: Of the responses, in order (0000,0900).
        kept: SOP Instance UIDs whose storing was answered with success.
        trouble: What a node must never do; empty where it did nothing of the kind.
        command: Fragments of a response's command set that is not whole yet.
    """

    kinds: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    trouble: str = ""
    command: bytearray = field(default_factory=bytearray)


def run_cases(
    cases: Iterable[Case], port: int, told: Callable[[Case, Told], None], tls: ssl.SSLContext | None = None
) -> None:
    """Run cases against a node, in whatever order they end; `told` is called for each. With `tls` inside TLS."""
    asyncio.run(_run_all(iter(cases), port, told, tls))


async def _run_all(
    cases: Iterable[Case], port: int, told: Callable[[Case, Told], None], tls: ssl.SSLContext | None
) -> None:
    async def take_turns() -> None:
        for case in cases:
            told(case, await _run(case, port, tls))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(take_turns())


async def _run(case: Case, port: int, tls: ssl.SSLContext | None) -> Told:
    told = Told()
    name = {} if tls is None else {"ssl": tls, "server_hostname": "localhost"}
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port, **name), _END_S)
    except (OSError, TimeoutError) as error:
        told.trouble = f"no connection ({type(error).__name__})"
        return told
    sock = writer.get_extra_info("socket")
    heard = asyncio.Condition()
    listening = asyncio.create_task(_listen(reader, told, heard))
    try:
        with contextlib.suppress(ConnectionError):
            await _say(case, writer, told, heard, listening)
        # TLS has no half-close in asyncio.
        if case.ending in ("close", "reset") or (case.ending == "half-close" and tls is not None):
            return told
        await asyncio.wait_for(asyncio.shield(listening), _END_S)
    except TimeoutError:
        told.trouble = f"neither ended nor aborted within {_END_S:g} s"
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        if case.ending == "reset":
            with contextlib.suppress(OSError):  # the node was first
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), _END_S)
    return told


async def _say(
    case: Case, writer: asyncio.StreamWriter, told: Told, heard: asyncio.Condition, listening: asyncio.Task[None]
) -> None:
    patience_s = _ANSWER_S if case.mutations else _END_S
    for data, awaited in case.steps:
        known = len(told.kinds)
        writer.write(data)
        await asyncio.wait_for(writer.drain(), _END_S)
        if awaited:
            with contextlib.suppress(TimeoutError):
                async with heard:
                    answered = heard.wait_for(lambda known=known: len(told.kinds) > known or listening.done())
                    await asyncio.wait_for(answered, patience_s)
    if case.ending == "half-close" and writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


async def _listen(reader: asyncio.StreamReader, told: Told, heard: asyncio.Condition) -> None:
    """Read PDUs until the connection ends."""
    try:
        while not told.trouble:
            kind, _, length = PDU_HEADER.unpack(await reader.readexactly(PDU_HEADER.size))
            if kind not in _ANSWERS or length > _LONGEST_ANSWER:
                told.trouble = f"answered with a PDU of type {kind} and length {length}"
                break
            _note(told, kind, await reader.readexactly(length))
            async with heard:
                heard.notify_all()
    except asyncio.IncompleteReadError as error:
        if error.partial:
            told.trouble = "broke off inside a PDU"
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        async with heard:
            heard.notify_all()


def _note(told: Told, kind: int, body: bytes) -> None:
    """Note an answer; one in many fragments, for a caller that takes short PDUs only, when it is whole."""
    if kind != DATA:
        told.kinds.append(kind)
        return
    position = 0
    while position < len(body):
        length, _, control = _PDV_HEADER.unpack_from(body, position)
        data = body[position + _PDV_HEADER.size : position + 4 + length]
        position += 4 + length
        if not control & COMMAND:
            continue  # of a report of storage commitment
        told.command += data
        if control & LAST:
            told.kinds.append(kind)
            _note_command(told, bytes(told.command))
            told.command.clear()


def _note_command(told: Told, command: bytes) -> None:
    values = {element.number: element.value for element in elements_of(command)}
    if not int.from_bytes(values.get(0x0100, b""), "little") & _RESPONSE:
        return
    status = int.from_bytes(values.get(0x0900, b""), "little")
    told.statuses.append(status)
    if status == 0 and values.get(0x0100) == b"\x01\x80":
        told.kept.add(values[0x1000].decode("latin-1").rstrip("\0 "))
