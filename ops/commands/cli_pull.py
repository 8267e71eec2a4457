"""`wetread pull`: studies from an archive into our node, so that a backlog is read."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from dicom_node.settings import Peer
from ops import logs
from ops.commands import terminal
from ops.commands.cli_send import transfer_progress
from ops.commands.cli_tls import TlsCa, TlsCertificate, TlsKey, with_tls
from ops.commands.ending import ended_in_order
from ops.commands.options import DataFolder, SettingsFile, read_settings
from ops.commands.study_list import studies_in
from ops.peers import archives_in, our_node, parse_peer, peer_named
from ops.settings import Settings, SettingsError

if TYPE_CHECKING:
    from ops.commands.backlog import Route


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("pull")(pull)


def pull(
    study_uids: Annotated[list[str] | None, typer.Argument(help="Study Instance UIDs.", metavar="STUDY_UID…")] = None,
    source: Annotated[
        str, typer.Option("--from", help="A destination's name, or AE@host:port; else the only destination.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="Study Instance UIDs, one a line; # begins a comment; -: stdin.")
    ] = None,
    to: Annotated[str, typer.Option("--to", help="AE@host:port of the node that gets them; else ours.")] = "",
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    timeout: Annotated[float, typer.Option(help="Longest silence of the archive, in seconds.", min=1)] = 600.0,
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    move: Annotated[
        bool, typer.Option("--move", help="C-MOVE: the archive sends to our AE title, which it must know; else C-GET.")
    ] = False,
) -> None:
    """Fetch studies from an archive into our running node.

    They are read there as if they had been sent.

    Ends with 1 where a study did not come whole: by C-GET as our node answered, by C-MOVE as its spool has it, where
    that is on this machine. What the node has already is not kept twice. The archive's TLS is its destination's; the
    options are for the node, where it has TLS and is not reached with its own certificate.

    Example: wetread pull --file backlog.txt --from pacs
    """
    from dicom_node.archives.archive import DicomArchive  # noqa: PLC0415
    from dicom_node.archives.requestor import Requestor  # noqa: PLC0415
    from dicom_node.spooling.spool_layout import SpoolFolders  # noqa: PLC0415
    from ops.commands.backlog import Route  # noqa: PLC0415

    logs.configure()
    found = read_settings(settings, data)
    wanted = studies_in(study_uids or [], file)
    archive = _archive(source, found)
    node = with_tls(parse_peer(to) if to else our_node(found), tls_ca, tls_certificate, tls_key)
    ours = found.node.ae_title
    # Before an archive is made to fetch anything from its tapes.
    DicomArchive(node, ours).echo()
    route = Route(
        archive=Requestor(peer=archive, calling_ae_title=ours, dimse_timeout_s=timeout),
        node=Requestor(peer=node, calling_ae_title=ours),
        move=move,
        spool=None if to or not os.access(found.spool, os.R_OK | os.X_OK) else SpoolFolders(found.spool),
    )
    if _pulled(wanted, route) < len(wanted):
        raise typer.Exit(1)


def _pulled(wanted: Sequence[str], route: "Route") -> int:
    """Fetch studies with bars, say what has come, and return how many are whole."""
    from ops.commands.backlog import pull_studies  # noqa: PLC0415

    table = terminal.table("study", "instances", "why not whole", "what to do")
    instances = whole = claimed = 0
    progress = transfer_progress()
    studies = progress.add_task("studies", total=len(wanted))
    bar = _Bar(progress)
    try:
        with ended_in_order(), progress:
            for study_uid, pulled in pull_studies(wanted, route, bar):
                bar.instances = 0
                instances += pulled.instances
                whole += not pulled.why
                claimed += pulled.claimed
                if pulled.why:
                    table.add_row(study_uid, str(pulled.instances), terminal.plain(pulled.why), pulled.remedy)
                progress.advance(studies)
    finally:
        # Also where somebody ends it in the middle: what the node has by then is there.
        if table.row_count:
            terminal.console().print(table)
        typer.echo(f"{whole} of {len(wanted)} studies {_summary(route, instances, claimed)}{bar.under_way()}")
    return whole


def _summary(route: "Route", instances: int, claimed: int) -> str:
    """Return what is known of the instances, and from whom."""
    if not route.move:
        return f"are there, {instances} instances"
    if route.spool is None:
        return f"were sent, {instances} instances, as the archive says; the node's spool is not here to be looked into"
    return f"are there, {instances} instances in our node's spool; the archive says that it sent {claimed}"


class _Bar:
    """The study that is under way, as a bar; so many `instances` of it have come."""

    def __init__(self, progress: Progress) -> None:
        self.instances = 0
        self._progress = progress
        self._task = progress.add_task("instances", total=None)

    def begun(self, instances: int | None) -> None:
        self._progress.reset(self._task, total=instances)

    def step(self, instances: int) -> None:
        self.instances = instances
        self._progress.update(self._task, completed=instances)

    def under_way(self) -> str:
        """Say what has come of a study that did not end; empty where nothing has."""
        return f"; and {self.instances} instances of the study that was under way" if self.instances else ""


def _archive(source: str, settings: Settings) -> Peer:
    if source:
        return peer_named(source, lambda: settings)
    known = archives_in(settings)
    if len(known) != 1:
        names = ", ".join(known) or "none"
        raise SettingsError(f"say from which archive with --from: a destination's name ({names}) or AE@host:port")
    return next(iter(known.values()))
