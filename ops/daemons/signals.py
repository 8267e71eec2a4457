"""SIGTERM, SIGINT and SIGHUP ask for a stop; nothing else is done in a signal handler."""

import queue
import signal
import threading
from types import FrameType


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set, and SIGHUP where nobody has said otherwise (nohup).

    By itself SIGHUP, as of a terminal that is closed, would end a process at once, and its parts in no order.

    Not in the handler itself: it runs between any two steps of the main thread, also while that holds the event's lock
    (in `wait`, or in the handler of a signal before), and would wait for it for ever.
    """
    stop = threading.Event()
    asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put may interrupt itself

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.put(None)

    def pass_on() -> None:
        asked.get()
        stop.set()

    threading.Thread(target=pass_on, name="stop-on-signals", daemon=True).start()
    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, ask)
    return stop
