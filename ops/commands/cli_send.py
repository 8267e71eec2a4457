"""`wetread send`: files to a node or an archive."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops import logs
from ops.commands import terminal
from ops.commands.cli_tls import TlsCa, TlsCertificate, TlsKey, with_tls
from ops.commands.ending import ended_in_order
from ops.commands.options import DataFolder, SettingsFile, read_settings
from ops.peers import our_title, peer_named

#: Of each reason so many files are named with the peer's own words; the summary counts all.
_TOLD_EACH = 5


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("send")(send)


def send(
    paths: Annotated[
        list[Path], typer.Argument(exists=True, help="DICOM files, folders, zip files, DICOMDIRs.", metavar="PATH…")
    ],
    to: Annotated[str, typer.Option("--to", help="AE@host:port, or a destination's name in the settings.")],
    calling: Annotated[str, typer.Option(help="Our AE title.")] = "WETREAD-SEND",
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Send DICOM files to a node or an archive (C-STORE).

    Ends with 1 where a file was refused or could not be read. What is not DICOM is skipped and counted;
    a dataset without file meta information (PS3.10), as older tools store one, is sent.

    Example: wetread send /data/study /media/cd/DICOMDIR export.zip --to WETREAD@127.0.0.1:11112
    """
    from dicom_node.archives.requestor import Requestor  # noqa: PLC0415
    from dicom_node.archives.sender import send_sources  # noqa: PLC0415
    from dicom_node.sources.sources import sources_of  # noqa: PLC0415
    from ops.commands.send_summary import SendSummary  # noqa: PLC0415

    logs.configure()
    peer = with_tls(peer_named(to, lambda: read_settings(settings, data)), tls_ca, tls_certificate, tls_key)
    sources, requestor = sources_of(paths), Requestor(peer=peer, calling_ae_title=our_title(calling))
    summary = SendSummary()
    total, done = sum(map(len, sources)), False
    try:
        with ended_in_order(), transfer_progress() as progress:
            task = progress.add_task("sending", total=total)
            for name, outcome in send_sources(sources, requestor):
                reason = summary.add(name, outcome)
                if reason.failed and summary.counts[reason] <= _TOLD_EACH:
                    progress.console.print(terminal.plain(f"{name}: {outcome.text}"), markup=False, highlight=False)
                progress.advance(task)
        done = True
    finally:
        # Also where the peer went away in the middle: what it took by then is there.
        table = summary.table()
        if table.row_count:
            terminal.console().print(table)
        typer.echo(summary.line(unsent=0 if done else max(0, total - summary.counts.total())))
    if not summary.ok:
        raise typer.Exit(1)


def transfer_progress() -> Progress:
    """Return a bar of things done, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
