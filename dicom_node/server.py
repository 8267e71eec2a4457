"""The listening node: admits callers, answers C-ECHO and C-STORE, and tells its assembler."""

import itertools
import socket
import threading
import time
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import SOPClassCommonExtendedNegotiation

from dicom_node.assembler import Assembler
from dicom_node.association import Caller, Rejection, judge
from dicom_node.contexts import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    STORAGE_SERVICE_CLASS,
    VERIFICATION,
    is_private,
    supported,
)
from dicom_node.errors import ListenFailed
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.settings import NodeSettings
from dicom_node.spool import Spool
from dicom_node.store_scp import SUCCESS, Reception, answer_store

__all__ = ["Assembler", "Node"]

_log = structlog.get_logger()

_C_STORE_RQ = 0x0001  # PS3.7 9.3.1
_POLL_S = 0.05


class Node:
    """A storage SCP on one port. The assembler is started before it and stopped after it."""

    def __init__(self, *, settings: NodeSettings, spool: Spool, assembler: Reception) -> None:
        """Take the settings, where instances are kept, and who is told of them."""
        self._settings = settings
        self._spool = spool
        self._reception = assembler
        self._server: Any = None
        self._serial = itertools.count(1)
        self._lock = threading.Lock()
        self._admitted: dict[Any, str] = {}  # association: the name by which the reception knows it

    @property
    def port(self) -> int:
        """The port that it listens on; the real one where the settings say 0."""
        return int(self._server.socket.getsockname()[1])

    def start(self) -> None:
        """Listen. Raises ListenFailed."""
        set_switches()
        settings = self._settings
        entity = AE(ae_title=settings.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.maximum_pdu_size = settings.max_pdu_bytes
        entity.network_timeout = settings.network_timeout_s
        entity.acse_timeout = settings.acse_timeout_s
        entity.dimse_timeout = settings.dimse_timeout_s
        # Counted by `association.judge`, which also counts what is still being negotiated.
        entity.maximum_associations = 1 << 30
        entity.add_supported_context(VERIFICATION)
        try:
            self._server = entity.start_server(
                (settings.host, settings.port), block=False, evt_handlers=self._handlers()
            )
        except OSError as error:
            raise ListenFailed(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): does another node run there?"
            ) from error
        _log.info("node listens", ae_title=settings.ae_title, host=settings.host, port=self.port)

    def stop(self, grace_s: float = 10.0) -> None:
        """Accept nobody more, let associations finish for `grace_s` seconds, then abort what is left."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.shutdown()
        deadline = time.monotonic() + grace_s
        while self.open_associations() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        with self._lock:
            remaining = list(self._admitted)
        for association in remaining:
            association.abort()
        for association in remaining:
            association.join(grace_s)
        _log.info("node stopped", aborted=len(remaining))

    def open_associations(self) -> int:
        """Return how many associations are admitted and not over."""
        self._forget_dead()
        with self._lock:
            return len(self._admitted)

    def _forget_dead(self) -> None:
        """Forget associations whose thread has died: a malformed message ends it without a word to anybody."""
        with self._lock:
            dead = [association for association in self._admitted if not association.is_alive()]
            names = [self._admitted.pop(association) for association in dead]
        for name in names:
            self._reception.association_ended(name)

    def _handlers(self) -> list[Any]:
        return [
            (evt.EVT_CONN_OPEN, self._connected),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_SOP_COMMON, self._service_classes),
            (evt.EVT_DIMSE_RECV, self._message_received),
            (evt.EVT_C_ECHO, lambda _event: SUCCESS),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]

    def _connected(self, event: Any) -> None:
        raw = event.assoc.dul.socket.socket
        # Small answers wait for an acknowledgement otherwise, 40 ms an instance.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # pynetdicom reads an accepted socket without a timeout: a peer that stalls inside a PDU would stay for ever.
        raw.settimeout(self._settings.network_timeout_s)

    def _requested(self, event: Any) -> None:
        association, request = event.assoc, event.assoc.requestor.primitive
        caller = Caller(
            calling_ae_title=request.calling_ae_title.strip(),
            called_ae_title=request.called_ae_title.strip(),
            address=association.requestor.address,
        )
        self._forget_dead()
        with self._lock:
            rejection = judge(caller, self._settings, open_associations=len(self._admitted))
            if rejection is None:
                self._admitted[association] = f"association-{next(self._serial)}"
        if rejection is not None:
            self._reject(association, caller, rejection)
            return
        association.requestor.ae_title = caller.calling_ae_title
        proposed = [str(context.abstract_syntax) for context in request.presentation_context_definition_list]
        association.acceptor.supported_contexts = supported(proposed)

    def _reject(self, association: Any, caller: Caller, rejection: Rejection) -> None:
        _log.warning(
            "association rejected",
            calling_ae_title=caller.calling_ae_title,
            called_ae_title=caller.called_ae_title,
            address=caller.address,
            reason=rejection.name.lower(),
        )
        association.acse.send_reject(*rejection.value)
        association.kill()

    def _service_classes(self, event: Any) -> dict[str, Any]:
        """Tell pynetdicom that private classes are storage; it does not serve a class that it cannot place."""
        items: dict[str, Any] = {}
        for context in event.assoc.requestor.primitive.presentation_context_definition_list:
            uid = str(context.abstract_syntax)
            if is_private(uid):
                items[uid] = SOPClassCommonExtendedNegotiation()
                items[uid].sop_class_uid = uid
                items[uid].service_class_uid = STORAGE_SERVICE_CLASS
        return items

    def _message_received(self, event: Any) -> None:
        command = event.message.command_set
        # pynetdicom ignores a request that lacks a mandatory element, and its sender would wait for ever.
        if command.get("CommandField") == _C_STORE_RQ and not (
            command.get("AffectedSOPClassUID") and command.get("AffectedSOPInstanceUID")
        ):
            _log.warning("association aborted", reason="C-STORE without Affected SOP Class or Instance UID")
            event.assoc.dul.event_queue.put("Evt19")  # PS3.8 9.2: an unrecognised PDU, answered with A-ABORT

    def _store(self, event: Any) -> Dataset:
        return answer_store(
            event, spool=self._spool, reception=self._reception, association=self._admitted.get(event.assoc, "")
        )

    def _closed(self, event: Any) -> None:
        with self._lock:
            name = self._admitted.pop(event.assoc, None)
        if name is not None:
            self._reception.association_ended(name)
