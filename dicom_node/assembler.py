"""The one who puts studies together: a thread that hears what arrives and hands complete studies to the store.

It keeps nothing that the spool does not: after a crash the sweep tells it again. The store may be away for as long as
it likes; receiving goes on up to a bounded backlog.
"""

import queue
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import structlog

from dicom_node import clock as clocks
from dicom_node.assembly import Closed, Event, Forced, Left, Open, Stored, Tick, Timing, next_state
from dicom_node.handover import Errand, Handover
from dicom_node.settings import NodeSettings
from dicom_node.spool import Spool, name_of
from dicom_node.stocktaking import take_stock
from dicom_node.study import Arrival, Completion, StoredInstance, StudyStore

_log = structlog.get_logger()

#: How long the thread sleeps at most; stopping does not wait for it.
_IDLE_S = 60.0
_SHORTEST_PAUSE_S = 0.001
#: What a receiving process leaves, it leaves in its last moment; a day, since clocks may jump.
_LATELY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class _Heard:
    instance: StoredInstance
    association: str


@dataclass(frozen=True, kw_only=True)
class _Ended:
    association: str


@dataclass(frozen=True, kw_only=True)
class _Force:
    study_uid: str


@dataclass(frozen=True, kw_only=True)
class _Gone:
    pid: int


@dataclass(frozen=True)
class _Stop:
    pass


_Message: TypeAlias = _Heard | _Ended | _Force | _Gone | _Stop


