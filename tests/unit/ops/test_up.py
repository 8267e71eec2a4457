"""What `wetread up` starts, without starting it."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ops import up
from ops.settings import Settings, SettingsError
from ops.supervisor import Part


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
