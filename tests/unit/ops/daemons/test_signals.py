"""A signal asks for a stop, whatever the main thread holds at that moment."""

import subprocess
import sys

import pytest

#: A signal is handled between two steps of the main thread: here while that holds the event's own lock, as `wait` does.
_PROGRAM = """
import os, signal
from ops.daemons.signals import stop_on_signals

signal.signal(signal.SIGHUP, signal.{hang_up})
stop = stop_on_signals()
with stop._cond:
    for _ in range(3):
        os.kill(os.getpid(), signal.{name})
raise SystemExit(0 if stop.wait({wait_s}) else 3)
"""
_GOES_ON = 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_is_taken_while_the_event_is_held(name: str) -> None:
    """Set in the handler it would wait for ever, and the process be killed after its grace time."""
    program = _PROGRAM.format(name=name, hang_up="SIG_DFL", wait_s=10)
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0


def test_who_is_to_outlive_its_terminal_does() -> None:
    """Started by nohup, which has a process ignore SIGHUP."""
    program = _PROGRAM.format(name="SIGHUP", hang_up="SIG_IGN", wait_s=0.2)
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == _GOES_ON
