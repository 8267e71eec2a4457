"""Reports of storage commitment over associations of our own (PS3.4 J.3.3), until each is taken.

A thread of the node's first process, and one for each peer that is being told: a silent one keeps nobody else waiting.
What it has to do is on the disk (`commitment_requests`): a crash, here or in a receiving process, loses
nothing, and repeats a report at most.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from dicom_node.clock import MONOTONIC, Clock
from dicom_node.commitments.commitment_call import CONNECT_WITHIN_S, CommitmentCall
from dicom_node.commitments.commitment_requests import CommitmentRequests, name_of_peer, peer_of
from dicom_node.error_place import place_of
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected, NodeError
from dicom_node.messages.commitment_messages import CommitmentRequest
from dicom_node.settings import NodeSettings
from dicom_node.spooling.spool import Spool

_log = structlog.get_logger()

_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 900.0
_IDLE_S = 60.0
#: Peers that are told at once; the others wait for one of them.
_PEERS_AT_ONCE = 16
#: Requests that a peer is told of over one association: each may name 25,000 instances, and all are loaded.
_REQUESTS_AT_ONCE = 50
#: For so long a stop waits for what was cut off: a peer that is not there is left within `CONNECT_WITHIN_S`.
_STOP_WITHIN_S = CONNECT_WITHIN_S + 1.0
#: Whoever has not taken its report by then has long asked again, or given the examination up.
_GIVEN_UP_AFTER = timedelta(days=7)


@dataclass(kw_only=True)
class _Waiting:
    """A request that is to be reported on.

    Attributes:
        association: That will report on it; empty: nobody but us.
        at: When it is tried next, by the clock.
        wait_s: How long it is waited after that.
    """

    association: str
    at: float
    wait_s: float = _FIRST_RETRY_S


class CommitmentReporter:
    """Reports what was not reported where it was asked; a `commitment_service.CommitmentDesk`."""

    def __init__(self, settings: NodeSettings, spool: Spool, clock: Clock = MONOTONIC) -> None:
        """Take whom to report to and what is true."""
        self._settings = settings
        self._peers = {peer.ae_title: peer for peer in settings.peers if peer.storage_commitment}
        self._spool = spool
        self._requests = CommitmentRequests(spool.root)
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._calls: dict[str, threading.Thread] = {}  # by peer
        self._passed: set[str] = set()  # requests of peers that are being told, or must wait for others
        self._open: dict[str, CommitmentCall] = {}  # by peer: the association over which it is told
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commitment-reporter")

    def start(self) -> None:
        """Take up what was left, and report from now on; warn of the peers that believe us. Raises OSError."""
        for peer in self._peers:
            _log.warning(
                "storage commitment is on: this peer may delete its only copy on our word",
                peer=peer,
                remedy="keep the spool's disk as safe as an archive's, or take `storage_commitment` out of its entry",
            )
        self.look_again()
        self._thread.start()

    def stop(self) -> None:
        """End; what is not reported is taken up at the next start."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        with self._lock:
            calls, associations = list(self._calls.values()), list(self._open.values())
        for association in associations:
            association.cut_off()
        deadline = time.monotonic() + _STOP_WITHIN_S
        for call in calls:
            call.join(max(0.0, deadline - time.monotonic()))

    def commitment_asked(self, name: str, association: str) -> None:
        """A request is kept, and its association will report on it."""
        with self._lock:
            self._waiting[name] = _Waiting(association=association, at=self._clock.now())

    def commitment_left(self, name: str) -> None:
        """Its association does not report on it."""
        with self._lock:
            self._waiting[name] = _Waiting(association="", at=self._clock.now())
        self._wake.set()

    def association_ended(self, association: str) -> None:
        """Take up what an association has left."""
        with self._lock:
            left = [waiting for waiting in self._waiting.values() if waiting.association == association]
            for waiting in left:
                waiting.association = ""
        if left:
            self._wake.set()

    def look_again(self) -> None:
        """Take up requests that nobody told of: whoever kept them has died. Raises OSError."""
        names = self._requests.names()
        with self._lock:
            for name in names - set(self._waiting):
                self._waiting[name] = _Waiting(association="", at=self._clock.now())
        self._wake.set()

    def step(self) -> None:
        """Report what is due, each peer over one association, and wait until all have answered or their time is up."""
        for call in self._begin_calls():
            call.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._pause_s())
            self._wake.clear()
            try:
                self._begin_calls()
            except Exception as error:  # noqa: BLE001 - the outermost frame of the thread: what it did not do, it does again
                _tell_failed(error)
                self._stopping.wait(_FIRST_RETRY_S)

    def _begin_calls(self) -> list[threading.Thread]:
        begun = []
        for peer, requests in self._due().items():
            with self._lock:
                if self._stopping.is_set():
                    break
                self._passed.update(requests)
                # What a call has reported since it was loaded is not reported again.
                still = {name: request for name, request in requests.items() if name in self._waiting}
                if not still or peer in self._calls or len(self._calls) >= _PEERS_AT_ONCE:
                    continue
                call = threading.Thread(target=self._call, args=(peer, still), name="commitment-report", daemon=True)
                self._calls[peer] = call
            call.start()
            begun.append(call)
        return begun

    def _call(self, peer: str, requests: Mapping[str, CommitmentRequest]) -> None:
        try:
            self._report_to(peer, requests)
        except Exception as error:  # noqa: BLE001 - the outermost frame of the thread: what it did not do, it does again
            _tell_failed(error)
            self._postpone(requests)
        finally:
            with self._lock:
                del self._calls[peer]
                self._open.pop(peer, None)
                self._passed.clear()
            self._wake.set()

    def _pause_s(self) -> float:
        with self._lock:
            due = [
                waiting.at
                for name, waiting in self._waiting.items()
                if not waiting.association and name not in self._passed
            ]
        now = self._clock.now()
        return min(_IDLE_S, max(0.0, min(due, default=now + _IDLE_S) - now))

    def _due(self) -> dict[str, dict[str, CommitmentRequest]]:
        """Return what is due, by peer, of each as many as are told at once; what is not open any more is forgotten."""
        now = self._clock.now()
        with self._lock:
            # Until its call has ended, nothing of a peer is looked at.
            told = {name_of_peer(peer) for peer in self._calls}
            self._passed.update(name for name in self._waiting if peer_of(name) in told)
            names = [
                name
                for name, waiting in self._waiting.items()
                if not waiting.association and waiting.at <= now and name not in self._passed
            ]
        due: dict[str, dict[str, CommitmentRequest]] = {}
        loaded: Counter[str] = Counter()
        for name in names:
            if loaded[peer_of(name)] == _REQUESTS_AT_ONCE:
                continue
            request = self._requests.load(name)
            if request is None:
                self._forget(name)
            elif datetime.now(UTC) - request.asked_at > _GIVEN_UP_AFTER:
                _log.error(
                    "a report of storage commitment was never taken", peer=request.peer, remedy="it must ask again"
                )
                self._requests.remove(name)
                self._forget(name)
            else:
                loaded[peer_of(name)] += 1
                due.setdefault(request.peer, {})[name] = request
        return due

    def _report_to(self, ae_title: str, requests: Mapping[str, CommitmentRequest]) -> None:
        left = set(requests)
        try:
            for name in self._taken(ae_title, requests):
                self._requests.remove(name)
                self._forget(name)
                left.discard(name)
        except (ArchiveError, OSError) as error:
            if isinstance(error, ArchiveUnreachable | AssociationRejected):
                left |= self._due_of(ae_title)  # it need not be called for each part of what waits for it
            _log.warning("storage commitment not reported", peer=ae_title, requests=len(left), cause=str(error))
        self._postpone(left)

    def _due_of(self, ae_title: str) -> set[str]:
        now, peer = self._clock.now(), name_of_peer(ae_title)
        with self._lock:
            return {
                name
                for name, waiting in self._waiting.items()
                if peer_of(name) == peer and not waiting.association and waiting.at <= now
            }

    def _taken(self, ae_title: str, requests: Mapping[str, CommitmentRequest]) -> Iterable[str]:
        """Report, and yield the names of those that the peer has taken. Raises ArchiveError, OSError."""
        peer = self._peers.get(ae_title)
        if peer is None:
            raise ArchiveError(f"{ae_title} has no `storage_commitment` in the settings any more; it must ask again")
        call = CommitmentCall(peer, self._settings.ae_title, self._spool)
        with self._lock:
            self._open[ae_title] = call
        # It may be too late for the look of `stop`.
        return () if self._stopping.is_set() else call.taken(requests)

    def _postpone(self, names: Iterable[str]) -> None:
        now = self._clock.now()
        with self._lock:
            for waiting in (self._waiting[name] for name in names if name in self._waiting):
                waiting.at = now + waiting.wait_s
                waiting.wait_s = min(waiting.wait_s * 2, _LONGEST_RETRY_S)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._waiting.pop(name, None)


def _tell_failed(error: Exception) -> None:
    """Log it, in its own words only where these are ours or the disk's: others could quote a dataset."""
    known = isinstance(error, (NodeError, OSError))
    cause = str(error) if known else "a defect of wetread; please report it"
    _log.error("reports of storage commitment failed", kind=type(error).__name__, place=place_of(error), cause=cause)
