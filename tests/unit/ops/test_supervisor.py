"""Parts are started in order, kept running, and stopped in reverse order; nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.supervisor import Part, PartFailed, Supervisor, restart_wait_s

SLEEPER = "import time, sys, pathlib; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
STUBBORN = (
    "import signal, time, sys, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)

#: Writes a line as it starts and as it is told to stop, and takes a while for both.
DIARY = """
import pathlib, signal, sys, threading
mark, name = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1]).name
diary = mark.with_name("diary")
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
def write(line):
    with diary.open("a") as file:
        file.write(line + "\\n")
write(f"{name} starts")
threading.Event().wait(0.2)
write(f"{name} is ready")
mark.touch()
while not told.wait(0.05):
    pass
threading.Event().wait(0.2)
write(f"{name} ends")
"""


def part(name: str, mark: Path, program: str = SLEEPER, grace_s: float = 10.0) -> Part:
    """Return a part that is ready once it has made its mark."""
    return Part(name=name, argv=(sys.executable, "-c", program, str(mark)), ready=mark.exists, grace_s=grace_s)


@pytest.mark.parametrize(
    ("lifetimes_s", "wait_s"),
    [((), 0.0), ((100,), 0.0), ((1,), 0.5), ((1, 1), 1.0), ((1, 1, 1, 100), 0.0), ((100, 1), 0.5), ((1,) * 20, 30.0)],
)
def test_a_part_that_dies_young_waits_longer(lifetimes_s: tuple[float, ...], wait_s: float) -> None:
    """At once after a long life; after short ones 0.5 s, doubling, at most 30 s."""
    assert restart_wait_s(lifetimes_s) == wait_s


def test_parts_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    """Each is started when the one before is ready, and told to stop when the one after has ended; nothing is left."""
    supervisor = Supervisor([part(name, tmp_path / name, DIARY) for name in ("a", "b")])
    ready: list[str] = []
    supervisor.start(threading.Event(), on_ready=lambda one: ready.append(one.name))
    pids = [supervisor.pid(name) for name in ("a", "b")]
    supervisor.stop()
    assert ready == ["a", "b"]
    assert (tmp_path / "diary").read_text().splitlines() == [
        *("a starts", "a is ready", "b starts", "b is ready"),
        *("b ends", "a ends"),
    ]
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_killed_part_is_restarted(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """A part that ends is there again, as another process."""
    supervisor = Supervisor([part("a", tmp_path / "a")])
    stop = threading.Event()
    supervisor.start(stop)
    first = supervisor.pid("a")
    assert first is not None
    watching = threading.Thread(target=supervisor.watch, args=(stop,))
    watching.start()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: supervisor.pid("a") not in (None, first), what="the part is restarted")
    stop.set()
    watching.join()
    supervisor.stop()


def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """After its grace time a part is ended, so that a stop always ends."""
    supervisor = Supervisor([part("a", tmp_path / "a", STUBBORN, grace_s=0.3)])
    supervisor.start(threading.Event())
    pid = supervisor.pid("a")
    supervisor.stop()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_part_that_ends_while_starting_is_told() -> None:
    """The message names the part and its exit code."""
    supervisor = Supervisor([Part(name="a", argv=(sys.executable, "-c", "raise SystemExit(3)"), ready=lambda: False)])
    with pytest.raises(PartFailed, match="a ended with exit code 3"):
        supervisor.start(threading.Event())
    supervisor.stop()


def test_a_part_that_is_never_ready_is_told() -> None:
    """The message names the part and how long it was waited for."""
    slow = Part(name="a", argv=(sys.executable, "-c", SLEEPER, os.devnull), ready=lambda: False, ready_within_s=0.2)
    supervisor = Supervisor([slow])
    with pytest.raises(PartFailed, match=r"a was not ready within 0\.2 s; its log above"):
        supervisor.start(threading.Event())
    supervisor.stop()
    assert supervisor.pid("a") is None


def test_a_stop_while_a_part_starts_does_not_call_it_ready(tmp_path: Path) -> None:
    """Ctrl-C while a part is waited for: it is not announced, and the next one is not started."""
    stop = threading.Event()

    def asked() -> bool:
        stop.set()
        return False

    first = Part(name="a", argv=(sys.executable, "-c", SLEEPER, str(tmp_path / "a")), ready=asked)
    supervisor = Supervisor([first, part("b", tmp_path / "b")])
    ready: list[str] = []
    supervisor.start(stop, on_ready=lambda one: ready.append(one.name))
    assert (ready, supervisor.pid("b")) == ([], None)
    supervisor.stop()
    assert supervisor.pid("a") is None


def test_a_part_knows_its_environment(tmp_path: Path) -> None:
    """What a part adds comes on top of ours, for that part only."""
    program = (
        "import os, sys, pathlib; pathlib.Path(sys.argv[1]).write_text(os.environ['PART_WORD'] + os.environ['PATH'])"
    )
    mark = tmp_path / "a"
    argv = (sys.executable, "-c", f"{program}; import time; time.sleep(600)", str(mark))
    one = Part(
        name="a", argv=argv, ready=lambda: mark.exists() and mark.stat().st_size > 0, environment={"PART_WORD": "x"}
    )
    supervisor = Supervisor([one])
    supervisor.start(threading.Event())
    supervisor.stop()
    assert mark.read_text() == f"x{os.environ['PATH']}"
    assert "PART_WORD" not in os.environ


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """The kernel ends the parts of a supervisor that was ended with SIGKILL."""
    program = f"""
import sys, threading
from pathlib import Path
from ops.supervisor import Part, Supervisor
mark = Path({str(tmp_path / "mark")!r})
supervisor = Supervisor([Part(name="a", argv=(sys.executable, "-c", {SLEEPER!r}, str(mark)), ready=mark.exists)])
supervisor.start(threading.Event())
print(supervisor.pid("a"), flush=True)
threading.Event().wait()
"""
    process = subprocess.Popen([sys.executable, "-P", "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()

    def gone() -> bool:
        try:
            return "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]
        except FileNotFoundError:
            return True

    wait_for(gone, what="the part ends with its supervisor", deadline_s=10)


def test_a_stop_while_starting_starts_nothing_more(tmp_path: Path) -> None:
    """Ctrl-C during the start is heard before the next part."""
    stop = threading.Event()
    stop.set()
    supervisor = Supervisor([part("a", tmp_path / "a")])
    began = time.monotonic()
    supervisor.start(stop)
    assert supervisor.pid("a") is None
    assert time.monotonic() - began < 30
