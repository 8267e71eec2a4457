"""Promised instances (storage commitment) are let go once an archive is known to hold them, each by its UID."""

from collections.abc import Iterable
from pathlib import Path

import structlog

from dicom_node.archives.requestor import Requestor
from dicom_node.errors import ArchiveUnreachable, AssociationRejected, NodeError
from dicom_node.pulling.contents import instances_of
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool_layout import name_of
from ops.settings import Settings
from worker.delivery.destination_settings import DicomDestinationSettings

_log = structlog.get_logger()


class Promises:
    """Asks the archives among the destinations (C-FIND at level IMAGE) what they hold of a study."""

    def __init__(self, settings: Settings, spool: Path) -> None:
        """Take whom to ask, and the spool's root."""
        self._held = HeldInstances(spool)
        self._archives = {
            item.name: Requestor(peer=item.peer, calling_ae_title=settings.node.ae_title)
            for item in settings.each_destination
            if isinstance(item, DicomDestinationSettings)
        }
        self._away = set[str]()

    def begin_round(self) -> None:
        """Ask archives again that were away: within a round each is waited for once, and not by every study."""
        self._away.clear()

    def unconfirmed(self, folder: str, study_uid: str, *, release: bool) -> int:
        """Return how many of a study's held instances no archive lists; one that is away confirms nothing.

        What some archive lists is released, where that is asked for. Raises OSError.
        """
        held = self._held.of_study(folder)
        for name, requestor in self._archives.items():
            if not held:
                break
            confirmed = confirmed_by(held, self._listed(name, requestor, study_uid))
            if confirmed and release:
                self._held.release(confirmed)
                _log.info("promised instances confirmed", study=study_uid, archive=name, instances=len(confirmed))
            held = held.difference(confirmed)
        # What was promised meanwhile is confirmed by nobody.
        return len(self._held.of_study(folder) if release else held)

    def _listed(self, name: str, requestor: Requestor, study_uid: str) -> Iterable[str]:
        if name in self._away:
            return ()
        try:
            return instances_of(requestor, study_uid)
        except NodeError as error:
            # What it says of this study is no reason to ask it of no other.
            if isinstance(error, ArchiveUnreachable | AssociationRejected):
                self._away.add(name)
            _log.warning("promised instances not confirmed", study=study_uid, archive=name, cause=str(error))
            return ()


def confirmed_by(held: Iterable[str], there: Iterable[str]) -> list[str]:
    """Return which files are instances that an archive lists; of an instance with variants nobody knows which it has.

    Args:
        held: Files, relative to the spool.
        there: SOP Instance UIDs.
    """
    held = sorted(held)
    names = {name_of(uid) for uid in there if uid.isascii()}
    varied = {_name(file) for file in held if "~" in file}
    return [file for file in held if _name(file) in names - varied]


def _name(file: str) -> str:
    return Path(file).stem.partition("~")[0]
