"""`wetread force-complete`: an admin knows better than the node that a study is complete."""

from typing import Annotated

import typer

from ops.commands.options import DataFolder, SettingsFile, open_existing_ledger


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("force-complete")(force_complete)


def force_complete(
    study_uid: Annotated[str, typer.Argument(help="Study Instance UID (0020,000D).")],
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Read a study that still arrives as it is now.

    Images that come later open another revision.

    Example: wetread force-complete 1.2.840.113619.2.55.3.1
    """
    open_existing_ledger(settings, data).ask_completion(study_uid)
    typer.echo(f"study {study_uid} is closed within a second or two, while the node runs; else when it does")
