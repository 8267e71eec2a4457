"""One C-STORE (PS3.7 9.3.1): from the request to the status."""

from collections.abc import Callable
from typing import Protocol

import structlog

from dicom_node.datasets.origin import Origin
from dicom_node.error_place import place_of
from dicom_node.errors import Backlogged, HeadUnreadable, ShareFull, StoreRefused, WrongContext
from dicom_node.messages.command_set import Command
from dicom_node.spooling.spool import Arriving, Spool
from dicom_node.study import StoredInstance

_log = structlog.get_logger()

SUCCESS = 0x0000


class Reception(Protocol):
    """Who is told what arrives; the assembler is one. Called from the associations' threads; must return at once."""

    def accepting(self) -> bool:
        """Say whether instances may still be taken; False makes the node answer A700. May raise StoreRefused."""

    def full_peers(self) -> frozenset[str]:
        """Return the AE titles of those from whom nothing more may be taken for now; they get A700."""

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """An instance is in the spool, and its sender was answered. May raise StoreRefused."""

    def association_ended(self, association: str) -> None:
        """An association is over, in whatever way."""

    def listed(self, study_instance_uid: str, sop_instance_uids: frozenset[str], source: str) -> None:
        """Somebody lists what a study consists of: a completed step ("MPPS") or a notification ("IAN")."""


class StoreRequest:
    """A C-STORE request that is being received; a `dicom_node.receiving.store_receiver.Storing`.

    Whatever goes wrong, the rest of the dataset is taken from the wire and the sender gets a status.
    """

    def __init__(
        self,
        command: Command,
        origin: Origin,
        *,
        abstract_syntax: str,
        spool: Spool,
        reception: Reception,
        association: str,
    ) -> None:
        """Begin: ask whether there is room, and open a file. `abstract_syntax` is the presentation context's."""
        self._origin = origin
        self._abstract_syntax = abstract_syntax
        self._spool = spool
        self._reception = reception
        self._association = association
        self._arriving: Arriving | None = None
        self._status: tuple[int, str] | None = None
        self._kept: StoredInstance | None = None
        self._guarded(lambda: self._begin(command))

    def write(self, piece: memoryview) -> None:
        """Write the next bytes of the dataset."""
        if self._arriving is not None and self._status is None:
            arriving = self._arriving
            self._guarded(lambda: arriving.write(piece))

    def finish(self) -> tuple[int, str]:
        """Keep the instance, and return status and error comment."""
        if self._status is None:
            self._guarded(self._keep)
        self.discard()
        return self._status or (SUCCESS, "")

    def answered(self) -> None:
        """Tell the reception of what was kept. Never raises: the sender has its answer."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        try:
            self._reception.instance_stored(kept, self._association)
        except Exception as error:  # noqa: BLE001 - as of `_guarded`; what is in the spool is adopted from there
            self._tell(
                "instance not handed over",
                kind=type(error).__name__,
                place=place_of(error),
                remedy="none for what was answered: it is taken up from the spool when the node starts again",
            )

    def discard(self) -> None:
        """Forget what was not kept."""
        if self._arriving is not None:
            self._arriving.discard()
            self._arriving = None

    def _begin(self, command: Command) -> None:
        if self._origin.sop_class_uid != self._abstract_syntax:
            # What was negotiated for one class says nothing of another (PS3.7 9.1.1.1, PS3.8 7.1.1.13).
            raise WrongContext("Affected SOP Class UID is not the abstract syntax of the presentation context")
        if not self._reception.accepting():
            raise Backlogged(
                "too many complete studies wait for the ledger (is its database up?), the disk failed to sync one, or "
                "nobody puts studies together (`assembler failed`)"
            )
        if self._origin.calling_ae_title in self._reception.full_peers():
            raise ShareFull("the sender's instances fill as much of the spool as its `max_bytes` allows; make room")
        if not command.has_dataset:
            raise HeadUnreadable("the request has no dataset")
        self._arriving = self._spool.begin(self._origin)

    def _keep(self) -> None:
        assert self._arriving is not None  # noqa: S101  # else there is a status
        kept = self._arriving.keep()
        # Asked once more before the answer: it is an error where nobody would hear of it any more.
        self._reception.accepting()
        self._kept = kept

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do it; what it raises becomes the status."""
        try:
            action()
        except StoreRefused as refusal:
            self._status = (refusal.status, refusal.comment)
            self._tell(
                "instance refused", status=f"{refusal.status:04X}", kind=type(refusal).__name__, cause=str(refusal)
            )
        except Exception as error:  # noqa: BLE001 - the outermost frame of a request: a bug must not end in silence
            self._status = (StoreRefused.status, StoreRefused.comment)
            # Not the error's words: they could quote the dataset.
            self._tell("instance failed", kind=type(error).__name__, place=place_of(error))

    def _tell(self, event: str, **values: str) -> None:
        uid = self._origin.sop_instance_uid
        _log.warning(
            event,
            calling_ae_title=self._origin.calling_ae_title,
            sop_instance_uid=uid if uid.replace(".", "").isdigit() else "not a UID",
            **values,
        )
