"""A command that is told to end does so as with Ctrl-C: it says what it has done, and leaves nothing behind."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt what runs within, where nobody has said otherwise (nohup); in the main thread.

    By themselves they end a process at once, and the copies of patients' images that it has made stay in TMPDIR.
    """
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGHUP)}
    ours = [kind for kind, handler in before.items() if handler is signal.SIG_DFL]
    for kind in ours:
        signal.signal(kind, _interrupt)
    try:
        yield
    finally:
        for kind in ours:
            signal.signal(kind, before[kind])


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
