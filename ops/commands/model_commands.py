"""What the commands of `wetread models` share: the models of this machine, its folders, and what is shown meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from models.catalog import Catalog
from models.errors import ModelError
from ops.settings import Settings

ModelId = Annotated[str, typer.Argument(help="As in `wetread models list`.")]


def catalog_of(settings: Settings) -> Catalog:
    """Return the models of this machine."""
    from ops import assembly_line  # noqa: PLC0415  # pulls pydicom in, and with it every decoder

    return assembly_line.catalog_of(settings)()


def prepare(settings: Settings) -> None:
    """Make the folders of the data directory."""
    from ops.assembly_line import prepare_data  # noqa: PLC0415  # as above

    prepare_data(settings)


@contextmanager
def progress_told() -> Iterator[Callable[[str], None]]:
    """Give what is told each step; it is shown with the time that has passed.

    Raises ModelError for what the disk refuses meanwhile.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("starting", total=None)
        try:
            yield lambda step: progress.update(task, description=step)
        except OSError as error:
            place = error.filename or "a file"
            raise ModelError(
                f"{place}: {error.strerror or error}; is there space, and may this user write there?"
            ) from error
