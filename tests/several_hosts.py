"""Several hosts on one machine: network namespaces on a bridge, each with an address and a name of its own."""

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias

import pytest

#: A program that was started on a host.
Running: TypeAlias = "subprocess.Popen[bytes]"
_PIECE = 1 << 16
_CLONE_NEWNET = 0x40000000  # linux/sched.h; Python has os.setns from 3.12 on
#: Says its name, then becomes the program.
_NAMED = 'hostname "$0" && exec "$@"'


class Network:
    """A bridge with hosts; the tests themselves are on it too, at `address`.

    Attributes:
        address: Of this machine in it.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        """Make it. Skips the test where namespaces are not allowed."""
        number = os.getpid() % 250 + 1  # several test processes may have one each
        self._prefix = f"10.213.{number}"
        self._bridge = f"wt{number}br"
        self._links = {host: f"wt{number}v{place}" for place, host in enumerate(hosts)}
        self._spaces = {host: f"wt{number}-{host}" for host in hosts}
        self._places = {host: place for place, host in enumerate(hosts, start=2)}
        self.address = f"{self._prefix}.1"

    def __enter__(self) -> Self:
        """Set it up."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("network namespaces need root and iproute2")
        try:
            _ip("link", "add", self._bridge, "type", "bridge")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed here: {error.stderr.decode().strip()}")
        _ip("addr", "add", f"{self.address}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for host, space in self._spaces.items():
            link = self._links[host]
            _ip("netns", "add", space)
            _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", link, "master", self._bridge, "up")
            _ip("-n", space, "addr", "add", f"{self.address_of(host)}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", space, "link", "set", device, "up")
        return self

    def __exit__(self, *_ignored: object) -> None:
        """Take it down; with a namespace goes its link."""
        for space in self._spaces.values():
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", space)
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._bridge)

    def address_of(self, host: str) -> str:
        """Return a host's address."""
        return f"{self._prefix}.{self._places[host]}"

    def start(self, host: str, command: Sequence[str], log: Path) -> Running:
        """Start a program on a host."""
        with log.open("ab") as out:
            return subprocess.Popen(
                ["ip", "netns", "exec", self._spaces[host], "unshare", "--uts", "sh", "-c", _NAMED, host, *command],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def listen(self, host: str, port: int) -> socket.socket:
        """Return a socket that listens on a host, for a server of this machine."""

        def there() -> socket.socket:
            with Path("/run/netns", self._spaces[host]).open("rb") as space:
                # Of this thread alone, which ends here; a socket stays in the namespace that it was made in.
                if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.create_server((self.address_of(host), port))

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(there).result()

    def cut_off(self, host: str) -> None:
        """Unplug its cable: nothing is told to anybody, packets are gone."""
        _ip("link", "set", self._links[host], "down")

    def plug_in(self, host: str) -> None:
        """Plug it in again."""
        _ip("link", "set", self._links[host], "up")


class Forwarder:
    """Puts a server that listens on this machine's loopback on a host of the network: its packets go by that cable."""

    def __init__(self, network: Network, host: str, port: int) -> None:
        """Listen there, on the port that the server has on loopback."""
        self._port = port
        self._listening = network.listen(host, port)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more; what is connected stays so."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as far:
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(_PIECE):
            other.sendall(piece)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