class Assembler:
    """Assembles studies from the instances of a spool; implements `dicom_node.store_scp.Reception`."""

    def __init__(
        self, settings: NodeSettings, spool: Spool, store: StudyStore, clock: clocks.Clock = clocks.MONOTONIC
    ) -> None:
        """Take the waits, the spool, where complete studies go, and a monotonic clock."""
        self._timing = Timing(
            quiet_time_s=settings.quiet_time_s,
            association_hold_s=settings.association_hold_s,
            hard_cap_s=settings.hard_cap_s,
        )
        self._max_backlog = settings.max_backlog
        self._spool = spool
        self._store = store
        self._clock = clock
        self._heard: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._open: dict[str, Open] = {}
        self._unnoted: set[str] = set()  # studies of which so far only results of our own have come
        self._latest: dict[str, str] = {}  # association: the study of its latest instance
        self._handover = Handover(clock)
        self._thread = threading.Thread(target=self._run, name="assembler")

    def start(self) -> None:
        """Remove half-written files, then adopt and assemble in a thread. Before the node listens. Raises OSError."""
        removed = self._spool.remove_partials()
        folders = self._spool.study_folders()
        self._adopt_all(folders)
        _log.info("assembler started", partials_removed=removed, study_folders=len(folders))
        self._thread.start()

    def stop(self) -> None:
        """Handle what has been heard, then end. What is open stays in the spool and is adopted at the next start."""
        self._heard.put(_Stop())
        self._thread.join()

    def accepting(self) -> bool:
        """Say whether fewer complete studies wait for the store than the backlog allows, and each could be synced."""
        return self.waiting_studies() < self._max_backlog and self._spool.trusted()

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """Hear of an instance in the spool."""
        self._heard.put(_Heard(instance=instance, association=association))

    def association_ended(self, association: str) -> None:
        """Hear that an association is over."""
        self._heard.put(_Ended(association=association))

    def force(self, study_uid: str) -> None:
        """Close a study now; nothing happens if nothing of it is open."""
        self._heard.put(_Force(study_uid=study_uid))

    def adopt(self, pid: int) -> None:
        """Look for what a receiving process, which is gone, has left in the spool and told nobody of."""
        self._heard.put(_Gone(pid=pid))

    def open_studies(self) -> int:
        """Return how many studies still collect."""
        return len(self._open)

    def waiting_studies(self) -> int:
        """Return how many complete studies the store has not taken yet."""
        return self._handover.count(Errand.CLOSE)

    def step(self, timeout_s: float = 0.0) -> bool:
        """Wait for one message, handle all that are there, then everything due; return False when told to stop."""
        # Before anything is due: a store that is away takes seconds to say so, and what came meanwhile came in time.
        for _ in range(max(1, self._heard.qsize())):
            try:
                message = self._heard.get(timeout=timeout_s) if timeout_s > 0 else self._heard.get_nowait()
            except queue.Empty:
                break
            if isinstance(message, _Stop):
                return False
            self._handle(message)
        self._catch_up()
        return True

    def _run(self) -> None:
        while self.step(self._pause_s()):
            pass
        _log.info("assembler stopped", open_studies=len(self._open), waiting_studies=self.waiting_studies())

    def _pause_s(self) -> float:
        due = [state.deadline(self._timing) for state in self._open.values()]
        errand_due = self._handover.next_due()
        if errand_due is not None:
            due.append(errand_due)
        now = self._clock.now()
        return min(_IDLE_S, max(_SHORTEST_PAUSE_S, min(due, default=now + _IDLE_S) - now))

    def _handle(self, message: _Message) -> None:
        match message:
            case _Heard(instance=instance, association=association):
                self._move(association, instance.study_instance_uid)
                self._take(instance, association)
            case _Ended(association=association):
                self._move(association, "")
            case _Force(study_uid=study_uid):
                self._apply(study_uid, Forced())
            case _Gone(pid=pid):
                self._clear_up(pid)

    def _move(self, association: str, study_uid: str) -> None:
        """Note to which study an association's latest instance belongs, and tell the one that it left."""
        if not association:
            return
        before = self._latest.pop(association, "")
        if study_uid:
            self._latest[association] = study_uid
        if before and before != study_uid:
            self._apply(before, Left(association=association))

    def _take(self, instance: StoredInstance, association: str) -> None:
        study_uid = instance.study_instance_uid
        if instance.own:
            return
        if instance.arrival is Arrival.SAME and study_uid not in self._open:
            return
        if study_uid not in self._open or study_uid in self._unnoted:
            self._handover.add(Errand.NOTE, study_uid, partial(self._note, instance))
        self._apply(study_uid, Stored(association=association))

    def _note(self, instance: StoredInstance) -> None:
        if self._store.study_receiving(instance):
            self._unnoted.discard(instance.study_instance_uid)
        else:
            self._unnoted.add(instance.study_instance_uid)

    def _apply(self, study_uid: str, event: Event) -> None:
        match next_state(self._open.get(study_uid), event, self._clock.now(), self._timing):
            case Open() as state:
                self._open[study_uid] = state
            case Closed(completion=completion):
                self._open.pop(study_uid, None)
                self._handover.add(Errand.CLOSE, study_uid, partial(self._close, study_uid, completion))
                _log.info("study complete", study=study_uid, completion=completion.value)
            case None:
                pass

    def _catch_up(self) -> None:
        """Close what is due, and try again what the store refused."""
        now = self._clock.now()
        for study_uid in [uid for uid, state in self._open.items() if state.deadline(self._timing) <= now]:
            self._apply(study_uid, Tick())
        self._handover.run_due()

    def _close(self, study_uid: str, completion: Completion) -> None:
        self._spool.sync_study(name_of(study_uid))
        stock = take_stock(self._spool, name_of(study_uid), study_uid, completion, self._store.made_here)
        if stock is not None:
            self._store.close_revision(stock)
            _log.info("study handed over", study=study_uid, series=len(stock.series), completion=completion.value)
        if study_uid not in self._open:
            # Told now, the store would take the study for one that still arrives.
            self._handover.drop(Errand.NOTE, study_uid)
            self._unnoted.discard(study_uid)

    def _clear_up(self, pid: int) -> None:
        try:
            removed = self._spool.remove_partials(of=pid)
            folders = self._spool.study_folders(changed_within_s=_LATELY_S)
        except OSError as error:
            _log.error(
                "spool not looked through", cause=str(error), remedy="is its disk there? It is at the next start"
            )
            return
        self._adopt_all(folders)
        _log.info("after a receiving process", partials_removed=removed, study_folders=len(folders))

    def _adopt_all(self, folders: Iterable[str]) -> None:
        for folder in folders:
            self._handover.add(Errand.ADOPT, folder, partial(self._adopt, folder))

    def _adopt(self, folder: str) -> None:
        """Take what a crash left unrecorded in a folder as if it had just arrived."""
        known = self._store.recorded_files(folder)
        described = [self._spool.describe(file) for file in self._spool.files(folder) if file not in known]
        left = [instance for instance in described if instance is not None and not instance.own]
        own = self._store.made_here(left)
        for instance in left:
            if instance.file not in own:
                _log.info("instance adopted", file=instance.file)
                self._take(instance, "")
