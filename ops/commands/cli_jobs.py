"""`wetread jobs`, `job`, `retry`, `waive`, `release-hold`, `cancel`: what became of studies."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.peer_settings import PriorityName
from ops.commands import terminal
from ops.commands.ages import parse_age
from ops.commands.options import MOST, AtMost, DataFolder, SettingsFile, open_existing_ledger, read_settings
from ops.commands.script_output import for_scripts, plain
from ops.commands.who import acting_user
from ops.dashboard import wording
from ops.settings import SettingsError
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState, Priority
from worker.jobs.job_records import ModelVersion

if TYPE_CHECKING:
    from worker.ledger.ledger import Ledger


def _ago(text: str) -> datetime:
    try:
        return datetime.now(UTC) - parse_age(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from error


OLDER = typer.Option(parser=_ago, metavar="AGE", help="Only jobs queued longer ago than this, such as 30m, 2h or 1d.")
NEWER = typer.Option(parser=_ago, metavar="AGE", help="Only jobs queued since then.")
JobId = Annotated[int, typer.Argument(min=1, max=MOST, help="As in `wetread jobs`.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("jobs")(jobs)
    app.command("job")(job)
    app.command("retry")(retry)
    app.command("waive")(waive)
    app.command("cancel")(cancel)
    app.command("release-hold")(release_hold)


def jobs(
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs of this model.")] = None,
    sender: Annotated[str | None, typer.Option(help="Only studies that this AE title has sent.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only jobs of this queue.")] = None,
    priority: Annotated[PriorityName | None, typer.Option(help="Only jobs of this priority.")] = None,
    older: Annotated[datetime | None, OLDER] = None,
    newer: Annotated[datetime | None, NEWER] = None,
    limit: AtMost = 50,
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List jobs, newest first.

    Example: wetread jobs --state queued --older 2h --sender CT1
    """
    from worker.ledger.views import Wanted  # noqa: PLC0415  # with it comes the database

    ledger = open_existing_ledger(settings, data)
    wanted = Wanted(
        model_id=model,
        sender=sender,
        queue=queue,
        priority=Priority.named(priority) if priority is not None else None,
        queued_before=older,
        queued_after=newer,
    )
    rows = ledger.jobs(state.value if state is not None else None, limit, among=wanted)
    if as_json:
        typer.echo(for_scripts(rows))
        return
    table = terminal.table("job", "model", "state", "priority", "queued (UTC)", "sender", "attempts", "study", "reason")
    for row in rows:
        table.add_row(
            str(row.id),
            row.model_id,
            _state(row),
            row.priority.name.lower(),
            f"{row.queued_at:%m-%d %H:%M:%S}",
            terminal.plain(row.sender),
            str(row.attempts),
            row.study_instance_uid,
            row.reason,
        )
    narrowed = state is not None or wanted != Wanted()
    terminal.console().print(table if rows else "no job is like that" if narrowed else _why_none(ledger))


def _why_none(ledger: "Ledger") -> str:
    arriving = ledger.overview().studies_receiving
    if not arriving:
        return "no jobs yet: send a study with `wetread send`"
    return f"no jobs yet: {arriving} {'study arrives' if arriving == 1 else 'studies arrive'}, read once complete"


