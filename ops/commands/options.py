"""Options that many commands have, and what they lead to: the settings, and the ledger of a house that has run."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops import logs
from ops.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from worker.ledger.ledger import Ledger

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="Settings file (TOML).", envvar="WETREAD_SETTINGS")
]
DataFolder = Annotated[Path | None, typer.Option("--data", help="Data directory; else the settings'.")]
#: What the ledger numbers its rows with.
MOST = 2**31 - 1
AtMost = Annotated[int, typer.Option("--limit", min=1, max=MOST, help="At most so many, newest first.")]


def read_settings(file: Path | None, data: Path | None) -> Settings:
    """Read the settings and set up logging."""
    logs.configure_from_environment()
    environ = {name: value for name, value in os.environ.items() if name != "WETREAD_LOG_JSON"}
    if data is not None:
        environ["WETREAD_DATA"] = str(data)
    return load(file, environ)


def settings_arguments(file: Path | None, data: Path | None) -> list[str]:
    """Return the arguments that lead a child process to the same settings."""
    return [
        *(["--settings", str(file)] if file is not None else []),
        *(["--data", str(data)] if data is not None else []),
    ]


def out_folder(out: Path) -> Path:
    """Make the folder that `--out` names. Raises SettingsError where that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{out} cannot be made ({error.strerror}); name another folder with --out, or let this user write there"
        ) from error
    return out


def open_existing_ledger(settings: Path | None, data: Path | None) -> "Ledger":
    """Open the ledger of a house that has run before. Raises SettingsError where there is none."""
    from worker.ledger.ledger import Ledger  # noqa: PLC0415  # the library below it is large, and few commands look into it

    found = read_settings(settings, data)
    if found.ledger_url.startswith("sqlite"):
        file = Path(found.ledger_url.removeprefix("sqlite:///"))
        if not file.exists():
            raise SettingsError(
                f"no ledger at {found.data}: has wetread run with this data directory? Name it with --data or "
                "--settings"
            )
        if file.stat().st_size == 0:
            raise SettingsError(
                f"the ledger {file} is empty, 0 bytes: put a backup of it back. Without one `wetread node` makes a new "
                "one when it starts, takes up the studies in the spool, and they are read again"
            )
    return Ledger.open(found.ledger_url, password_file=found.ledger.password_file)
