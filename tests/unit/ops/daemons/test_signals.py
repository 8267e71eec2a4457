"""A signal asks for a stop, whatever the main thread holds at that moment."""

import subprocess
import sys

import pytest

#: A signal is handled between two steps of the main thread: here while that holds the event's own lock, as `wait` does.
_PROGRAM = """
import os, signal
from ops.daemons.signals import stop_on_signals

stop = stop_on_signals()
with stop._cond:
    for _ in range(3):
        os.kill(os.getpid(), signal.{name})
raise SystemExit(0 if stop.wait(10) else 3)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_is_taken_while_the_event_is_held(name: str) -> None:
    """Set in the handler it would wait for ever, and the process be killed after its grace time."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM.format(name=name)], timeout=30, check=False)
    assert done.returncode == 0
