"""The console script `wetread`. Each command is a few lines; what it needs is imported when it runs."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops.commands import (
    cli_alerts,
    cli_jobs,
    cli_ledger,
    cli_models,
    cli_peers,
    cli_pull,
    cli_queue,
    cli_retention,
    cli_send,
    cli_studies,
    cli_validate,
    options,
)
from ops.commands.cli_tls import TlsCa, TlsCertificate, TlsKey, with_tls
from ops.peers import our_node, our_title, peer_named

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config = typer.Typer(no_args_is_help=True, help="Settings.")
app.add_typer(cli_models.app, name="models")
app.add_typer(config, name="config")
app.add_typer(cli_ledger.app, name="ledger")
cli_send.add_to(app)
cli_pull.add_to(app)
cli_peers.add_to(app)
cli_jobs.add_to(app)
cli_studies.add_to(app)
cli_queue.add_to(app)
cli_alerts.add_to(app)
cli_retention.add_to(app)
cli_validate.add_to(app)

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="Settings file (TOML); else $WETREAD_SETTINGS.", envvar="WETREAD_SETTINGS"),
]
DataFolder = Annotated[Path | None, typer.Option("--data", help="Data directory; else the settings'.")]
#: Objects that are made before the garbage collector looks at them. Nothing of what imports make is garbage, and with
#: Python's 700 looking at it again and again is an eighth of the time that a process needs to start.
_GARBAGE_THRESHOLD = 20_000


def _say_version(wanted: bool) -> None:  # noqa: FBT001  # typer's way
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"wetread {version('wetread')}")
        raise typer.Exit


@app.callback()
def wetread(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Reads studies with AI models as they arrive and sends SR and SEG back to the PACS."""


def main() -> None:
    """Run the command line; our own errors are printed as one message, not as a traceback."""
    os.umask(0o077)
    gc.set_threshold(_GARBAGE_THRESHOLD)
    try:
        app()
    except Exception as error:
        from ops.commands.failures import OURS  # noqa: PLC0415  # it knows every room's errors, and a daemon needs not every room

        if not isinstance(error, OURS):
            raise
        Console(stderr=True).print(f"wetread: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


@app.command()
def up(
    settings: SettingsFile = None,
    data: DataFolder = None,
    *,
    archive: Annotated[
        bool, typer.Option(help="Start an archive for demonstration where no destination is set.")
    ] = True,
) -> None:
    """Start everything, with a Redis and an archive of its own.

    That is node, worker, deliverer and page. The archive is for demonstration, where no destination is set.

    Example: wetread up --data /srv/wetread
    """
    from ops import up as daemon  # noqa: PLC0415

    daemon.run(options.read_settings(settings, data), with_archive=archive, say=typer.echo)


@app.command()
def node(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Receive studies; needs a Redis (broker.url).

    Example: wetread node --settings /etc/wetread.toml
    """
    from ops.daemons.lean import with_few_heaps, without_decoders  # noqa: PLC0415

    without_decoders()
    with_few_heaps()
    from ops.daemons import node_daemon  # noqa: PLC0415

    node_daemon.run(options.read_settings(settings, data))


@app.command()
def deliver(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Send results to their destinations.

    Example: wetread deliver --settings /etc/wetread.toml
    """
    from ops.daemons import deliver_daemon  # noqa: PLC0415

    deliver_daemon.run(options.read_settings(settings, data))


@app.command()
def worker(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Read studies: Celery's children, and the model host.

    Example: wetread worker --settings /etc/wetread.toml
    """
    from ops.daemons import worker_daemon  # noqa: PLC0415

    worker_daemon.run(options.read_settings(settings, data), options.settings_arguments(settings, data))


@app.command("celery-worker", hidden=True)
def celery_worker(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Run Celery alone; `wetread worker` supervises it."""
    from ops.daemons import worker_daemon  # noqa: PLC0415

    worker_daemon.run_celery(options.read_settings(settings, data))


@app.command("model-host")
def model_host(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Hold the resident models; `wetread worker` starts one.

    Example: wetread model-host --settings /etc/wetread.toml
    """
    from ops.daemons import model_host_daemon  # noqa: PLC0415

    model_host_daemon.run(options.read_settings(settings, data))


@app.command()
def web(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Serve the page, /metrics, /healthz and /readyz.

    Example: wetread web --settings /etc/wetread.toml
    """
    from ops.daemons import web_daemon  # noqa: PLC0415

    web_daemon.run(options.read_settings(settings, data))


@app.command()
def echo(
    peer: Annotated[
        str, typer.Argument(help="AE@host:port, or a destination's name in the settings; else our own node.")
    ] = "",
    calling: Annotated[str, typer.Option(help="Our AE title; by default the settings' `node.ae_title`.")] = "",
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Ask a peer, or our own node, for an answer (C-ECHO).

    Example: wetread echo PACS@192.0.2.7:104
    """
    from dicom_node.archives.archive import DicomArchive  # noqa: PLC0415

    found = options.read_settings(settings, data)
    named = peer_named(peer, lambda: found) if peer else our_node(found)
    called = with_tls(named, tls_ca, tls_certificate, tls_key)
    DicomArchive(called, our_title(calling) if calling else found.node.ae_title).echo()
    typer.echo(f"{peer or called.ae_title} answers")


@app.command()
def demo(
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running, with the page's address.")] = False,
    out: Annotated[Path, typer.Option(help="Where pictures and objects go.")] = Path("wetread-demo"),
) -> None:
    """Send real studies through everything, and read them back.

    Example: wetread demo --keep
    """
    from ops.demonstration import demo as demonstration  # noqa: PLC0415

    raise typer.Exit(demonstration.run(json=json, keep=keep, out=options.out_folder(out)))


@config.command("example")
def show_example() -> None:
    """Print a settings file with every key and its default.

    Example: wetread config example > wetread.toml
    """
    from ops.reference.settings_example import example  # noqa: PLC0415

    typer.echo(example(), nl=False)


@config.command("check")
def check_config(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Read the settings and print what they come to.

    The certificates that they name are read too; which of the certificates, CAs and revocation lists end soon, or
    have ended, is told beside it (stderr).

    Example: wetread config check --settings /etc/wetread.toml
    """
    import json  # noqa: PLC0415
    import re  # noqa: PLC0415

    from ops.certificates import expiries_of, require_usable, troubles_of, watched_files  # noqa: PLC0415

    read = options.read_settings(settings, data)
    require_usable(read)
    for trouble in troubles_of(expiries_of(watched_files(read))()):
        typer.echo(f"warning: {trouble}; docs/operate.md says how it is replaced", err=True)
    printed = read.model_dump(mode="json")
    for section in ("broker", "ledger"):
        printed[section]["url"] = _masked(printed[section]["url"])
    for channel in printed["notifications"]:
        if isinstance(channel.get("url"), str):
            channel["url"] = re.sub(r"(://[^/?#]*@|://)([^/?#]*).*", r"://\2/***", channel["url"])
    typer.echo(json.dumps(printed, indent=2))


def _masked(url: str) -> str:
    import re  # noqa: PLC0415

    # Up to the last @: kombu and SQLAlchemy take passwords with a slash or an @ that nobody has encoded.
    return re.sub(r"(password=)[^&]*", r"\1***", re.sub(r"://([^/@:]*):.*@", r"://\1:***@", url))


if __name__ == "__main__":
    main()
