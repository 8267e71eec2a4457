"""Starts parts as child processes in order, restarts what ends, stops all in reverse order or as the parts say."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

_log = structlog.get_logger()
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LONG_LIFE_S = 30.0
_LIBC = ctypes.CDLL(None, use_errno=True)


class PartFailed(Exception):
    """A part did not become ready in time; its own log lines above say why."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A process that is kept running.

    Attributes:
        name: In the log.
        argv: What runs.
        ready: Says whether it serves; None where starting is enough.
        ready_within_s: Deadline for the first start.
        grace_s: From SIGTERM to SIGKILL.
        environment: Added to ours.
        descriptors: Open files that it inherits under their numbers.
        longest_wait_s: Before it is started again.
        outlasts: Names of parts that end before it does, though they were started before it.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool] | None = None
    ready_within_s: float = 60.0
    grace_s: float = 20.0
    environment: dict[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()
    longest_wait_s: float = 30.0
    outlasts: tuple[str, ...] = ()


def stopping_order(parts: Sequence[Part]) -> list[Part]:
    """Return the parts as they are stopped: the last one first, but each after those that it outlasts."""
    order = list(reversed(parts))
    for part in parts:
        ended = [place for place, other in enumerate(order) if other.name in part.outlasts]
        if ended and max(ended) > order.index(part):
            order.remove(part)
            # Right behind it: what was there moved up by one.
            order.insert(max(ended), part)
    return order


def restart_wait_s(lifetimes_s: Sequence[float]) -> float:
    """Return the wait before a part that ended is started again, given how long its last lives lasted.

    At once after a long life; then doubling from 0.5 s with each short one, at most 30 s.
    """
    short = 0
    for lifetime in reversed(lifetimes_s):
        if lifetime > _LONG_LIFE_S:
            break
        short += 1
    return 0.0 if short == 0 else min(30.0, 0.5 * 2.0 ** (short - 1))


class Supervisor:
    """Runs parts until told to stop. Ends only processes that it started."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self._lifetimes: dict[str, list[float]] = {part.name: [] for part in parts}
        self._restart_at: dict[str, float] = {}

    def start(self, stop: threading.Event, on_ready: Callable[[Part], None] = lambda _part: None) -> None:
        """Start the parts in order, each when the one before is ready. Raises PartFailed."""
        for part in self._parts:
            if stop.is_set():
                return
            self._spawn(part)
            self._await_ready(part, stop)
            if not stop.is_set():
                on_ready(part)

    def watch(self, stop: threading.Event) -> None:
        """Restart what ends, until told to stop."""
        while not stop.wait(0.2):
            for part in self._parts:
                self._look_after(part)

    def stop(self, *, together: bool = False) -> None:
        """Stop the parts in their order: SIGTERM, a grace time, SIGKILL. Equal parts may be told all at once."""
        if together:
            for told in self._processes.values():
                told.terminate()
        for part in stopping_order(self._parts):
            process = self._processes.pop(part.name, None)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(part.grace_s)
            except subprocess.TimeoutExpired:
                _log.warning("part killed", part=part.name, grace_s=part.grace_s)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def pid(self, name: str) -> int | None:
        """Return the process id of a part that runs."""
        process = self._processes.get(name)
        return process.pid if process is not None and process.poll() is None else None

    def _spawn(self, part: Part) -> None:
        # A session of its own: Ctrl-C in a terminal reaches the supervisor only, which stops the parts in order.
        self._processes[part.name] = subprocess.Popen(  # noqa: S603  # argv comes from our own tables
            list(part.argv),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # one prctl, no lock; the supervisor has no threads
            env={**os.environ, **part.environment},
            pass_fds=part.descriptors,
        )
        self._started_at[part.name] = time.monotonic()

    def _await_ready(self, part: Part, stop: threading.Event) -> None:
        deadline = time.monotonic() + part.ready_within_s
        while part.ready is not None and not part.ready():
            code = self._processes[part.name].poll()
            if code is not None:
                raise PartFailed(
                    f"{part.name} ended with exit code {code} while it was starting; its log above says why"
                )
            if time.monotonic() > deadline:
                raise PartFailed(f"{part.name} was not ready within {part.ready_within_s:g} s; its log above says why")
            if stop.wait(0.05):
                return

    def _look_after(self, part: Part) -> None:
        process = self._processes.get(part.name)
        now = time.monotonic()
        if process is not None and process.poll() is not None:
            lifetimes = self._lifetimes[part.name]
            lifetimes.append(now - self._started_at[part.name])
            wait_s = min(restart_wait_s(lifetimes), part.longest_wait_s)
            _log.warning("part ended", part=part.name, exit_code=process.returncode, restart_in_s=wait_s)
            del self._processes[part.name]
            self._restart_at[part.name] = now + wait_s
        elif process is None and now >= self._restart_at.get(part.name, now):
            self._spawn(part)


def die_with_parent() -> None:
    """Have the kernel stop this child when the supervisor is killed, so that nothing is left behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
