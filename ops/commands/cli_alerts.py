"""`wetread alerts` and `wetread acknowledge`: what somebody must hear of, and that somebody has."""

from typing import Annotated

import typer

from ops.commands import terminal
from ops.commands.options import MOST, AtMost, DataFolder, SettingsFile, open_existing_ledger
from ops.commands.script_output import for_scripts
from worker.jobs.notification_records import NotificationRow


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("alerts")(alerts)
    app.command("acknowledge")(acknowledge)


def alerts(
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that somebody has acknowledged, too.")] = False,
    limit: AtMost = 50,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List critical findings and late reads that nobody has acknowledged, newest first, and who was told.

    Example: wetread alerts
    """
    # It pulls numpy in, and the command line is what every part starts with.
    from worker.case.notification_words import reason_sentence  # noqa: PLC0415
    from worker.case.sentences import words_in  # noqa: PLC0415

    words = words_in("en")
    rows = open_existing_ledger(settings, data).notifications(limit, unacknowledged=not everything)
    if as_json:
        typer.echo(for_scripts(rows))
        return
    table = terminal.table("id", "recorded (UTC)", "about", "state", "told", "job", "study")
    for row in rows:
        table.add_row(
            str(row.id),
            f"{row.created_at:%Y-%m-%d %H:%M:%S}",
            "; ".join(reason_sentence(reason, words) for reason in row.reasons) or "not read in time",
            f"{row.state} by {row.acknowledged_by}" if row.acknowledged_by else str(row.state),
            _told(row),
            str(row.job_id),
            row.study_instance_uid,
        )
    nothing = "no notification yet" if everything else "nothing waits for an acknowledgement"
    terminal.console().print(table if rows else nothing)


def acknowledge(
    notification_id: Annotated[int, typer.Argument(min=1, max=MOST, help="As in `wetread alerts` and in the message.")],
    by: Annotated[str, typer.Option("--by", help="Who knows: a name that the department will recognise.")],
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Say that somebody knows, so that nobody else is told.

    Example: wetread acknowledge 3 --by "Dr. Meyer"
    """
    if not by.strip():
        raise typer.BadParameter("say who knows", param_hint="--by")
    open_existing_ledger(settings, data).acknowledge(notification_id, by=by.strip())
    typer.echo(f"notification {notification_id} is acknowledged by {by.strip()}")


def _told(row: NotificationRow) -> str:
    return ", ".join(
        f"{notice.channel}: {notice.state}"
        + (f" ({notice.reason})" if notice.state in ("lost", "pending") and notice.reason else "")
        for notice in row.notices
    )
