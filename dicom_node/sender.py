"""C-STORE as client: files go out as the bytes they are, one association for as many kinds as it can carry."""

import socket
import ssl
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from dicom_node.bounded_connection import SHORTEST_SENT, bound
from dicom_node.bounded_message import LONGEST_ANSWER
from dicom_node.contexts import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    SERVICE_TRANSFER_SYNTAXES,
)
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected, CertificateUnusable
from dicom_node.foreign_file import write_with_meta
from dicom_node.matched_answers import match_answers
from dicom_node.monotonic_timer import set_timers
from dicom_node.part10 import FileMeta
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.settings import Peer
from dicom_node.sources import Source, batches, sources_of
from dicom_node.tls import ClientContext, client_context, no_tls

#: Associations in a row that end without an answer.
_MOST_IN_VAIN = 3

_SUCCESS = 0x0000
_WARNINGS = (0x0001, 0x0107, 0x0116, 0xB000, 0xB006, 0xB007)  # PS3.4 B.2.3, PS3.7 C.4
_DUPLICATE_SOP_INSTANCE = 0x0111  # PS3.7 C.5.6

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


class OutcomeKind(Enum):
    """What an archive did with an object."""

    ACCEPTED = "accepted"  #: stored
    WARNING = "warning"  #: stored, with something changed or left out
    DUPLICATE = "duplicate"  #: it has this instance already, which is as good as stored
    REFUSED = "refused"  #: not stored
    NO_CONTEXT = "no context"  #: it takes no such SOP class in this transfer syntax; never sent
    SKIPPED = "skipped"  #: only from `send`: the file is not DICOM, or a media directory, and was never sent
    UNREADABLE = "unreadable"  #: only from `send`: named or damaged, cannot be read, and was never sent


@dataclass(frozen=True, kw_only=True)
class StoreOutcome:
    """What became of one object.

    Attributes:
        sop_instance_uid: Of the object; empty for what is not DICOM.
        status: Of the C-STORE response; 0 where none was sent.
        kind: What that means.
        text: In words, with the archive's Error Comment where it gave one and the status otherwise.
    """

    sop_instance_uid: str
    status: int
    kind: OutcomeKind
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the archive holds the object now."""
        return self.kind in (OutcomeKind.ACCEPTED, OutcomeKind.WARNING, OutcomeKind.DUPLICATE)


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
        more = "" if self.peer.tls is None else ", and does it take our certificate"
        raise ArchiveUnreachable(f"{self} does not answer; is it up, are host and port right{more}?")


def _why_not_called(error: OSError | UnicodeError) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        cause = (isinstance(error, OSError) and error.strerror) or "it is no host name"
        return f"its name is not known here ({cause}); is it spelt right, and does this machine's DNS know it?"
    return f"this machine opens no connection ({error.strerror}); has this process too many open files or connections?"


def store_files(requestor: Requestor, files: Sequence[FileMeta]) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send files over one association, in order, and yield what the peer answered to each.

    Ends early if the association does. At most 128 kinds of (SOP class, transfer syntax).
    Raises ArchiveUnreachable, AssociationRejected.
    """
    if not files:
        return
    kinds = list(dict.fromkeys((file.sop_class_uid, file.transfer_syntax_uid) for file in files))
    with requestor.associate(kinds) as association:
        accepted = {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in association.accepted_contexts}
        for number, file in enumerate(files):
            if (file.sop_class_uid, file.transfer_syntax_uid) not in accepted:
                yield file.file, _no_context(file)
            elif not association.is_established:
                return
            else:
                try:
                    with _with_right_meta(file, requestor) as path:
                        response = association.send_c_store(path, msg_id=number % 0xFFFF + 1)
                except RuntimeError:
                    return  # the peer aborted between the look above and the request
                if "Status" not in response:
                    return
                yield file.file, outcome_of(file.sop_instance_uid, response)


