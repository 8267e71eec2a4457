"""Many senders at once, each a process, that start together: how long a receiver needs for what they bring."""

import multiprocessing
import multiprocessing.synchronize
import queue
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.raw_sender import Instance, associated, encode, encoded

_START_WITHIN_S = 120.0
_END_WITHIN_S = 900.0
_LAST_WORDS_S = 5.0
_SUCCESS = 0x0000


class Refused(Exception):
    """The receiver did not take everything."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a receiver listens on this machine.

    Attributes:
        port: Its port.
        called: Its AE title.
        tls: Certificate, key and CA of the senders; None without TLS.
    """

    port: int
    called: str = "WETREAD"
    tls: tuple[Path, Path, Path] | None = None

    def context(self) -> ssl.SSLContext | None:
        """Return what the senders' connections are made with."""
        if self.tls is None:
            return None
        certificate, key, authority = self.tls
        made = ssl.create_default_context(cafile=str(authority))
        made.load_cert_chain(certificate, key)
        return made


def seconds(door: Door, instances: Sequence[Instance], *, associations: int, each_its_own: bool = False) -> float:
    """Return how long a receiver needs for all instances, dealt out to so many senders. Raises Refused.

    Args:
        door: Where it listens.
        instances: What is sent; encoded before the clock starts.
        associations: Senders at once, each with one association for all that it brings.
        each_its_own: Whether each instance has an association of its own instead, its negotiation in the time.
    """
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(associations + 1), context.Queue()
    run = _one_each if each_its_own else _all_in_one
    senders = [
        context.Process(target=_send, args=(run, door, instances[number::associations], barrier, results), daemon=True)
        for number in range(associations)
    ]
    for sender in senders:
        sender.start()
    try:
        try:
            barrier.wait(_START_WITHIN_S)
        except threading.BrokenBarrierError:
            raise Refused(f"a sender could not begin: {_told(results)}") from None
        started = time.perf_counter()
        refused = [answer for _ in senders for answer in results.get(timeout=_END_WITHIN_S)]
        taken = time.perf_counter() - started
    finally:
        for sender in senders:
            sender.join(5)
            sender.kill()
    if refused:
        raise Refused(f"{len(refused)} instances were not taken: {refused[0]}")
    return taken


def _told(results: Any) -> str:
    """Return what a sender that gave up has said."""
    try:
        return "; ".join(results.get(timeout=_LAST_WORDS_S))
    except queue.Empty:
        return f"none of them said why within {_START_WITHIN_S:g} s"


Barrier = multiprocessing.synchronize.Barrier
Done = Callable[[Sequence[int]], None]
Run = Callable[[Door, Sequence[Instance], Barrier, Done], None]


def _send(run: Run, door: Door, instances: Sequence[Instance], barrier: Barrier, results: Any) -> None:
    def done(statuses: Sequence[int]) -> None:
        results.put([f"{status:04X}" for status in statuses if status != _SUCCESS])

    try:
        run(door, instances, barrier, done)
    except Exception as error:  # noqa: BLE001 - the outermost frame of a process: the other one tells it
        barrier.abort()
        results.put([f"{type(error).__name__}: {error}"])


def _all_in_one(door: Door, instances: Sequence[Instance], barrier: Barrier, done: Done) -> None:
    with associated(door.port, instances[0], called=door.called, tls=door.context()) as association:
        messages = encoded(instances, association.longest_pdu)
        barrier.wait(_START_WITHIN_S)
        done([association.store(message) for message in messages])


def _one_each(door: Door, instances: Sequence[Instance], barrier: Barrier, done: Done) -> None:
    with ExitStack() as opened:
        # What a PDU may have is the same for all of them; asked before the clock starts.
        longest = opened.enter_context(associated(door.port, instances[0], called=door.called)).longest_pdu
    context = door.context()
    messages = [(instance, encode(instance, 1, longest)) for instance in instances]
    barrier.wait(_START_WITHIN_S)
    statuses = []
    for instance, message in messages:
        with associated(door.port, instance, called=door.called, tls=context) as association:
            statuses.append(association.store(message))
    done(statuses)
