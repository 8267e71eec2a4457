"""Storage commitment as SCU (PS3.4 J): ask an archive to take responsibility, and hear its report."""

import threading
from collections.abc import Callable, Sequence
from socketserver import BaseServer
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.dimse_messages import N_EVENT_REPORT_RSP
from pynetdicom.sop_class import StorageCommitmentPushModel
from pynetdicom.transport import ThreadedAssociationServer

from dicom_node.archives.bounded_connection import bound
from dicom_node.archives.bounded_message import bound_messages
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import SERVICE_TRANSFER_SYNTAXES
from dicom_node.datasets.origin import require_uid
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import ArchiveError, InvalidUid, ListenFailed
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.tls.tls_door import TlsDoor
from dicom_node.tls_settings import NodeTlsSettings
from dicom_node.turned_away import Witness, no_witness

_log = structlog.get_logger()

#: PS3.4 J.3.5: the one instance that every archive has.
_WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
_REQUEST = 1  # Action Type ID, PS3.4 J.3.2
_SUCCESS = 0x0000
#: PS3.7 C: what we answer to a report that cannot be taken now, and to one that makes no sense.
PROCESSING_FAILURE = 0x0110
INVALID_ARGUMENT = 0x0115
#: PS3.4 J.3.3.1.1, Failure Reason (0008,1197).
_FAILURES = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class and instance do not match",
    0x0122: "SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
#: An archive that is slow to end an association is left to it.
_CALLS_AT_ONCE = 16
_TIMEOUT_S = 30.0


#: Takes a report and the address that it came from; returns the status that is answered.
TakeReport = Callable[[CommitmentReport, str], int]


def ask_for_commitment(
    requestor: Requestor,
    transaction_uid: str,
    instances: Sequence[tuple[str, str]],
    *,
    take_report: TakeReport | None = None,
    linger_s: float = 0.0,
) -> None:
    """Ask for commitment of (SOP class, SOP instance) pairs. The report comes later, mostly on its own association.

    Args:
        requestor: Whom to ask.
        transaction_uid: Of this request and no other.
        instances: What it is asked for.
        take_report: Gets what is reported on this association (PS3.4 J.3.3 allows it).
        linger_s: For so long the association stays open for that; it ends as soon as there is a report.

    Raises ArchiveUnreachable, AssociationRejected, or ArchiveError where the archive does not take the request.
    """
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        request.ReferencedSOPSequence.append(item)
    began, answered = threading.Event(), threading.Event()

    def heard(event: Any) -> tuple[int, None]:
        began.set()
        return _answer(event, take_report) if take_report is not None else PROCESSING_FAILURE, None

    def sent(event: Any) -> None:
        if isinstance(event.message, N_EVENT_REPORT_RSP):
            answered.set()

    handlers = [(evt.EVT_N_EVENT_REPORT, heard), (evt.EVT_DIMSE_SENT, sent)]
    with requestor.associate([(StorageCommitmentPushModel, None)], handlers=handlers) as association:
        if not association.accepted_contexts:
            raise ArchiveError(f"{requestor} offers no storage commitment; is it switched on there?")
        status, _ = association.send_n_action(request, _REQUEST, StorageCommitmentPushModel, _WELL_KNOWN_INSTANCE)
        if status.get("Status") != _SUCCESS:
            code = status.get("Status")
            told = "no answer" if code is None else f"status {code:04X}"
            raise ArchiveError(f"{requestor} does not take the request for commitment: {told}; see its log")
        if take_report is not None:
            answered.wait(linger_s)
            if began.is_set():
                # A release before our answer would leave the archive waiting for it (PS3.8 7.2.2).
                answered.wait(_TIMEOUT_S)


