"""`wetread peers`: who may talk to the node, who did, when last, and how much."""

from typing import Annotated

import typer

from ops.commands import terminal
from ops.commands.options import DataFolder, SettingsFile, open_existing_ledger, read_settings
from ops.commands.peer_list import others, peer_rows
from ops.commands.script_output import for_scripts


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("peers")(peers)


def peers(
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List who may send to the node, and who did.

    It says when last, from where, and how much: studies are those that began with a sender, instances and bytes what
    the spool holds of it now.

    Example: wetread peers --settings /etc/wetread.toml
    """
    from dicom_node.spooling.kept_by_sender import kept_by_sender  # noqa: PLC0415
    from dicom_node.spooling.spool_layout import SpoolFolders  # noqa: PLC0415

    ledger = open_existing_ledger(settings, data)
    found = read_settings(settings, data)
    node = found.node
    kept = kept_by_sender(SpoolFolders(found.spool)) if found.spool.is_dir() else {}
    rows = peer_rows(node, ledger.senders(), kept)
    if as_json:
        typer.echo(for_scripts(rows))
        return
    table = terminal.table("AE title", "may call", "last", "from", "studies", "instances", "MiB kept")
    for row in rows:
        last = "never" if row.last_at is None else row.last_at.isoformat(sep=" ", timespec="seconds")
        mebibytes = f"{row.bytes_kept / (1 << 20):.1f}"
        table.add_row(row.ae_title, row.may_call, last, row.address, str(row.studies), str(row.instances), mebibytes)
    if rows:
        terminal.console().print(table)
    typer.echo(others(node))
