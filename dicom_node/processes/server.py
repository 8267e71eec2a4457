"""The listening node: asks who may come in, answers C-ECHO, C-STORE and services, and tells its assembler."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from pynetdicom import AE, evt

from dicom_node.admitting.association import is_strange
from dicom_node.admitting.doorkeeper import Admitting
from dicom_node.admitting.host_names import HostNames
from dicom_node.archives.bounded_connection import outgoing_pdu
from dicom_node.commitments.commitment_service import CommitmentDesk
from dicom_node.commitments.report_service import ReportDesk
from dicom_node.contexts import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    STORAGE_COMMITMENT,
    VERIFICATION,
)
from dicom_node.datasets.origin import Origin
from dicom_node.error_place import defect_of
from dicom_node.messages.command_set import Command
from dicom_node.processes.accepting import connected, server_class
from dicom_node.processes.admissions import Admissions
from dicom_node.processes.offered_services import services_of, taken_roles
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.receiving.pynetdicom_seam import abort
from dicom_node.receiving.store_receiver import StoreReceiver
from dicom_node.receiving.store_scp import Reception, StoreRequest
from dicom_node.settings import NodeSettings
from dicom_node.spooling.spool import Spool
from dicom_node.study import Requested
from dicom_node.tls.tls_door import TlsDoor
from dicom_node.turned_away import Witness, no_witness

_log = structlog.get_logger()

_POLL_S = 0.05
#: Connections beyond the associations that are allowed: in a handshake, silent, or about to be rejected.
_MOST_WITHOUT_ASSOCIATION = 64
#: How long an association that was aborted may take to end.
_ABORT_WITHIN_S = 2.0


class Node:
    """A storage SCP on a port, with TLS on another; several may serve the same ports, each in its process.

    Doorkeeper and assembler are started before it and stopped after it.
    """

    def __init__(
        self,
        *,
        settings: NodeSettings,
        spool: Spool,
        assembler: Reception,
        doorkeeper: Admitting,
        witness: Witness = no_witness,
        commitments: CommitmentDesk | None = None,
        reports: ReportDesk | None = None,
    ) -> None:
        """Take the settings, where instances are kept, and who is told of them.

        Then who admits callers, who hears of those that are turned away, who reports storage commitment where we
        do not, and who records what archives report to us; without the latter two nobody may ask, or report.
        """
        self._settings = settings
        self._spool = spool
        self._reception = assembler
        self._witness = witness
        self._commitments = commitments
        self._reports = reports
        self._host_names = HostNames.of_peers(settings.peers, quiet=True)
        self._admissions = Admissions(
            settings,
            doorkeeper=doorkeeper,
            reception=assembler,
            witness=witness,
            commitments=commitments is not None,
            reporters=lambda: reports.reporters if reports is not None else frozenset(),
        )
        self._servers: dict[str, Any] = {}  # "plain", "tls"
        self._entity: Any = None
        self._stopping = threading.Event()

    @property
    def ports(self) -> dict[str, int]:
        """The ports that it listens on, "plain" and "tls"; the real ones where the settings say 0."""
        return {name: int(server.socket.getsockname()[1]) for name, server in self._servers.items()}

    @property
    def port(self) -> int:
        """The port without TLS; where there is none, the one with it."""
        return next(iter(self.ports.values()))

    def start(self, sockets: Mapping[str, socket.socket]) -> None:
        """Serve these sockets, which listen ("plain", "tls") and are closed by `stop`. Raises CertificateUnusable."""
        set_switches()
        self._host_names.start()
        self._stopping.clear()
        settings = self._settings
        entity = self._entity = AE(ae_title=settings.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.maximum_pdu_size = settings.max_pdu_bytes
        entity.network_timeout = settings.network_timeout_s
        entity.acse_timeout = settings.acse_timeout_s
        entity.dimse_timeout = settings.dimse_timeout_s
        # Counted by the doorkeeper, who also counts what other processes hold.
        entity.maximum_associations = 1 << 30
        entity.add_supported_context(VERIFICATION)
        kinds = {"plain": lambda listening: server_class(self, listening)}
        if "tls" in sockets:
            assert settings.tls is not None  # noqa: S101  # else nobody listens for it
            door = TlsDoor(settings.tls, stopping=self._stopping.is_set, witness=self._witness)
            kinds["tls"] = lambda listening: server_class(self, listening, door.admit)
        for name, listening in sockets.items():
            address = listening.getsockname()
            self._servers[name] = entity.make_server(
                address, evt_handlers=self._handlers(), server_class=kinds[name](listening)
            )
        for name, server in self._servers.items():
            threading.Thread(target=server.serve_forever, name=f"listener-{name}", daemon=True).start()
        _log.info("node listens", ae_title=settings.ae_title, host=settings.host, ports=self.ports)

    def stop(self, grace_s: float = 10.0) -> None:
        """Accept nobody more, let associations finish for `grace_s` seconds, then abort what is left."""
        if not self._servers:
            return
        servers, self._servers = list(self._servers.values()), {}
        self._stopping.set()
        self._host_names.stop()
        for server in servers:
            server.shutdown()
        deadline = time.monotonic() + grace_s
        while self.open_associations() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        remaining = self._admissions.inside()
        # All are told before any is waited for.
        for association in remaining:
            association.abort(block=False)
        _join(remaining, _ABORT_WITHIN_S)
        # A peer that goes on sending after the abort has been listened to for long enough; and one that has connected
        # and asks for nothing would be waited for until its ACSE timeout, longer than this process has.
        left = [association for association in connected() if association.ae is self._entity]
        for association in left:
            with contextlib.suppress(OSError, AttributeError):
                association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        _join(left, _ABORT_WITHIN_S)
        _log.info("node stopped", aborted=len(remaining))

    def open_associations(self) -> int:
        """Return how many associations are admitted and not over."""
        return len(self._admissions.inside())

    def _handlers(self) -> list[Any]:
        return [
            (evt.EVT_CONN_OPEN, self._connected),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]

    def _connected(self, event: Any) -> None:
        raw = event.assoc.dul.socket.socket
        # Small answers wait for an acknowledgement otherwise, 40 ms an instance.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # pynetdicom reads an accepted socket without a timeout: a peer that stalls inside a PDU would stay for ever.
        raw.settimeout(self._settings.network_timeout_s)

    def _requested(self, event: Any) -> None:
        try:
            self._admissions.judge(event.assoc)
        except Exception as error:  # noqa: BLE001 - pynetdicom would go on as if the caller had been admitted
            abort(event.assoc, f"a request that cannot be judged ({defect_of(error)})")

    @property
    def longest_pdu(self) -> int:
        """The most bytes that a P-DATA-TF may have after its header."""
        return self._settings.max_pdu_bytes

    @property
    def most_connections(self) -> int:
        """How many connections may be open: some more than associations, for who is rejected is told why."""
        return self._settings.max_associations + _MOST_WITHOUT_ASSOCIATION

    def is_strange(self, address: str) -> bool:
        """Say whether nobody may call from an address."""
        return is_strange(address, self._settings, self._host_names.addresses)

    @property
    def shares_port(self) -> bool:
        """Whether other processes accept from the same socket."""
        return self._settings.receiving_processes > 1

    @property
    def association_within_s(self) -> float:
        """How long a PDU of the negotiation may take."""
        return self._settings.acse_timeout_s

    @property
    def data_within_s(self) -> float:
        """How long a P-DATA-TF may take, and how long the next one of a message is waited for."""
        return self._settings.network_timeout_s

    def receiver_of(self, association: Any) -> StoreReceiver:
        """Return who takes the messages of an association that was just accepted."""
        contexts = {
            item.context_id: (str(item.abstract_syntax), str(item.transfer_syntax[0]))
            for item in association.accepted_contexts
        }
        calling = association.requestor.ae_title.strip()
        # Not pynetdicom's acceptor.ae_title: that is ours, by whatever name we were called.
        called = association.requestor.primitive.called_ae_title.strip()
        address, admitted = association.requestor.address, self._admissions.of(association)

        def begin(command: Command, context_id: int) -> StoreRequest:
            origin = Origin(
                sop_class_uid=command.sop_class_uid,
                sop_instance_uid=command.sop_instance_uid,
                transfer_syntax_uid=contexts[context_id][1],
                calling_ae_title=calling,
                called_ae_title=called,
                sender_address=address,
                requested=Requested.of(command.priority),
            )
            return StoreRequest(
                command,
                origin,
                abstract_syntax=contexts[context_id][0],
                spool=self._spool,
                reception=self._reception,
                association=admitted.name,
            )

        return StoreReceiver(
            begin=begin,
            contexts={number: abstract_syntax for number, (abstract_syntax, _) in contexts.items()},
            longest_pdu=outgoing_pdu(association.requestor.maximum_length),
            services=services_of(
                contexts,
                spool=self._spool,
                reception=self._reception,
                commitments=self._commitments,
                reports=self._reports,
                roles=taken_roles(
                    association.accepted_contexts,
                    admitted.roles,
                    selected=STORAGE_COMMITMENT in association.requestor.role_selection,
                ),
                peer=admitted.peer,
                calling_ae_title=calling,
                association=admitted.name,
                answer_within_s=self._settings.dimse_timeout_s,
            ),
        )

    def _closed(self, event: Any) -> None:
        self._admissions.left(event.assoc)


def _join(threads: Iterable[threading.Thread], within_s: float) -> None:
    """Wait for threads to end, so long for all of them together."""
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