class _Door(ThreadedAssociationServer):
    """Hangs up at once on hosts that are not ours to talk to, and shakes hands with the others where it has TLS."""

    admits: Callable[[str], bool]
    tls: TlsDoor | None

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Say whether this caller may go on."""
        del request
        admitted = self.admits(str(client_address[0]))
        if not admitted:
            _log.warning(
                "caller on the port of commitment reports turned away",
                address=str(client_address[0]),
                remedy="only hosts of destinations that are asked for commitment may call there; images go to the node",
            )
        return admitted

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Speak DICOM with an accepted connection, in its thread."""
        connection = request if self.tls is None else self.tls.admit(request, str(client_address[0]))
        if connection is not None:
            super().process_request_thread(connection, client_address)


class CommitmentListener:
    """Hears the reports of archives under our AE title until it is closed."""

    def __init__(
        self,
        ae_title: str,
        host: str,
        port: int,
        take_report: TakeReport,
        *,
        admits: Callable[[str], bool] = lambda address: True,  # noqa: ARG005
        tls: NodeTlsSettings | None = None,
        witness: Witness = no_witness,
    ) -> None:
        """Listen at once; `take_report` is called in the association's thread.

        `admits` says whether an address may call at all; `tls` leaves out plain TCP, and `witness` hears of handshakes
        that fail. Raises ListenFailed, CertificateUnusable.
        """
        self._stopping = threading.Event()
        door = None if tls is None else TlsDoor(tls, stopping=self._stopping.is_set, witness=witness)
        set_switches()
        entity = AE(ae_title=ae_title)
        entity.require_called_aet = True
        entity.maximum_associations = _CALLS_AT_ONCE
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
        # The archive is the SCP of the service although it calls: it may say so by role selection (PS3.7 D.3.3.4).
        entity.add_supported_context(
            StorageCommitmentPushModel, list(SERVICE_TRANSFER_SYNTAXES), scu_role=True, scp_role=True
        )
        handlers = [
            (evt.EVT_CONN_OPEN, _opened),
            (evt.EVT_N_EVENT_REPORT, lambda event: (_answer(event, take_report), None)),
        ]
        try:
            self._server = entity.make_server((host, port), evt_handlers=handlers, server_class=_Door)
        except OSError as error:
            raise ListenFailed(
                f"reports of storage commitment cannot be heard on {host}:{port} ({error.strerror}); is the port "
                "taken, or the address not of this machine? Change delivery.commitment_port, commitment_tls_port or "
                "commitment_host"
            ) from error
        self._server.admits, self._server.tls = admits, door
        self._thread = threading.Thread(target=self._server.serve_forever, name="commitment-reports", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        self._stopping.set()
        # pynetdicom's own takes it out of a list in which only what its entity started itself stands.
        BaseServer.shutdown(self._server)
        self._server.server_close()
        self._thread.join()


def _opened(event: Any) -> None:
    bound(event.assoc, _TIMEOUT_S)
    bound_messages(event.assoc)


def _answer(event: Any, take_report: TakeReport) -> int:
    address = str(event.assoc.remote["address"])
    try:
        report = report_of(event.event_type, event.event_information)
    except ArchiveError as error:
        _log.warning("commitment report unreadable", address=address, cause=str(error))
        return INVALID_ARGUMENT
    return take_report(report, address)


def report_of(event_type: int, information: Dataset) -> CommitmentReport:
    """Read the event information of an N-EVENT-REPORT. Raises ArchiveError where it is not one of this service."""
    try:
        transaction_uid = str(information.TransactionUID)
        require_uid("Transaction UID", transaction_uid)  # it is logged
        return CommitmentReport(
            transaction_uid=transaction_uid,
            event_type=int(event_type),
            committed=frozenset(
                str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence") or ()
            ),
            failed={
                str(item.ReferencedSOPInstanceUID): int(item.FailureReason)
                for item in information.get("FailedSOPSequence") or ()
            },
        )
    except (InvalidUid, *PARSE_ERRORS) as error:
        # Not pydicom's own words, which may quote a value.
        raise ArchiveError(
            "a report of storage commitment lacks an attribute of PS3.4 J.3.3, or has one that is none"
        ) from error


def failure_meaning(reason: int) -> str:
    """Say in words why an archive did not commit."""
    return f"status {reason:04X}, {_FAILURES.get(reason, 'see its log')}"
