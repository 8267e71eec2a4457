"""Handshakes that begin wrong, many at a time: each connection must end, in order or by the node's deadline."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from tests.fuzz.handshake_case import HandshakeCase

AT_ONCE = 32
_END_S = 30.0
_HANDSHAKE, _ALERT = 0x16, 0x15


def run_handshakes(cases: Iterable[HandshakeCase], port: int, told: Callable[[HandshakeCase, str], None]) -> None:
    """Run cases against a TLS port; `told` is called for each with what the node must never do, or ""."""
    asyncio.run(_run_all(iter(cases), port, told))


async def _run_all(cases: Iterable[HandshakeCase], port: int, told: Callable[[HandshakeCase, str], None]) -> None:
    async def take_turns() -> None:
        for case in cases:
            told(case, await _run(case, port))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(take_turns())


async def _run(case: HandshakeCase, port: int) -> str:
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), _END_S)
    except (OSError, TimeoutError) as error:
        return f"no connection ({type(error).__name__})"
    answer = b""
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(case.data)
            await writer.drain()
            if case.half_closed:
                writer.write_eof()
        with contextlib.suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(-1), _END_S)
    except OSError:
        pass  # it was gone before all was said
    except TimeoutError:
        return f"not ended within {_END_S:g} s"
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), _END_S)
    return _judged(case, answer)


def _judged(case: HandshakeCase, answer: bytes) -> str:
    if answer and answer[0] not in (_HANDSHAKE, _ALERT):
        return f"answered with something else than TLS: {answer[:20]!r}"
    if not case.mutations and answer[:1] != bytes([_HANDSHAKE]):
        return "nothing is wrong with it, and it got no hello"
    return ""
