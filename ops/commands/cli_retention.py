"""`wetread retention`: what may go, what stays and why."""

from typing import Annotated

import typer

from ops.commands import terminal
from ops.commands.options import DataFolder, SettingsFile, open_existing_ledger, read_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("retention")(retention)


def retention(
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it now; else it is only shown.")] = False,
) -> None:
    """Show what retention would remove now.

    And why older studies stay.

    The node does it by itself; this changes nothing without --remove. Ends with 1 where a study stays since its files
    cannot be removed, or its rows in the ledger are damaged.

    Example: wetread retention
    """
    from dicom_node.spooling.spool import Spool  # noqa: PLC0415
    from ops.daemons.retention import Retention  # noqa: PLC0415

    ledger = open_existing_ledger(settings, data)
    found = read_settings(settings, data)
    clearing = Retention(ledger=ledger, spool=Spool(found.spool, fsync=found.node.fsync), settings=found)
    table = terminal.table("study", "what goes", "why it stays")
    going = freed = failed = 0
    for verdict in clearing.once(dry_run=not remove):
        going += verdict.what is not None
        freed += verdict.freed_bytes
        failed += verdict.failed
        table.add_row(verdict.study_instance_uid, verdict.what or "", terminal.plain(verdict.why))
    if table.row_count:
        terminal.console().print(table)
    if remove:
        typer.echo(f"{going} removed, {freed} bytes freed")
    else:
        typer.echo(f"{going} would be removed" + ("; `wetread retention --remove` does it" if going else ""))
    if failed:
        raise typer.Exit(1)
