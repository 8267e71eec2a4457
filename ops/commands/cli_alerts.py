"""`wetread alerts` and `wetread acknowledge`: what somebody must hear of, and that somebody has."""

import re
from typing import Annotated

import typer

from ops.commands import terminal
from ops.commands.options import MOST, AtMost, DataFolder, SettingsFile, open_existing_ledger
from ops.commands.script_output import for_scripts
from worker.jobs.notification_records import NotificationRow

_NAME = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,10}))?")


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
    """List critical findings and late reads to be acknowledged.

    Newest first, with who was told.

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
            row.name,
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
    notification: Annotated[str, typer.Argument(help="As in `wetread alerts` and in the message: 3, or 3.2.")],
    by: Annotated[str, typer.Option("--by", help="Who knows: a name that the department will recognise.")],
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Say that somebody knows, so that nobody else is told.

    Example: wetread acknowledge 3 --by "Dr. Meyer"
    """
    if not by.strip():
        raise typer.BadParameter("say who knows", param_hint="--by")
    number, reading = _named(notification)
    open_existing_ledger(settings, data).acknowledge(number, by=by.strip(), reading=reading)
    typer.echo(f"notification {notification} is acknowledged by {by.strip()}")


def _named(typed: str) -> tuple[int, int]:
    """Return the notification's number, and of which reading of its job it is; in messages the first has no number."""
    found = _NAME.fullmatch(typed)
    number, reading = (int(found[1]), int(found[2] or 1)) if found is not None else (0, 0)
    if not (0 < number <= MOST and 0 < reading <= MOST):
        raise typer.BadParameter("write it as `wetread alerts` shows it, such as 3 or 3.2", param_hint="NOTIFICATION")
    return number, reading


def _told(row: NotificationRow) -> str:
    return ", ".join(
        f"{notice.channel}: {notice.state}"
        + (f" ({notice.reason})" if notice.state in ("lost", "pending") and notice.reason else "")
        for notice in row.notices
    )
