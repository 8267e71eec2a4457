"""One association over which a peer is told what became of its requests for storage commitment (PS3.4 J.3.3)."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import structlog
from pynetdicom import evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import build_role

from dicom_node.archives.requestor import Requestor
from dicom_node.commitments.promising import commit
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.errors import ArchiveError
from dicom_node.messages.commitment_messages import WELL_KNOWN_INSTANCE, CommitmentRequest, Verdict, event_information
from dicom_node.peer_settings import PeerSettings
from dicom_node.settings import Peer
from dicom_node.spooling.spool import Spool

_log = structlog.get_logger()

#: A peer that is not there is left after so long, also where the node stops.
CONNECT_WITHIN_S = 5.0
_ASSOCIATE_WITHIN_S = 10.0
_ANSWER_WITHIN_S = 20.0
_SUCCESS = 0x0000


class CommitmentCall:
    """Tells a peer, in one thread, until another one cuts it off."""

    def __init__(self, peer: PeerSettings, calling_ae_title: str, spool: Spool) -> None:
        """Take whom to tell, under which name, and what is true."""
        self._requestor = Requestor(
            peer=_address_of(peer),
            calling_ae_title=calling_ae_title,
            connect_timeout_s=CONNECT_WITHIN_S,
            acse_timeout_s=_ASSOCIATE_WITHIN_S,
            dimse_timeout_s=_ANSWER_WITHIN_S,
        )
        self._spool = spool
        self._association: Any = None
        self._ended = threading.Event()

    def taken(self, requests: Mapping[str, CommitmentRequest]) -> Iterator[str]:
        """Report, and yield the names of those that the peer has taken. Raises ArchiveError, OSError."""
        with ExitStack() as opened:
            association = self._associated(opened)
            for number, (name, request) in enumerate(requests.items()):
                if self._ended.is_set():
                    return
                verdict = commit(self._spool, request)
                if not association.is_established:
                    # Thousands of instances are read, and it may not wait for that.
                    opened.close()
                    association = self._associated(opened)
                status = _reported(association, request, verdict, number % 0xFFFF + 1)
                if status == _SUCCESS:
                    yield name
                elif status is None:
                    raise ArchiveError(f"{self._requestor} ended the association, or did not answer a report")
                else:
                    peer = self._requestor.peer.ae_title
                    _log.warning("report of storage commitment not taken", peer=peer, status=f"{status:04X}")

    def _associated(self, opened: ExitStack) -> Any:
        """Return an association over which it takes reports, open as long as `opened`. Raises ArchiveError."""
        association = opened.enter_context(
            self._requestor.associate(
                [(STORAGE_COMMITMENT, None)], roles=[_as_provider()], handlers=[(evt.EVT_CONN_OPEN, self._opened)]
            )
        )
        if not association.accepted_contexts:
            raise ArchiveError(f"{self._requestor} takes no reports of storage commitment; are host and port right?")
        return association

    def cut_off(self) -> None:
        """End it, so that whoever waits for an answer over it waits no longer; also where it has yet to be opened."""
        self._ended.set()
        if self._association is not None:
            _shut(self._association)

    def _opened(self, event: Any) -> None:
        self._association = event.assoc
        if self._ended.is_set():
            _shut(event.assoc)


def _shut(association: Any) -> None:
    """Shut its connection."""
    # Looked at once: its own thread takes it away at any moment, where the peer hangs up.
    connection = getattr(association.dul.socket, "socket", None)
    if connection is None:
        return
    # An A-ABORT would wait for the other side to hang up (PS3.8 9.2.2, state 13), which a silent one does not.
    with contextlib.suppress(OSError):  # it is closed already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _reported(association: Any, request: CommitmentRequest, verdict: Verdict, message_id: int) -> int | None:
    """Send a report; return the status of its answer, None for no answer."""
    try:
        response, _ = association.send_n_event_report(
            event_information(request.transaction_uid, verdict),
            verdict.event_type_id,
            STORAGE_COMMITMENT,
            WELL_KNOWN_INSTANCE,
            msg_id=message_id,
        )
    except RuntimeError:
        return None  # the peer has ended the association
    status = response.get("Status")
    return None if status is None else int(status)


def _address_of(peer: PeerSettings) -> Peer:
    to = peer.report_to
    assert to is not None  # noqa: S101  # the settings demand it
    return Peer(ae_title=peer.ae_title, host=to.host, port=to.port, tls=to.tls)


def _as_provider() -> SCP_SCU_RoleSelectionNegotiation:
    """Return the role that we propose: who calls is the provider of this service (PS3.7 D.3.3.4)."""
    return build_role(STORAGE_COMMITMENT, scp_role=True)
