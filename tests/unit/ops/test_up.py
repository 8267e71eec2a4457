"""What `wetread up` starts, without starting it."""

import errno
import socket
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from ops import up
from ops.daemons import worker_daemon
from ops.settings import Settings, SettingsError, load
from ops.supervisor import Part, stopping_order


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    """The parts that would run, in the order in which they are started."""
    parts: list[Part] = []

    class NoSupervisor:
        """Takes parts, and is done with them."""

        def __init__(self, given: Sequence[Part]) -> None:
            parts.extend(given)

        def start(self, stop: threading.Event, on_ready: Callable[[Part], None]) -> None:
            """Start nothing."""

        def watch(self, stop: threading.Event) -> None:
            """Return at once."""

        def stop(self) -> None:
            """Stop nothing."""

    monkeypatch.setattr(up, "Supervisor", NoSupervisor)
    monkeypatch.setattr(up, "stop_on_signals", threading.Event)
    return parts


def settings(folder: Path, **changes: Any) -> Settings:
    """Return settings with a Redis somewhere else."""
    return Settings.model_validate({"data": folder, "broker": {"url": "redis://127.0.0.1:1/0"}, **changes})


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("node.port", {"node": {"port": 0}}),
        ("web.port", {"node": {"port": 1}, "web": {"port": 0}}),
    ],
)
def test_a_port_that_nobody_knows_is_refused(
    tmp_path: Path, started: list[Part], key: str, changes: dict[str, Any]
) -> None:
    """Any free port is for a part alone, whose log names it; here others must know it."""
    with pytest.raises(SettingsError, match=rf"^{key} is 0, .*; choose one, such as WETREAD_"):
        up.run(settings(tmp_path, **changes), with_archive=False, say=print)
    assert not started


def test_a_disk_that_is_full_is_told(tmp_path: Path, started: list[Part], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts it again at night because nothing goes on reads why in a sentence."""

    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(up, "write_note", refuse)
    with pytest.raises(SettingsError, match=r"cannot be written \(No space left on device\): is its disk full"):
        up.run(settings(tmp_path), with_archive=False, say=print)
    assert not started


@pytest.mark.usefixtures("started")
def test_who_starts_it_is_told_where_everything_is(tmp_path: Path) -> None:
    """The page, what is kept, where to send, and how to end it."""
    told: list[str] = []
    up.run(settings(tmp_path), with_archive=False, say=told.append)
    assert f"Everything is kept in {tmp_path}\n" in "\n".join(told)


def test_the_page_is_ready_last_and_stops_after_the_rest(tmp_path: Path, started: list[Part]) -> None:
    """Who polls it finds the whole house; who looks at it sees the others end, and receiving ends first."""
    up.run(settings(tmp_path), with_archive=True, say=print)
    assert [part.name for part in started] == ["archive", "worker", "deliver", "node", "web"]
    assert [part.name for part in stopping_order(started)] == ["node", "deliver", "worker", "web", "archive"]


def test_the_node_is_ready_when_it_answers(
    tmp_path: Path, started: list[Part], free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Its port is open before anybody answers there; one that rejects us is there."""
    port = free_port()
    up.run(settings(tmp_path, node={"port": port}), with_archive=False, say=print)
    ready = next(part.ready for part in started if part.name == "node")
    assert ready is not None
    assert not ready()
    with socket.create_server(("127.0.0.1", port)) as early:

        def hang_up() -> None:
            early.accept()[0].close()

        hangs_up = threading.Thread(target=hang_up)
        hangs_up.start()
        assert not ready()
        hangs_up.join()
    entity = AE("WETREAD")
    entity.add_supported_context("1.2.840.10008.1.1")
    entity.require_calling_aet = ["SOMEBODY"]
    server = entity.start_server(("127.0.0.1", port), block=False)
    try:
        wait_for(ready, what="it rejects us")
    finally:
        server.shutdown()


def test_a_worker_has_time_for_its_own_parts_one_after_the_other(tmp_path: Path, started: list[Part]) -> None:
    """Celery hands its jobs back, then the model host ends; nobody kills the worker meanwhile."""
    given = settings(tmp_path)
    up.run(given, with_archive=False, say=print)
    (worker,) = [part for part in started if part.name == "worker"]
    assert sum(part.grace_s for part in worker_daemon.parts_of(given, [])) < worker.grace_s


def test_what_the_parts_read_is_private_and_not_written_through_a_link(tmp_path: Path, started: list[Part]) -> None:
    """The settings may hold passwords; a link under their name is replaced, and what it leads to stays."""
    found = settings(tmp_path / "d")
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    found.run.mkdir(mode=0o700, parents=True)
    (found.run / "effective.json").symlink_to(theirs)
    up.run(found, with_archive=False, say=print)
    assert started
    file = found.run / "effective.json"
    assert not file.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load(file, {}) == found
    assert theirs.read_text() == "theirs"
    assert set(found.run.iterdir()) == {file, found.run / "up.lock"}
