"""Storage commitment as SCU (PS3.4 J): ask an archive to take responsibility, and hear its report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel

from dicom_node.errors import ArchiveError
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.sender import Requestor

#: PS3.4 J.3.5: the one instance that every archive has.
_WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
_REQUEST = 1  # Action Type ID, PS3.4 J.3.2
_SUCCESS = 0x0000


@dataclass(frozen=True, kw_only=True)
class CommitmentReport:
    """What an archive takes responsibility for (PS3.4 J.3.3).

    Attributes:
        transaction_uid: (0008,1195) of the request.
        event_type: 1: all is committed; 2: failures exist.
        committed: SOP Instance UIDs.
        failed: SOP Instance UID to Failure Reason (0008,1197).
    """

    transaction_uid: str
    event_type: int
    committed: frozenset[str]
    failed: dict[str, int]


def ask_for_commitment(requestor: Requestor, transaction_uid: str, instances: Sequence[tuple[str, str]]) -> None:
    """Ask for commitment of (SOP class, SOP instance) pairs. The report comes later, on an association of its own.

    Raises ArchiveUnreachable, AssociationRejected, or ArchiveError where the archive does not take the request.
    """
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        request.ReferencedSOPSequence.append(item)
    with requestor.associate([(StorageCommitmentPushModel, None)]) as association:
        if not association.accepted_contexts:
            raise ArchiveError(f"{requestor} offers no storage commitment; is it switched on there?")
        status, _ = association.send_n_action(request, _REQUEST, StorageCommitmentPushModel, _WELL_KNOWN_INSTANCE)
        if status.get("Status") != _SUCCESS:
            raise ArchiveError(f"{requestor} does not take the request for commitment: status {status.get('Status')}")


class CommitmentListener:
    """Hears the reports of archives under our AE title until it is closed."""

    def __init__(self, ae_title: str, host: str, port: int, on_report: Callable[[CommitmentReport], None]) -> None:
        """Listen at once; `on_report` is called in the association's thread."""
        set_switches()
        self._on_report = on_report
        entity = AE(ae_title=ae_title)
        entity.require_called_aet = True
        # The archive is the SCP of the service although it calls: it may say so by role selection (PS3.7 D.3.3.4).
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        self._server = entity.start_server(
            (host, port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._heard)]
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()

    def _heard(self, event: Any) -> tuple[int, None]:
        self._on_report(report_of(event.event_type, event.event_information))
        return _SUCCESS, None


def report_of(event_type: int, information: Dataset) -> CommitmentReport:
    """Read the event information of an N-EVENT-REPORT."""
    return CommitmentReport(
        transaction_uid=str(information.TransactionUID),
        event_type=int(event_type),
        committed=frozenset(
            str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence") or ()
        ),
        failed={
            str(item.ReferencedSOPInstanceUID): int(item.FailureReason)
            for item in information.get("FailedSOPSequence") or ()
        },
    )
