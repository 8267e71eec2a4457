"""Builds the objects of worker and dicom_node from the settings; each daemon takes what it needs."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from dicom_node.disk import sync_folder
from models.catalog import BUILT_IN, Catalog
from ops.embedded import EmbeddedRedis
from ops.settings import Settings, SettingsError
from worker.job import JobState
from worker.ledger import Ledger


def broker_url(settings: Settings) -> str:
    """Return the site's Redis, else the embedded one's."""
    return settings.broker.url or EmbeddedRedis(settings).url


def open_ledger(settings: Settings, *, busy_s: float | None = None) -> Ledger:
    """Open the ledger; the data directory is made where need be, readable by its owner only.

    Args:
        settings: They say where.
        busy_s: How long to wait while others write, where that is not as long as usual.
    """
    prepare_data(settings)
    return Ledger.open(settings.ledger_url, busy_s=busy_s)


def prepare_data(settings: Settings) -> None:
    """Make the directories, readable by their owner only. Raises SettingsError where that cannot be."""
    for folder in (settings.data, settings.run, settings.spool, settings.results, settings.data / "models"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"{folder} cannot be made ({error.strerror}); name another data directory with --data or `data`, "
                "or let this user write there"
            ) from error
    # Else a power cut can forget the directory with all that was synced in it.
    for folder in settings.data.resolve().parents[:2]:
        with contextlib.suppress(OSError):  # of others, who may not let us look; it was there before us then
            sync_folder(folder)


def catalog_of(settings: Settings) -> Callable[[], Catalog]:
    """Return a function that tells the models of this machine as they are now."""
    paths: tuple[Path, ...] = (BUILT_IN, *settings.model_paths)
    return lambda: Catalog.scan(paths)


def told_of(settings: Settings) -> dict[str, tuple[JobState, ...]]:
    """Return which ends of a job without a read each destination is told of, by its name."""
    return {item.name: tuple(JobState(end) for end in item.not_read) for item in settings.each_destination}


def model_host_socket(settings: Settings) -> Path:
    """Return where the model host listens."""
    return settings.run / "model-host.sock"
