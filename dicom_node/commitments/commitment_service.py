"""Storage commitment on one association (PS3.4 J): the request kept, then answered, then reported on where it came.

A peer that has not ended the association a second after the answer, and says nothing, waits for its report there. To
any other the node's first process reports over an association of its own (`commitment_reporter`), and so it
does where this one ends, the report is not taken, or this process dies.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from dicom_node.clock import Clock
from dicom_node.commitments.commitment_requests import CommitmentRequests
from dicom_node.commitments.promising import commit
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.datasets.elements import Encoding
from dicom_node.error_place import defect_of
from dicom_node.messages.commitment_messages import (
    WELL_KNOWN_INSTANCE,
    encoded_information,
    event_information,
    read_request,
)
from dicom_node.messages.services import Report, Request
from dicom_node.spooling.spool import Spool

_log = structlog.get_logger()

#: Who waits for its report on the same association does nothing for so long.
_WAITS_AFTER_S = 1.0
_SUCCESS = 0x0000
_MOST_MESSAGE_IDS = 0xFFFF


class CommitmentDesk(Protocol):
    """Who reports what is not reported where it was asked; called from the associations' threads."""

    def commitment_asked(self, name: str, association: str) -> None:
        """A request is kept, and its association will report on it unless it ends, or lets it go."""

    def commitment_left(self, name: str) -> None:
        """The association does not report on it; somebody else must."""


@dataclass(frozen=True, kw_only=True)
class _Open:
    name: str
    context_id: int
    encoding: Encoding
    since: float


@dataclass(frozen=True, kw_only=True)
class _Said:
    open: _Open
    message_id: int
    since: float


class CommitmentService:
    """One association's requests and reports; a `dicom_node.messages.services.Reporting`."""

    def __init__(
        self, *, spool: Spool, desk: CommitmentDesk, peer: str, association: str, answer_within_s: float, clock: Clock
    ) -> None:
        """Take the spool, who reports elsewhere, who asks, and how long a report may go unanswered."""
        self._spool = spool
        self._requests = CommitmentRequests(spool.root)
        self._desk = desk
        self._peer = peer
        self._association = association
        self._answer_within_s = answer_within_s
        self._clock = clock
        self._open: list[_Open] = []
        self._said: _Said | None = None
        self._message_id = 0

    def asked(self, request: Request) -> str:
        """Keep an N-ACTION request. Raises ServiceRefused, StoreRefused, OSError."""
        self._spool.require_room()
        asked = read_request(request, peer=self._peer, now=datetime.now(UTC))
        name = self._requests.keep(asked)
        self._desk.commitment_asked(name, self._association)
        # The same, asked again and again, is one report.
        if all(one.name != name for one in self._open):
            self._open.append(
                _Open(name=name, context_id=request.context_id, encoding=request.encoding, since=self._clock.now())
            )
        return ""

    @property
    def ready(self) -> bool:
        """Whether a report is due, or one has gone unanswered for too long."""
        if self._said is not None:
            return self._clock.now() - self._said.since >= self._answer_within_s
        return bool(self._open) and self._clock.now() - self._open[0].since >= _WAITS_AFTER_S

    def due(self) -> Report | None:
        """Return the next report: now its instances are held, synced and looked at."""
        if self._said is not None:
            self._leave(self._said.open, "no response to the report")
            self._said = None
            return None
        return self._guarded(self._open.pop(0)) if self._open else None

    def answered(self, message_id: int, status: int) -> bool:
        """Hear of a response; one of success ends the request."""
        if self._said is None or self._said.message_id != message_id:
            return False
        said, self._said = self._said.open, None
        if status != _SUCCESS:
            self._leave(said, f"the report was answered with {status:04X}")
            return True
        try:
            self._requests.remove(said.name)
        except OSError as error:
            _log.error("request for storage commitment stays", cause=str(error), remedy="it is reported once more")
        return True

    def _guarded(self, chosen: _Open) -> Report | None:
        try:
            return self._report(chosen)
        except Exception as error:  # noqa: BLE001 - the association goes on; somebody else tries again, and says why
            self._leave(chosen, defect_of(error))
            return None

    def _report(self, chosen: _Open) -> Report | None:
        request = self._requests.load(chosen.name)
        if request is None:
            return None
        verdict = commit(self._spool, request)
        self._message_id = self._message_id % _MOST_MESSAGE_IDS + 1
        self._said = _Said(open=chosen, message_id=self._message_id, since=self._clock.now())
        return Report(
            context_id=chosen.context_id,
            message_id=self._message_id,
            sop_class_uid=STORAGE_COMMITMENT,
            sop_instance_uid=WELL_KNOWN_INSTANCE,
            event_type_id=verdict.event_type_id,
            dataset=encoded_information(event_information(request.transaction_uid, verdict), chosen.encoding),
        )

    def _leave(self, chosen: _Open, reason: str) -> None:
        _log.warning("no report of storage commitment on the same association", peer=self._peer, reason=reason)
        self._desk.commitment_left(chosen.name)
