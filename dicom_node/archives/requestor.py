"""Associations that we ask for: with one peer, over TLS where it has that, bounded in time and in what comes back."""

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.dul import DULServiceProvider
from pynetdicom.presentation import build_context

from dicom_node.archives.bounded_connection import SHORTEST_SENT, bound
from dicom_node.archives.bounded_message import LONGEST_ANSWER
from dicom_node.archives.matched_answers import match_answers
from dicom_node.contexts import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    SERVICE_TRANSFER_SYNTAXES,
)
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected, CertificateUnusable
from dicom_node.monotonic_timer import set_timers
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.settings import Peer
from dicom_node.tls.tls_profile import ClientContext, client_context, no_tls

#: (result, source, reason) to words, PS3.8 9.3.4.
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "calling AE title not recognised",
    (1, 7): "called AE title not recognised",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


@dataclass(frozen=True, kw_only=True)
class Requestor:
    """Opens associations with one peer."""

    peer: Peer
    calling_ae_title: str
    connect_timeout_s: float = 10.0
    acse_timeout_s: float = 30.0
    dimse_timeout_s: float = 60.0

    def __str__(self) -> str:
        """Name the peer, for errors."""
        host = f"[{self.peer.host}]" if ":" in self.peer.host else self.peer.host
        return f"{self.peer.ae_title}@{host}:{self.peer.port}"

    @contextmanager
    def associate(
        self,
        kinds: Iterable[tuple[str, str | None]],
        *,
        roles: Sequence[Any] = (),
        handlers: Sequence[tuple[Any, Any]] = (),
        longest_instance: int = LONGEST_ANSWER,
    ) -> Iterator[Any]:
        """Give an association that proposes (SOP class, transfer syntax; None: the uncompressed ones).

        It may have accepted none of them. `roles` (pynetdicom's role items) and `handlers` are for what comes back over
        it; `longest_instance` bounds the bytes of an instance that does. Raises ArchiveUnreachable, also at the end
        where the peer sent a message beyond the bounds, AssociationRejected.
        """
        try:
            association = self._opened(kinds, roles, handlers, longest_instance)
        except ArchiveError as error:
            error.kept_nothing = True  # no object goes before there is an association
            raise
        try:
            yield association
        except ArchiveError as error:
            self._require_bounded(association, error)
            raise
        except KeyboardInterrupt:
            # Who waits for the end of a retrieval does not answer a release: a person would wait for that.
            association.abort()
            raise
        finally:
            if association.is_established:
                association.release()
        self._require_bounded(association)

    def _opened(
        self,
        kinds: Iterable[tuple[str, str | None]],
        roles: Sequence[Any],
        handlers: Sequence[tuple[Any, Any]],
        longest_instance: int,
    ) -> Any:
        set_switches()
        entity = AE(ae_title=self.calling_ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.connection_timeout = self.connect_timeout_s
        entity.acse_timeout = self.acse_timeout_s
        entity.dimse_timeout = self.dimse_timeout_s
        # Not pynetdicom's own list: it has the deflated one, and inflates whatever an answer claims to be.
        contexts = [build_context(uid, syntax or list(SERVICE_TRANSFER_SYNTAXES)) for uid, syntax in kinds]
        context = self._tls()
        try:
            association = entity.associate(
                self.peer.host,
                self.peer.port,
                contexts=contexts,
                ae_title=self.peer.ae_title,
                ext_neg=list(roles),
                evt_handlers=[(evt.EVT_CONN_OPEN, connection_opened, [longest_instance]), *handlers],
                tls_args=None if context is None else (context, self.peer.server_name),
            )
        except KeyboardInterrupt:
            _leave(entity)
            raise
        except (OSError, UnicodeError) as error:
            # pynetdicom resolves the name, and makes the socket, before its own thread takes over.
            raise ArchiveUnreachable(f"{self} was not called: {_why_not_called(error)}") from error
        if context is not None and isinstance(context.failure, ssl.SSLError):
            raise ArchiveUnreachable(f"{self}: {no_tls(context.failure)}") from context.failure
        self._require(association)
        return association

    def _require_bounded(self, association: Any, cause: Exception | None = None) -> None:
        if association.dimse.refusal:
            raise ArchiveUnreachable(
                f"{self} was left, for it sent {association.dimse.refusal}; no archive has that much to say: look "
                "at what it is, and which version it has"
            ) from cause

    def _tls(self) -> ClientContext | None:
        try:
            return None if self.peer.tls is None else client_context(self.peer.tls)
        except CertificateUnusable as error:
            raise ArchiveUnreachable(f"{self} was not called: {error}") from error

    def _require(self, association: Any) -> None:
        if association.is_established:
            takes = association.acceptor.maximum_length
            if 0 < takes < SHORTEST_SENT:
                association.abort()
                raise ArchiveUnreachable(
                    f"{self} takes PDUs of at most {takes} bytes, and a message would be as many PDUs as it has bytes; "
                    "set its maximum PDU length to 16384 or more"
                )
            self._require_proposed(association)
            return
        if association.is_rejected:
            answer = association.acceptor.primitive
            words = _REJECTIONS.get((answer.result_source, answer.diagnostic), "unknown reason")
            raise AssociationRejected(
                f"{self} rejected the association of {self.calling_ae_title}: {words}; "
                "is our AE title known there, and is the called one right?"
            )
        if association.acceptor.primitive is not None and not association.accepted_contexts:
            return
        # With TLS 1.3 a certificate that is not taken looks like that: the refusal comes after the handshake.
        more = "is that a port without TLS" if self.peer.tls is None else "does it take our certificate"
        raise ArchiveUnreachable(f"{self} does not answer; is it up, are host and port right, and {more}?")

    def _require_proposed(self, association: Any) -> None:
        """Leave a peer that accepts what nobody offered: pynetdicom would speak it, and inflate what is deflated."""
        offered = {context.context_id: context.transfer_syntax for context in association.requestor.requested_contexts}
        for context in association.accepted_contexts:
            if not set(context.transfer_syntax) <= set(offered.get(context.context_id, ())):
                association.abort()
                raise ArchiveUnreachable(
                    f"{self} accepts a transfer syntax that was not proposed; look at what it is, and its version"
                )


def _leave(entity: AE) -> None:
    """End the threads that wait for the answers of an entity's peers: the process would wait for them."""
    for thread in threading.enumerate():
        if isinstance(thread, DULServiceProvider) and thread.assoc.ae is entity:
            thread.kill_dul()
            if thread.socket is not None:
                thread.socket.close()


def connection_opened(event: Any, longest_instance: int = LONGEST_ANSWER) -> None:
    """Prepare an association whose connection has opened, before anything goes over it; a handler of EVT_CONN_OPEN."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound(event.assoc, event.assoc.dimse_timeout)
    match_answers(event.assoc, longest_instance=longest_instance)
    set_timers(event.assoc.dul)


def _why_not_called(error: OSError | UnicodeError) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        cause = (isinstance(error, OSError) and error.strerror) or "it is no host name"
        return f"its name is not known here ({cause}); is it spelt right, and does this machine's DNS know it?"
    return f"this machine opens no connection ({error.strerror}); has this process too many open files or connections?"
