"""`wetread up`: every part with an embedded Redis and, where no destination is set, an archive to try it with."""

import ipaddress
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from dicom_node.archives.archive import DicomArchive
from dicom_node.errors import AssociationRejected, NodeError
from dicom_node.settings import Peer
from dicom_node.spooling.durable_note import write_note
from ops.assembly_line import prepare_data
from ops.daemons.alone import alone
from ops.daemons.signals import stop_on_signals
from ops.embedded import ARCHIVE_NAME, EmbeddedArchive, EmbeddedRedis
from ops.peers import our_port, require_known_port
from ops.settings import Settings, SettingsError
from ops.supervisor import Part, Supervisor
from worker.delivery.destination_settings import DicomDestinationSettings

_log = structlog.get_logger()


def run(settings: Settings, *, with_archive: bool, say: Callable[[str], None]) -> None:
    """Run everything until SIGTERM or Ctrl-C; `say` tells a person what is ready."""
    stop = stop_on_signals()
    prepare_data(settings)
    with alone(settings, "up"):
        _run(settings, stop, with_archive=with_archive, say=say)


def _run(settings: Settings, stop: threading.Event, *, with_archive: bool, say: Callable[[str], None]) -> None:
    _require_free_ports(settings)
    try:
        parts = _parts(settings, with_archive=with_archive, say=say)
    except OSError as error:
        raise SettingsError(
            f"{settings.data} cannot be written ({error.strerror}): is its disk full? Make room there, or name another "
            "data directory with --data or `data`"
        ) from error
    supervisor = Supervisor(parts)
    try:
        supervisor.start(stop, on_ready=lambda part: say(f"{part.name} is ready"))
        if not stop.is_set():
            say(_how_to_go_on(settings))
        supervisor.watch(stop)
    finally:
        supervisor.stop()
        say("stopped")


def _parts(settings: Settings, *, with_archive: bool, say: Callable[[str], None]) -> list[Part]:
    """Write what the parts read; return them in the order in which they start. Raises OSError."""
    parts = []
    if not settings.broker.url:
        parts.append(EmbeddedRedis(settings).part())
    if with_archive and not settings.destinations:
        archive = EmbeddedArchive(settings, _archive_port(settings))
        settings = settings.model_copy(update={"destinations": (_destination(archive.peer),)})
        parts.append(archive.part())
        say("The embedded archive is for demonstration: it overwrites and commits to nothing.")
    return [*parts, *_own_parts(settings, _write_effective(settings))]


def _own_parts(settings: Settings, file: Path) -> list[Part]:
    command = [sys.executable, "-P", "-m", "ops.cli"]
    name, host, port = settings.node.ae_title, _reachable(settings.node.host), our_port(settings)

    def node_answers() -> bool:
        # With TLS alone it would want a certificate of us.
        if not settings.node.plain:
            return _listens(host, port)
        try:
            node = Peer(ae_title=name, host=host, port=port)
            DicomArchive(node, name, connect_timeout_s=2, acse_timeout_s=5).echo()
        except AssociationRejected:
            return True  # a site may refuse our own AE title, and it is the node that says so
        except NodeError:
            return False  # its port is open before anybody answers there
        return True

    def page_answers() -> bool:
        return _listens(settings.web.host, settings.web.port)

    ready: dict[str, tuple[Callable[[], bool] | None, float]] = {
        # Longer than its own parts have, one after the other.
        "worker": (None, 45.0),
        "deliver": (None, 10.0),
        "node": (node_answers, 45.0),
        "web": (page_answers, 10.0),
    }
    return [
        Part(
            name=name,
            argv=[*command, name, "--settings", str(file)],
            ready=check,
            grace_s=grace_s,
            # The page is ready when the house is, and shows how the others end.
            outlasts=("node", "deliver", "worker") if name == "web" else (),
        )
        for name, (check, grace_s) in ready.items()
    ]


def _how_to_go_on(settings: Settings) -> str:
    node = settings.node
    return (
        f"The page: http://{settings.web.host}:{settings.web.port}\n"
        f"Everything is kept in {settings.data}\n"
        f"Send a study: wetread send PATH… --to {node.ae_title}@{_reachable(node.host)}:{our_port(settings)}\n"
        "Stop with Ctrl-C."
    )


def _destination(peer: Peer) -> DicomDestinationSettings:
    # The studies come straight to us, not from this archive: it has nothing to compare an identity with.
    return DicomDestinationSettings(
        name=ARCHIVE_NAME, ae_title=peer.ae_title, host=peer.host, port=peer.port, identity_check=False
    )


def _write_effective(settings: Settings) -> Path:
    """Write what the parts are to run with: the same for all of them, whatever becomes of the file it came from."""
    file = settings.run / "effective.json"
    # For its owner's eyes from its first byte on, and never through a link under its name.
    write_note(file, settings.model_dump_json(indent=1).encode(), durable=False)
    return file


def _archive_port(settings: Settings) -> int:
    """Return a free port; kept in the data directory, so that the archive stays where viewers look for it."""
    kept = settings.data / "archive-port"
    if kept.exists() and not _listens("127.0.0.1", int(kept.read_text())):
        return int(kept.read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # Whole, or not there: a power cut would leave it empty, and that is no port.
    write_note(kept, str(port).encode())
    return port


def _require_free_ports(settings: Settings) -> None:
    ports = [("web.port", settings.web.host, settings.web.port)]
    if settings.node.plain:
        ports.append(("node.port", settings.node.host, settings.node.port))
    if settings.node.tls is not None:
        ports.append(("node.tls.port", settings.node.host, settings.node.tls.port))
    for key, host, port in ports:
        # The node is asked whether it is ready, and people are told where the page is.
        require_known_port(key, port)
        if _listens(_reachable(host), port):
            raise SettingsError(
                f"{key}: port {port} is taken by another program; choose another, such as "
                f"WETREAD_{key.upper().replace('.', '__')}={port + 1}"
            )


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104  # compared, not bound


def _listens(host: str, port: int) -> bool:
    family = socket.AF_INET6 if _is_v6(host) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6  # noqa: PLR2004  # the version's own number
    except ValueError:
        return False
