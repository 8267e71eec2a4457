"""Builds the objects of worker and dicom_node from the settings; each daemon takes what it needs.

Large modules are imported by the functions that need them: the model host has no database, a supervisor has nothing.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.spooling.disk import sync_folder
from ops.private_folder import fault_of
from ops.settings import Settings, SettingsError
from worker.jobs.job import JobState

if TYPE_CHECKING:
    from dicom_node.assembling.asker import Asker
    from models.catalog import Catalog
    from ops.audit.trail import Trail
    from worker.intake.order_priorities import OrderPriorities
    from worker.jobs.priority import SitePriorities
    from worker.ledger.ledger import Ledger

#: An archive that is slower is not worth waiting for: counts are to save time.
_COUNTS_WITHIN_S = 5.0
#: Of one study, in an archive's answer.
_MOST_SERIES = 5000


def broker_url(settings: Settings) -> str:
    """Return the site's Redis, else the embedded one's."""
    if settings.broker.url:
        return settings.broker.url
    from ops.embedded import EmbeddedRedis  # noqa: PLC0415

    return EmbeddedRedis(settings).url


def open_ledger(settings: Settings, *, busy_s: float | None = None) -> "Ledger":
    """Open the ledger; the data directory is made where need be, readable by its owner only.

    Args:
        settings: They say where.
        busy_s: How long to wait while others write, where that is not as long as usual.
    """
    from worker.ledger.ledger import Ledger  # noqa: PLC0415

    prepare_data(settings)
    return Ledger.open(settings.ledger_url, busy_s=busy_s, password_file=settings.ledger.password_file)


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
    _require_private(settings)
    # Else a power cut can forget the directory with all that was synced in it.
    for folder in settings.data.resolve().parents[:2]:
        with contextlib.suppress(OSError):  # of others, who may not let us look; it was there before us then
            sync_folder(folder)


def _require_private(settings: Settings) -> None:
    """Raise SettingsError unless the folder of our sockets is ours alone: in /tmp others may have made it before us."""
    # A superuser who looks after a service's data directory is not who runs it.
    of_anybody = os.geteuid() == 0 and settings.run.is_relative_to(settings.data)
    try:
        fault = fault_of(settings.run, of_anybody=of_anybody)
    except OSError as error:
        fault = f"cannot be looked at ({error.strerror})"
    if fault:
        raise SettingsError(
            f"{settings.run} {fault}, and our sockets lie there: stop wetread, see whose it is and remove it (it is "
            "made anew), or name another data directory with --data or `data`"
        )


def catalog_of(settings: Settings) -> Callable[[], "Catalog"]:
    """Return a function that tells the models of this machine as they are now."""
    from models.catalog import BUILT_IN, Catalog  # noqa: PLC0415
    from worker.selecting.selection_rules import selection_mistakes  # noqa: PLC0415

    paths: tuple[Path, ...] = (BUILT_IN, *settings.model_paths)
    return lambda: Catalog.scan(paths, selection_mistakes)


def trail_of(settings: Settings, process: str) -> "Trail":
    """Return the audit trail of a process, such as "node"."""
    from ops.audit.trail import Trail  # noqa: PLC0415

    return Trail(
        settings.audit,
        process=process,
        ae_title=settings.node.ae_title,
        folder=settings.audit_folder,
        spool=settings.spool,
    )


def asker_of(settings: Settings) -> "Asker":
    """Return who asks the archives that the node's settings name how much they hold. Raises SettingsError."""
    from dicom_node.archives.archive import DicomArchive  # noqa: PLC0415
    from dicom_node.archives.query import Limits  # noqa: PLC0415
    from dicom_node.assembling.asker import Asker  # noqa: PLC0415
    from ops.peers import peer_named  # noqa: PLC0415

    named = {settings.node.counts_from, *(peer.counts_from for peer in settings.node.peers)}
    peers = {name: peer_named(name, lambda: settings) for name in sorted(name for name in named if name)}
    return Asker(
        {
            name: DicomArchive(
                peer,
                settings.node.ae_title,
                connect_timeout_s=_COUNTS_WITHIN_S,
                acse_timeout_s=_COUNTS_WITHIN_S,
                dimse_timeout_s=_COUNTS_WITHIN_S,
                limits=Limits(seconds=2 * _COUNTS_WITHIN_S, answers=_MOST_SERIES),
            )
            for name, peer in peers.items()
        }
    )


def assumed_sets(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the character sets of peers whose objects declare none, or a wrong one, by AE title."""
    return {peer.ae_title: peer.assume_character_set for peer in settings.node.peers if peer.assume_character_set}


def priorities_of(settings: Settings) -> "SitePriorities":
    """Return how urgent studies are, as far as the settings say it."""
    from worker.jobs.priority import SitePriorities  # noqa: PLC0415

    return SitePriorities(
        rules=settings.priorities,
        called=settings.node.priority_ae_titles,
        senders={peer.ae_title: peer.priority for peer in settings.node.peers if peer.priority is not None},
    )


def orders_of(settings: Settings, ledger: "Ledger") -> "OrderPriorities | None":
    """Return who asks the modality worklist; None where the settings name none."""
    if settings.worklist is None:
        return None
    from dicom_node.archives.worklist import Worklist  # noqa: PLC0415
    from worker.intake.order_priorities import OrderPriorities  # noqa: PLC0415

    worklist = Worklist(settings.worklist.peer, settings.node.ae_title, within_s=settings.worklist.within_s)
    return OrderPriorities(
        ledger=ledger, spool=settings.spool, worklist=worklist, most_waiting=settings.worklist.max_waiting
    )


def told_of(settings: Settings) -> dict[str, tuple[JobState, ...]]:
    """Return which ends of a job without a read each destination is told of, by its name."""
    return {item.name: tuple(JobState(end) for end in item.not_read) for item in settings.each_destination}


def model_host_socket(settings: Settings) -> Path:
    """Return where the model host listens."""
    return settings.run / "model-host.sock"
