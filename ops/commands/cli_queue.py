"""`wetread prioritise`, `hold` and `resume`: what is next, and what waits until somebody says so."""

from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.peer_settings import PriorityName
from ops.commands import terminal
from ops.commands.options import MOST, DataFolder, SettingsFile, open_existing_ledger, read_settings
from ops.commands.script_output import for_scripts
from ops.commands.who import acting_user
from ops.settings import Settings, SettingsError
from worker.jobs.admin_rows import HoldKind
from worker.jobs.job import JobState, Priority

if TYPE_CHECKING:
    from worker.ledger.ledger import Ledger

Job = Annotated[int | None, typer.Argument(min=1, max=MOST, help="A job, as in `wetread jobs`.")]
Queue = Annotated[str, typer.Option("--queue", help="A whole queue, such as gpu.")]
DestinationName = Annotated[str, typer.Option("--destination", help="A whole destination, by its name.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("prioritise")(prioritise)
    app.command("hold")(hold)
    app.command("resume")(resume)


def prioritise(
    what: Annotated[str, typer.Argument(help="A job, or a Study Instance UID: all of its jobs, later ones too.")],
    priority: Annotated[PriorityName, typer.Argument(help="How urgent it is from now on.")],
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Change how urgent a job or a study is, at once.

    Example: wetread prioritise 7 stat
    """
    ledger = open_existing_ledger(settings, data)
    if what.isdecimal() and int(what) > MOST:
        raise SettingsError(f"there is no job {what}; `wetread jobs` lists them")
    if what.isdecimal():
        ledger.prioritise(int(what), Priority.named(priority), by=acting_user())
        typer.echo(f"job {what} is {priority}")
        return
    jobs = ledger.prioritise_study(what, Priority.named(priority), by=acting_user())
    typer.echo(f"study {what} is {priority}: {jobs} jobs, and those of later images")


def hold(
    job: Job = None,
    queue: Queue = "",
    destination: DestinationName = "",
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Hold a job, a queue or a destination.

    It is held until `wetread resume`; without any, what is held is listed. What runs goes on to its end, but for a
    held job, whose worker has worked for nothing. Later images of a study make a new job, which is not held.

    Example: wetread hold --queue gpu
    """
    ledger = open_existing_ledger(settings, data)
    if job is None and not queue and not destination:
        _list(ledger, as_json=as_json)
        return
    _one_of(job, queue, destination)
    if job is not None:
        ledger.hold_job(job, by=acting_user())
        typer.echo(f"job {job} is held; `wetread resume {job}` lets it go on")
        return
    kind, name = _place(queue, destination)
    _require_known(ledger, read_settings(settings, data), kind, name)
    new = ledger.hold_all(kind, name, by=acting_user())
    typer.echo(f"{kind} {name} is held" if new else f"{kind} {name} was held already")


def resume(
    job: Job = None,
    queue: Queue = "",
    destination: DestinationName = "",
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Let go on what `wetread hold` holds.

    Example: wetread resume --queue gpu
    """
    ledger = open_existing_ledger(settings, data)
    _one_of(job, queue, destination)
    if job is not None:
        state = ledger.resume_job(job, by=acting_user())
        typer.echo(f"job {job} is {state}" + ("" if state is JobState.QUEUED else "; its results go on their way"))
        return
    kind, name = _place(queue, destination)
    if not ledger.resume_all(kind, name, by=acting_user()):
        raise SettingsError(f"{kind} {name} is not held; `wetread hold` lists what is")
    typer.echo(f"{kind} {name} goes on")


def _one_of(job: int | None, queue: str, destination: str) -> None:
    if (job is not None) + bool(queue) + bool(destination) != 1:
        raise typer.BadParameter("name one: a job, --queue NAME or --destination NAME")


def _place(queue: str, destination: str) -> tuple[HoldKind, str]:
    return ("queue", queue) if queue else ("destination", destination)


def _require_known(ledger: "Ledger", settings: Settings, kind: HoldKind, name: str) -> None:
    """Refuse to hold what nobody has heard of: a name that is mistyped would hold nothing."""
    known = ledger.known_names(kind)
    if kind == "destination":
        known |= {item.name for item in settings.each_destination}
    elif name not in known:
        from ops.assembly_line import catalog_of  # noqa: PLC0415  # pulls pydicom in, and with it every decoder

        known |= {*settings.worker.queues, *(entry.card.queue for entry in catalog_of(settings)())}
    if name not in known:
        raise SettingsError(f"there is no {kind} {name}; known are {', '.join(sorted(known)) or 'none yet'}")


def _list(ledger: "Ledger", *, as_json: bool) -> None:
    rows = ledger.holds()
    if as_json:
        typer.echo(for_scripts(rows))
        return
    table = terminal.table("held", "name", "since (UTC)", "by")
    for row in rows:
        table.add_row(row.kind, row.name, f"{row.since:%Y-%m-%d %H:%M:%S}", row.by)
    nothing = "no queue and no destination is held; `wetread jobs --state held` lists jobs that are"
    terminal.console().print(table if rows else nothing)
