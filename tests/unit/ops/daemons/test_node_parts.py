"""What runs in threads of the node goes on, whatever its functions raise."""

import threading

import pytest
from structlog.testing import capture_logs

from ops.daemons.node_parts import Loop


def test_a_function_that_raises_is_called_again() -> None:
    """What it raises is logged by its type and place alone; then it runs until it is told to stop."""
    calls, runs_on = [], threading.Event()

    def run(stop: threading.Event) -> None:
        calls.append(threading.current_thread().name)
        if len(calls) == 1:
            raise ValueError("Doe^Jane")
        runs_on.set()
        stop.wait()

    loop = Loop("reconciler", run, again_after_s=0.01)
    with capture_logs() as logs:
        loop.start()
        assert runs_on.wait(10)
        loop.stop()
    assert calls == ["reconciler", "reconciler"]
    (told,) = logs
    assert (told["part"], told["log_level"]) == ("reconciler", "error")
    assert "ValueError" in told["cause"]
    assert told["place"].startswith("test_node_parts.py:")
    assert "Doe" not in str(told)


@pytest.mark.parametrize("raises", [True, False])
def test_a_loop_that_is_told_to_stop_ends_at_once(*, raises: bool) -> None:
    """Also while it waits to call its function again, and where the function has ended by itself."""
    called = threading.Event()

    def run(_stop: threading.Event) -> None:
        called.set()
        if raises:
            raise ValueError

    loop = Loop("retention", run, again_after_s=3600)
    loop.start()
    assert called.wait(10)
    loop.stop()
