"""The page on a real port."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ops.dashboard.app import make_app
from ops.dashboard.serve import PageAway, serve
from tests.filled_ledger import open_views


def test_the_page_is_served_until_it_is_stopped(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers over TCP, tells nothing of its server, and gives the port back when stop is set."""
    ledger = open_views(tmp_path)
    port, stop = free_port(), threading.Event()
    app = make_app(ledger, results_root=tmp_path, version="1")
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", port, stop))
    thread.start()

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, what="the page")
        assert "server" not in httpx.get(f"http://127.0.0.1:{port}/").headers
    finally:
        stop.set()
        thread.join(timeout=30)
        ledger.close()
    assert not thread.is_alive()
    said = capsys.readouterr().out
    assert "page serves" in said
    assert "page stopped" in said
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """The error names host, port and remedy instead of ending the process silently."""
    ledger = open_views(tmp_path)
    app = make_app(ledger, results_root=tmp_path, version="1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PageAway, match=f"127.0.0.1:{port}.*choose another port"):
            serve(app, "127.0.0.1", port, threading.Event())
    ledger.close()
