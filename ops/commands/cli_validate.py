"""`wetread validate`: is what I am about to send, or was sent, what it should be?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ops.commands import terminal

if TYPE_CHECKING:
    from ops.commands.validation import ReadReport, Report


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("validate")(validate)


def validate(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Results (SEG, SR, pictures, ...) of any maker.")],
    against: Annotated[
        list[Path] | None, typer.Option(exists=True, help="The images that they were made from; may be repeated.")
    ] = None,
    *,
    gate_only: Annotated[bool, typer.Option("--gate-only", help="Ask our own gate alone.")] = False,
    as_one_object: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Ask the output gate and other validators of results.

    The others are asked where they are installed. Ends with 1 where one finds a defect, or nothing was checked.

    Example: wetread validate ./results --against ./study
    """
    from ops.commands import validation  # noqa: PLC0415  # pulls pydicom in, and with it every decoder

    with Console(stderr=True).status("validating") as status:
        report = validation.validate(paths, against or [], status.update, gate_only=gate_only)
    if as_one_object:
        typer.echo(json.dumps(validation.as_json(report), indent=2))
    else:
        _print(report)
    if report.problems or not report.reads:
        raise typer.Exit(1)


def _print(report: "Report") -> None:
    console = terminal.console()
    for read in report.reads:
        _print_read(console, read, report.asked)
    for path, name in report.unreadable.items():
        console.print(f"{path}: cannot be read ({name})")
    if not report.reads:
        console.print(f"no results here: {report.others} images, {report.not_dicom} files that are no DICOM")
    if report.false_alarms:
        console.print("known false alarms, left out above:")
    for (tool, reason), (first, *others) in report.false_alarms.items():
        console.print(f"  {tool}: {reason}")
        console.print(f"    {first}" + (f" (and {len(others)} more like it)" if others else ""))
    for tool, package in report.not_installed.items():
        console.print(f"not installed: {tool} (Debian package {package})")
    console.print(_all_in_all(report))


def _all_in_all(report: "Report") -> str:
    if report.problems:
        return "1 problem" if report.problems == 1 else f"{report.problems} problems"
    return "no problem" if report.reads else "nothing was checked"


def _print_read(console: Console, read: "ReadReport", programs: tuple[str, ...]) -> None:
    console.print(f"one read: {len(read.objects)} objects, {read.sources} source images")
    table = terminal.table("file", "object", *programs)
    for made in read.objects:
        table.add_row(made.file.name, made.kind, *(_cell(made.problems, program) for program in programs))
    if len(read.objects) > 1 or any(read.together.values()):
        table.add_row("all together", "", *(_cell(read.together, program) for program in programs))
    console.print(table)
    for made in read.objects:
        _print_lines(console, made.file.name, made.problems)
    _print_lines(console, "all together", read.together)
    if read.not_checked:
        console.print(f"not checked: {', '.join(read.not_checked)}{_why(read.sources)}")
    console.print()


def _print_lines(console: Console, name: str, problems: Mapping[str, tuple[str, ...]]) -> None:
    for program, lines in problems.items():
        for line in lines:
            console.print(f"  {name}: {program}: {line}")


def _cell(problems: Mapping[str, tuple[str, ...]], program: str) -> str:
    if program not in problems:
        return "-"
    return str(len(problems[program])) if problems[program] else "ok"


def _why(sources: int) -> str:
    return (
        " (rules of wetread's own for its own objects)"
        if sources
        else " (without the source images: name them with --against)"
    )
