"""`wetread peers`: who may talk to the node, who did, when last, and how much."""

from typing import Annotated

import typer

from ops import terminal
from ops.cli_jobs import DataFolder, SettingsFile, open_existing_ledger, read_settings
from ops.peer_list import others, peer_rows
from ops.script_output import for_scripts


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("peers")(peers)


def peers(
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List who may send to the node, and who did: when last, from where, how many studies.

    Example: wetread peers --settings /etc/wetread.toml
    """
    ledger = open_existing_ledger(settings, data)
    node = read_settings(settings, data).node
    rows = peer_rows(node, ledger.senders())
    if as_json:
        typer.echo(for_scripts(rows))
        return
    table = terminal.table("AE title", "may call", "last", "from", "studies")
    for row in rows:
        last = "never" if row.last_at is None else row.last_at.isoformat(sep=" ", timespec="seconds")
        table.add_row(row.ae_title, row.may_call, last, row.address, str(row.studies))
    if rows:
        terminal.console().print(table)
    typer.echo(others(node))
