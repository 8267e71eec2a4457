"""`wetread models check`, `build` and `bench`: what models do on this machine, in which precision, and how fast."""

import os
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from models.catalog import CatalogEntry, ModelState
from models.errors import ModelError
from models.runtime_names import Precision, RuntimeName
from ops.commands import terminal
from ops.commands.model_commands import ModelId, catalog_of, prepare, progress_told
from ops.commands.options import DataFolder, SettingsFile, read_settings
from ops.commands.script_output import for_scripts
from ops.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("check")(check)
    app.command("build")(build)
    app.command("bench")(bench)


def check(
    model_id: Annotated[str | None, typer.Argument(help="One model; else all but the incomplete.")] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Prove on this machine that models give their golden answers.

    And that their selection rules are understood. Ends with 1 where one does not.

    Example: wetread models check brain-extraction
    """
    found = read_settings(settings, data)
    catalog = catalog_of(found)
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
    from models.proving.builds import Builds  # noqa: PLC0415  # `wetread models list` does without a runtime
    from models.proving.checking import check as check_model  # noqa: PLC0415
    from models.proving.runtime_choice import runtime_named  # noqa: PLC0415

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
    if not entry.card.golden:
        typer.echo(f"{entry.card.id}: its card names no golden files, so nothing is proven")
    elif unproven := set(entry.card.networks) - {golden.network for golden in entry.card.golden}:
        alone = ", ".join(sorted(unproven))
        typer.echo(f"{entry.card.id}: its card names no golden file of {alone}, so nothing is proven of that")
    return sum(not verdict.passed for verdict in verdicts)


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
    """Make a model in a lower precision, and measure it.

    It is measured on its golden inputs; only what agrees may run.

    Example: wetread models build brain-structures --precision bf16 --runtime openvino
    """
    from models.proving.builds import Builds  # noqa: PLC0415
    from models.proving.precision import read_calibration  # noqa: PLC0415
    from models.proving.runtime_choice import runtime_named  # noqa: PLC0415

    found = read_settings(settings, data)
    prepare(found)
    entry = catalog_of(found).get(model_id)
    name = _one_of(runtime or found.models.runtimes[0], get_args(RuntimeName), "--runtime")
    wanted = _one_of(precision, get_args(Precision)[1:], "--precision")
    entry.require_ready()
    main = entry.card.networks.get("main")
    with progress_told() as step:
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


def bench(
    model_id: ModelId,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Inferences that are timed.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,  # noqa: FBT002  # typer's way
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Time a model on this machine.

    Each runtime of models.runtimes, in fp32 and in every precision that was built.

    Example: wetread models bench brain-structures --json
    """
    from models.proving.benching import bench as bench_model  # noqa: PLC0415
    from models.proving.builds import Builds  # noqa: PLC0415
    from models.proving.runtime_choice import runtime_named  # noqa: PLC0415

    found = read_settings(settings, data)
    entry = catalog_of(found).get(model_id)
    if not entry.card.networks:
        raise ModelError(
            f"{model_id} comes as code or as a program: there is no network to time; `wetread models run` it"
        )
    builds = Builds(found.builds)
    wanted: list[tuple[RuntimeName, Precision]] = [(name, "fp32") for name in found.models.runtimes]
    wanted += [
        (name, made.precision) for name, made in builds.of(entry) if name in found.models.runtimes and made.passed
    ]
    timings = []
    with progress_told() as step:
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


def _one_of(value: str, allowed: tuple[Any, ...], option: str) -> Any:
    if value not in allowed:
        raise ModelError(f"{option} {value} is not known; allowed are {', '.join(allowed)}")
    return value