@contextmanager
def _with_right_meta(file: FileMeta, requestor: Requestor) -> Iterator[Path]:
    """Give the file, or a passing copy whose meta information names the dataset's UIDs: the request is made from it."""
    if not file.corrected:
        yield file.file
        return
    with tempfile.NamedTemporaryFile(suffix=".dcm") as copy:
        write_with_meta(
            file,
            copy,
            calling_ae_title=requestor.calling_ae_title,
            called_ae_title=requestor.peer.ae_title,
        )
        copy.flush()
        yield Path(copy.name)


def outcome_of(sop_instance_uid: str, response: Any) -> StoreOutcome:
    """Say what a C-STORE response means."""
    status = int(response.Status)
    if status == _SUCCESS:
        kind = OutcomeKind.ACCEPTED
    elif status == _DUPLICATE_SOP_INSTANCE:
        kind = OutcomeKind.DUPLICATE
    elif status in _WARNINGS:
        kind = OutcomeKind.WARNING
    else:
        kind = OutcomeKind.REFUSED
    comment = str(response.get("ErrorComment", "") or "")
    text = f"status {status:04X}" + (f": {comment}" if comment else "")
    return StoreOutcome(sop_instance_uid=sop_instance_uid, status=status, kind=kind, text=text)


def send(paths: Iterable[Path], peer: Peer, calling_ae_title: str) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send what a person names (`dicom_node.sources`), and yield what became of each file, named as a person finds it.

    Raises ArchiveUnreachable, AssociationRejected, OSError.
    """
    return send_sources(sources_of(paths), Requestor(peer=peer, calling_ae_title=calling_ae_title))


def send_sources(sources: Iterable[Source], requestor: Requestor) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send sources, over as many associations as they need, and yield what became of each file.

    A file that is not DICOM is named and skipped; a file that the peer left unanswered is REFUSED, and those behind it
    go over another association. Raises ArchiveUnreachable, AssociationRejected, OSError.
    """
    with tempfile.TemporaryDirectory(prefix="wetread-send-") as folder:
        for batch in batches(found for source in sources for found in source.files(Path(folder))):
            to_send: list[tuple[Path, FileMeta]] = []
            for found in batch:
                if found.meta is None:
                    kind = OutcomeKind.UNREADABLE if found.damaged else OutcomeKind.SKIPPED
                    yield found.name, StoreOutcome(sop_instance_uid="", status=0, kind=kind, text=found.why)
                else:
                    to_send.append((found.name, found.meta))
            yield from _send_all(requestor, to_send)
            for found in batch:
                if found.passing and found.meta is not None:
                    found.meta.file.unlink()


def _send_all(requestor: Requestor, files: list[tuple[Path, FileMeta]]) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send one batch; an association that ends early costs the file that it left unanswered, not those behind it."""
    position, in_vain = 0, 0
    while position < len(files):
        before = position
        try:
            for _, outcome in store_files(requestor, [meta for _, meta in files[position:]]):
                yield files[position][0], outcome
                position += 1
        except ArchiveError:
            if not before:
                raise
            in_vain = _MOST_IN_VAIN  # it was there and has gone
        in_vain = 0 if position > before else in_vain + 1
        # A peer that drops every association, or takes none any more, gets no more of them.
        last = len(files) if in_vain >= _MOST_IN_VAIN else min(position + 1, len(files))
        for name, meta in files[position:last]:
            yield name, _unanswered(meta)
        position = last


def _unanswered(file: FileMeta) -> StoreOutcome:
    return StoreOutcome(
        sop_instance_uid=file.sop_instance_uid,
        status=0,
        kind=OutcomeKind.REFUSED,
        text="the association ended before an answer; send it again",
    )


def _no_context(file: FileMeta) -> StoreOutcome:
    return StoreOutcome(
        sop_instance_uid=file.sop_instance_uid,
        status=0,
        kind=OutcomeKind.NO_CONTEXT,
        text=f"the peer takes no SOP class {file.sop_class_uid} in transfer syntax {file.transfer_syntax_uid}",
    )


def connection_opened(event: Any, longest_instance: int = LONGEST_ANSWER) -> None:
    """Prepare an association whose connection has opened, before anything goes over it; a handler of EVT_CONN_OPEN."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound(event.assoc, event.assoc.dimse_timeout)
    match_answers(event.assoc, longest_instance=longest_instance)
    set_timers(event.assoc.dul)
