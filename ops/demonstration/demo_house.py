"""The house that the demonstration runs: `wetread up` as a process of its own, over a temporary data directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_node.settings import Peer
from ops.embedded import EmbeddedArchive
from ops.settings import load
from ops.supervisor import die_with_parent
from worker.errors import WorkerError

_READY_S = 90.0
_STOP_S = 60.0
_LINES_OF_LOG = 12


class DemoFailed(WorkerError):
    """The demonstration did not come to its end; the message names the step and the cause."""


@dataclass(frozen=True, kw_only=True)
class House:
    """A running `wetread up`.

    Attributes:
        data: Its data directory.
        node: Takes studies.
        page: Address of the page.
        log: What all of its parts log.
    """

    data: Path
    node: Peer
    page: str
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def archive(self) -> Peer:
        """The embedded archive."""
        settings = load(None, {"WETREAD_DATA": str(self.data)})
        return EmbeddedArchive(settings, int((self.data / "archive-port").read_text())).peer

    def require_running(self) -> None:
        """Raise DemoFailed when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise DemoFailed(f"wetread ended with exit code {code}; the end of its log:\n{_end_of(self.log)}")

    def wait(self) -> None:
        """Wait until it ends, or the person at the keyboard has had enough."""
        try:
            self.process.wait()
        except KeyboardInterrupt:
            return


@contextmanager
def running(place: Path, models: Path, enabled: Sequence[str], log: Path) -> Iterator[House]:
    """Run a house in a folder until the context ends. Raises DemoFailed when it does not come up.

    Args:
        place: Folder for everything that it keeps.
        models: Folder of models beside the built-in ones.
        enabled: Ids of the models that run.
        log: File that gets what its parts log.
    """
    node_port, web_port = _free_ports(2)
    settings = place / "settings.json"
    table = {
        "data": str(place / "data"),
        "node": {"port": node_port, "quiet_time_s": 2.0, "min_free_bytes": 0},
        "web": {"port": web_port},
        "models": {"path": [str(models)], "enabled": list(enabled)},
    }
    settings.write_text(json.dumps(table), encoding="utf-8")
    house = House(
        data=place / "data",
        node=Peer(ae_title="WETREAD", host="127.0.0.1", port=node_port),
        page=f"http://127.0.0.1:{web_port}",
        log=log,
        process=_start(settings, log),
    )
    try:
        _await_page(house, web_port)
        yield house
    finally:
        _stop(house.process)


def _start(settings: Path, log: Path) -> "subprocess.Popen[bytes]":
    # A site's own overrides are not for the demonstration.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        # -P: the folder where the demonstration is called must not be searched for modules.
        return subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-P", "-m", "ops.cli", "up", "--settings", str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment,
            # A session of its own: Ctrl-C reaches the demonstration only, which then stops it in order.
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # one prctl, no lock; nothing runs beside us yet
        )


def _await_page(house: House, port: int) -> None:
    """Wait for the last part that `up` starts."""
    deadline = time.monotonic() + _READY_S
    while not _listens(port):
        house.require_running()
        if time.monotonic() > deadline:
            raise DemoFailed(f"wetread was not up within {_READY_S:g} s; the end of its log:\n{_end_of(house.log)}")
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LINES_OF_LOG:])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
