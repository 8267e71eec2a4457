"""`wetread ledger check`, `migrate` and `copy`: what must hold in it, its tables, and its way to another database."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands import terminal
from ops.commands.options import DataFolder, SettingsFile, open_existing_ledger, read_settings
from ops.commands.script_output import for_scripts
from ops.settings import Settings

if TYPE_CHECKING:
    from worker.ledger.flaws import Flaw
    from worker.ledger.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="The ledger: checked, brought up to date, taken elsewhere.")
#: The reconciler renews a silent token after three of its rounds; after so many it has not.
_ROUNDS = 20
_LEAST_PATIENCE_S = 60.0
#: Nobody reads more lines; where a disk is not mounted there are several for each study.
_MOST_SHOWN = 500


@app.command()
def check(
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend",
            help="Make tokens for queued jobs that have none, ask for commitments that nobody would ask for, and let "
            "go what waits of superseded jobs; nothing else is changed.",
        ),
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Results need only be there; they are not read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Prove what must hold in a ledger, also while everything runs.

    Ends with 1 where something does not.

    Example: wetread ledger check --settings /etc/wetread.toml
    """
    ledger = open_existing_ledger(settings, data)
    found = read_settings(settings, data)
    flaws = list(_flaws(ledger, found, contents=not quick))
    mended = {}
    if mend and any(it.mendable for it in flaws):
        mended = {
            "queued jobs have a token again": ledger.requeue_silent(silent_s=_patience_s(found)),
            "results will be asked for again (commitment)": ledger.ask_again(),
            "results of superseded jobs, or their withdrawals, wait no more for what never comes": (
                ledger.let_superseded_go()
            ),
        }
    left = [it for it in flaws if not (any(mended.values()) and it.mendable)]
    if as_json:
        typer.echo(for_scripts({"flaws": left, "mended": sum(mended.values())}))
    else:
        _show(left, mended)
    raise typer.Exit(1 if left else 0)


@app.command()
def migrate(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Bring the ledger's tables up to date.

    Every part does so when it starts.

    Example: wetread ledger migrate --settings /etc/wetread.toml
    """
    ledger = open_existing_ledger(settings, data)
    typer.echo(f"the ledger's tables are at {ledger.version()}")


@app.command()
def copy(
    to: Annotated[str, typer.Argument(help="The new `ledger.url`: an empty database.")],
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="The new `ledger.password_file`.", exists=True)
    ] = None,
) -> None:
    """Copy the ledger into an empty database.

    Such as from SQLite to PostgreSQL. Stop every part of wetread before; afterwards write the new URL into the
    settings, and start. The old ledger stays as it was.

    Example: wetread ledger copy postgresql://wetread@db.example.org/wetread --password-file /etc/wetread/password
    """
    from worker.ledger.copying import copy_ledger  # noqa: PLC0415
    from worker.ledger.ledger import Ledger  # noqa: PLC0415  # the library below it is large

    source = open_existing_ledger(settings, data)
    target = Ledger.open(to, password_file=password_file)
    rows = copy_ledger(source, target, say=lambda table, count: typer.echo(f"{table}: {count}"))
    typer.echo(f"{rows} rows copied; now set `ledger.url`, and start wetread again")


def _flaws(ledger: "Ledger", settings: Settings, *, contents: bool) -> Iterator["Flaw"]:
    # With them comes the database.
    from worker.jobs.routing import Conditions  # noqa: PLC0415
    from worker.ledger.checks import flaws_of  # noqa: PLC0415
    from worker.ledger.database import utc_now  # noqa: PLC0415
    from worker.ledger.facts import UnreadableStudy  # noqa: PLC0415
    from worker.ledger.files import file_flaws  # noqa: PLC0415
    from worker.ledger.flaws import Flaw, Moment  # noqa: PLC0415

    yield from _database_flaws(ledger, settings, contents=contents)
    now, patience_s = ledger.clock.read(), _patience_s(settings)
    moment = Moment(
        now=now,
        wall=utc_now(),
        patience_s=patience_s,
        # What an admin holds needs no token.
        fed={*ledger.fed_queues(now, patience_s), *(hold.name for hold in ledger.holds() if hold.kind == "queue")},
        # Of a destination that gets some reads only, nobody knows here which.
        wanted={item.name: item.objects for item in settings.each_destination if item.conditions == Conditions()},
        first_deliveries=ledger.first_deliveries(),
    )
    for facts in ledger.all_facts():
        if isinstance(facts, UnreadableStudy):
            yield Flaw(
                invariant="values are what they should be",
                study_instance_uid=facts.study_instance_uid,
                job_id=None,
                what="nothing else of it can be checked",
                remedy=facts.why,
            )
            continue
        yield from flaws_of(facts, moment)
        yield from file_flaws(facts, spool=settings.spool, results=settings.results, contents=contents)


def _database_flaws(ledger: "Ledger", settings: Settings, *, contents: bool) -> Iterator["Flaw"]:
    """Yield what is wrong of the database as such, whatever its rows mean."""
    from dicom_node.spooling.spool_layout import SpoolFolders  # noqa: PLC0415
    from worker.ledger.flaws import DATABASE_FLAWS, Flaw  # noqa: PLC0415

    found = [("the ledger's file is whole", line) for line in (ledger.file_damage() if contents else ())]
    found += [
        ("rows refer to rows that are there", f"row {row} of {table} belongs to a {missing} that is not there")
        for table, row, missing in ledger.orphans()
    ]
    found += [
        ("values are what they should be", f"{column} of row {key} of {table} is not what it should be")
        for table, key, column in ledger.unreadable()
    ]
    if ledger.is_empty() and settings.spool.is_dir() and (folders := SpoolFolders(settings.spool).study_folders()):
        found.append(("the spool's studies are known", f"it knows no study, and the spool has {len(folders)}"))
    for invariant, what in found:
        yield Flaw(invariant=invariant, study_instance_uid="", job_id=None, what=what, remedy=DATABASE_FLAWS[invariant])


def _patience_s(settings: Settings) -> float:
    return max(_LEAST_PATIENCE_S, _ROUNDS * settings.worker.reconcile_every_s)


def _show(flaws: "list[Flaw]", mended: Mapping[str, int]) -> None:
    for what, count in mended.items():
        if count:
            typer.echo(f"{count} {what}")
    if not flaws:
        typer.echo("everything holds")
        return
    table = terminal.table("must hold", "study", "job", "but", "remedy")
    for it in flaws[:_MOST_SHOWN]:
        job = "" if it.job_id is None else str(it.job_id)
        table.add_row(it.invariant, it.study_instance_uid, job, it.what, it.remedy)
    terminal.console().print(table)
    if len(flaws) > _MOST_SHOWN:
        typer.echo(f"these are the first {_MOST_SHOWN} of {len(flaws)}; `--json` has them all. What does not hold:")
        for invariant, count in Counter(it.invariant for it in flaws).most_common():
            typer.echo(f"{count} times: {invariant}")