def job(
    job_id: JobId,
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show one job: its timeline, its objects, the reason.

    Example: wetread job 7
    """
    ledger = open_existing_ledger(settings, data)
    row = _known(ledger, job_id)
    events = ledger.timeline(row.study_instance_uid)
    if as_json:
        typer.echo(for_scripts({**plain(row), "timeline": events}))
        return
    console = terminal.console()
    console.print(f"job {row.id}: {row.model_id} {row.model_version}, {_state(row)}, attempt {row.attempts}")
    console.print(
        f"{row.priority.name.lower()} in queue {row.queue}, sent by {terminal.plain(row.sender) or 'nobody known'}, "
        f"queued {row.queued_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    series = f", series {row.series_instance_uid}" if row.series_instance_uid else ""
    console.print(f"study {row.study_instance_uid}{series}, revision {row.revision}")
    if row.reason:
        console.print(f"reason: {row.reason}")
    objects = terminal.table("object", "destination", "state", "attempts", "SOP Instance UID", "reason")
    for item in row.deliveries:
        objects.add_row(
            item.kind, item.destination, item.state.value, str(item.attempts), item.sop_instance_uid, item.reason
        )
    console.print(objects)
    timeline = terminal.table("time (UTC)", "job", "event", "detail")
    for event in events:
        worded = {key: wording.detail(value) for key, value in event.detail.items()}
        detail = ", ".join(f"{key} {words}" for key, words in worded.items() if words)
        timeline.add_row(f"{event.at:%Y-%m-%d %H:%M:%S}", str(event.job_id or ""), event.kind, detail)
    console.print(timeline)


def retry(job_id: JobId, settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Queue a failed, held, skipped or cancelled job again.

    It is for the model as it is on this machine now. Of a job that is read, the results that an archive refused, or
    that were given up or waived, are sent again, and what it has taken and did not commit to is asked for again.

    Example: wetread retry 7
    """
    from ops.assembly_line import catalog_of  # noqa: PLC0415  # pulls pydicom in, and with it every decoder
    from ops.destinations import commitment_plans_of  # noqa: PLC0415  # likewise

    ledger, found = open_existing_ledger(settings, data), read_settings(settings, data)
    if _known(ledger, job_id).state is JobState.READ and (
        again := ledger.send_again(job_id, by=acting_user(), committing=commitment_plans_of(found))
    ):
        typer.echo(f"{again} results of job {job_id} are sent, or their commitment asked for, again")
        return
    # Where it cannot be read again, no model needs to be put back for it.
    ledger.require_retryable(job_id)
    entry = catalog_of(found)().get(_known(ledger, job_id).model_id)
    entry.require_ready()
    card = entry.card
    model = ModelVersion(model_id=card.id, model_digest=entry.digest, name=card.name, version=card.version)
    ledger.retry(job_id, model=model, by=acting_user())
    typer.echo(f"job {job_id} is queued for {card.id} {card.version}")


def waive(
    job_id: JobId,
    destination: Annotated[
        str, typer.Option(help="Also what waits for this one, which the settings no longer name.")
    ] = "",
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Let results be that were refused or given up.

    They need not get there: their study is settled then, and retention may remove it. `wetread retry` changes that
    again.

    Example: wetread waive 7
    """
    ledger = open_existing_ledger(settings, data)
    _known(ledger, job_id)
    if destination in {item.name for item in read_settings(settings, data).each_destination}:
        raise SettingsError(
            f"{destination} is among the settings' destinations, and what waits for it will be sent; `wetread hold "
            f"--destination {destination}` holds it"
        )
    waived = ledger.waive(job_id, by=acting_user(), gone=destination)
    typer.echo(f"{waived} results of job {job_id} need not arrive any more")


def cancel(job_id: JobId, settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Cancel a job that is not read yet.

    Example: wetread cancel 7
    """
    open_existing_ledger(settings, data).cancel(job_id, by=acting_user())
    typer.echo(f"job {job_id} is cancelled")


def release_hold(job_id: JobId, settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Send a held job's results to its study as it is now.

    You have made sure that they belong there.

    Example: wetread release-hold 7
    """
    ledger = open_existing_ledger(settings, data)
    _known(ledger, job_id)
    ledger.release(job_id, by=acting_user())
    typer.echo(f"job {job_id} is released")


def _state(row: JobRow) -> str:
    """A read of which every destination has all is *delivered*, which the ledger does not count as a state."""
    return "delivered" if row.delivered else row.state.value


def _known(ledger: "Ledger", job_id: int) -> JobRow:
    row = ledger.job(job_id)
    if row is None:
        raise SettingsError(f"there is no job {job_id}; `wetread jobs` lists them")
    return row
