"""The one who puts studies together: a thread that hears what arrives and hands complete studies to the store.

It keeps nothing that the spool does not: after a crash the sweep tells it again. The store may be away for as long as
it likes; receiving goes on up to a bounded backlog.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from dicom_node import clock as clocks
from dicom_node.assembling.adoption import Adoption
from dicom_node.assembling.arrival_notes import ArrivalNotes
from dicom_node.assembling.asker import Ask, Counts
from dicom_node.assembling.assembler_messages import Announced, Answered, Ended, Force, Gone, Heard, Message, Stop
from dicom_node.assembling.handover import Errand, Handover
from dicom_node.assembling.instance_lists import objection
from dicom_node.assembling.open_study import OpenStudy
from dicom_node.assembling.patience import Patience
from dicom_node.assembling.stocktaking import take_holdings, take_stock
from dicom_node.assembling.waiting_lists import WaitingLists
from dicom_node.error_place import place_of
from dicom_node.settings import NodeSettings
from dicom_node.spooling.spool import Spool
from dicom_node.spooling.spool_layout import instance_of, name_of, series_of
from dicom_node.study import Arrival, Completion, SeriesWish, StoredInstance, StudyStore

_log = structlog.get_logger()

#: How long the thread sleeps at most; stopping does not wait for it.
_IDLE_S = 60.0
_SHORTEST_PAUSE_S = 0.001
#: After a failure that is of no study: it may go on.
_FAILED_PAUSE_S = 1.0


class Assembler:
    """Assembles studies from the instances of a spool; implements `dicom_node.receiving.store_scp.Reception`."""

    def __init__(
        self,
        settings: NodeSettings,
        spool: Spool,
        store: StudyStore,
        clock: clocks.Clock = clocks.MONOTONIC,
        asker: Ask | None = None,
        on_adopted: Callable[[StoredInstance], None] = lambda _instance: None,
    ) -> None:
        """Take the waits, the spool, where complete studies go, and a monotonic clock.

        `on_adopted` hears of what a crash has left in the spool and nobody has told; `asker` asks archives for counts.
        """
        self._patience = Patience(settings)
        self._asker = asker
        self._max_backlog = settings.max_backlog
        self._spool = spool
        self._store = store
        self._clock = clock
        self._heard: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._open: dict[str, OpenStudy] = {}
        self._latest: dict[str, str] = {}  # association: the study of its latest instance
        self._wish = SeriesWish.NOTHING
        self._failing = False  # nothing is put together for now
        self._handover = Handover(clock)
        self._lists = WaitingLists(store, self._handover, clock, self._listed)
        self._notes = ArrivalNotes(store, self._handover, self._ask_for_wish)

        def adopt(instance: StoredInstance) -> None:
            on_adopted(instance)
            self._take(instance, "")

        def all_recorded(study_uid: str) -> None:
            if study_uid not in self._open:
                store.nothing_left(study_uid)

        def open_in(folder: str) -> OpenStudy | None:
            return next((study for uid, study in self._open.items() if name_of(uid) == folder), None)

        self._adoption = Adoption(spool, store, self._handover, adopt, all_recorded, open_in)
        self._thread = threading.Thread(target=self._run, name="assembler")

    def start(self) -> None:
        """Remove half-written files, then adopt and assemble in a thread. Before the node listens. Raises OSError."""
        self._adoption.begin()
        self._thread.start()

    def stop(self) -> None:
        """Handle what has been heard, then end. What is open stays in the spool and is adopted at the next start."""
        self._heard.put(Stop())
        self._thread.join()

    def accepting(self) -> bool:
        """Say whether fewer complete studies wait for the store than the backlog allows, and each could be synced.

        Nothing is taken either while nobody puts studies together: what was answered would be read by nobody.
        """
        return not self._failing and self.waiting_studies() < self._max_backlog and self._spool.trusted()

    def full_peers(self) -> frozenset[str]:
        """Return nobody: who has how much of the spool, others count (`dicom_node.spooling.shares`)."""
        return frozenset()

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """Hear of an instance in the spool."""
        self._heard.put(Heard(instance=instance, association=association))

    def association_ended(self, association: str) -> None:
        """Hear that an association is over."""
        self._heard.put(Ended(association=association))

    def force(self, study_uid: str) -> None:
        """Close a study now; nothing happens if nothing of it is open."""
        self._heard.put(Force(study_uid=study_uid))

    def listed(self, study_instance_uid: str, sop_instance_uids: frozenset[str], source: str) -> None:
        """Hear that somebody (`source`) lists the instances of a study (MPPS, Instance Availability Notification).

        It may come before the first instance; from any thread. What is no list of UIDs is left out, and logged.
        """
        wrong = objection(study_instance_uid, sop_instance_uids)
        if wrong:
            _log.warning("list of instances left out", source=source, cause=wrong)
            return
        self._heard.put(Announced(study_uid=study_instance_uid, sop_instance_uids=sop_instance_uids, source=source))

    def adopt(self, pid: int) -> None:
        """Look for what a receiving process, which is gone, has left in the spool and told nobody of."""
        self._heard.put(Gone(pid=pid))

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
            if isinstance(message, Stop):
                return False
            with self._guarding(message.instance.study_instance_uid if isinstance(message, Heard) else ""):
                self._handle(message)
        self._catch_up()
        return True

    def _run(self) -> None:
        try:
            while self._stepped():
                pass
        except BaseException:
            self._failing = True
            raise
        _log.info("assembler stopped", open_studies=len(self._open), waiting_studies=self.waiting_studies())

    def _stepped(self) -> bool:
        try:
            # While nothing is taken nothing comes that would end a pause.
            going = self.step(0.0 if self._failing else self._pause_s())
        except Exception as error:  # noqa: BLE001 - the outermost frame of the thread: without it no study is read
            self._failing = True
            _tell_failed(error, study="")
            time.sleep(_FAILED_PAUSE_S)
            return True
        self._failing = False
        return going

    @contextmanager
    def _guarding(self, study_uid: str) -> Iterator[None]:
        """Let what nobody foresaw cost no other study anything, and this one another look at what the spool has of it.

        What is known of it is forgotten, as a crash would: it may be half done.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a study's outermost frame
            _tell_failed(error, study=study_uid)
            if study_uid:
                self._open.pop(study_uid, None)
                self._handover.drop(Errand.SERIES, study_uid)
                self._adoption.look_again(name_of(study_uid))

    def _pause_s(self) -> float:
        due = [study.due() for study in self._open.values()]
        errand_due = self._handover.next_due()
        if errand_due is not None:
            due.append(errand_due)
        now = self._clock.now()
        return min(_IDLE_S, max(_SHORTEST_PAUSE_S, min(due, default=now + _IDLE_S) - now))

    def _handle(self, message: Message) -> None:
        match message:
            case Heard(instance=instance, association=association):
                self._move(association, instance.study_instance_uid)
                self._take(instance, association)
            case Ended(association=association):
                self._move(association, "")
            case Force(study_uid=study_uid):
                if study_uid in self._open:
                    self._open[study_uid].forced(self._clock.now())
                    self._follow(study_uid)
            case Answered():
                self._counted(message)
            case Announced():
                self._lists.take(message)
            case Gone(pid=pid):
                self._adoption.clear_up(pid)

    def _move(self, association: str, study_uid: str) -> None:
        """Note to which study an association's latest instance belongs, and tell the one that it left."""
        if not association:
            return
        before = self._latest.pop(association, "")
        if study_uid:
            self._latest[association] = study_uid
        if before != study_uid and before in self._open:
            self._open[before].left(association, self._clock.now())
            self._follow(before)

    def _take(self, instance: StoredInstance, association: str) -> None:
        study_uid = instance.study_instance_uid
        if instance.own:
            return
        if instance.arrival is Arrival.SAME and study_uid not in self._open:
            self._adoption.look_again(name_of(study_uid))
            return
        self._notes.came(instance, first=study_uid not in self._open)
        if study_uid not in self._open:
            self._open[study_uid] = self._opened(name_of(study_uid))
        self._open[study_uid].stored(
            series_of(instance.file),
            instance_of(instance.file),
            association,
            self._clock.now(),
            timing=self._patience.timing(instance.calling_ae_title),
            asking=self._patience.asking,
            archive="" if self._asker is None else self._patience.archive(instance.calling_ae_title),
            lists=self._lists.of(study_uid),
        )
        self._follow(study_uid)

    def _opened(self, folder: str) -> OpenStudy:
        try:
            held = take_holdings(self._spool, folder)
        except OSError as error:
            # Then counts and lists will differ from what is held, and the quiet time applies.
            _log.warning(
                "study folder not looked through", folder=folder, cause=str(error), remedy="is its disk there?"
            )
            held = {}
        study = OpenStudy(held)
        study.each_series = self._wish is not SeriesWish.NOTHING
        return study

    def _ask_for_wish(self, study_uid: str) -> None:
        self._wish = self._store.series_wish()
        if study_uid in self._open:
            self._open[study_uid].each_series = self._wish is not SeriesWish.NOTHING

    def _answered(self, study_uid: str, asked_at: float, counts: Counts | None) -> None:
        self._heard.put(Answered(study_uid=study_uid, asked_at=asked_at, counts=counts))

    def _counted(self, answer: Answered) -> None:
        study = self._open.get(answer.study_uid)
        if study is None:
            return
        counts = answer.counts
        named = None if counts is None else {name_of(uid): count for uid, count in counts.items() if uid.isascii()}
        study.counted(named, answer.asked_at, self._clock.now(), self._patience.asking)
        self._follow(answer.study_uid)

    def _listed(self, study_uid: str, now: float) -> None:
        if study_uid in self._open:
            self._open[study_uid].listed(self._lists.of(study_uid), now)
            self._follow(study_uid)

    def _follow(self, study_uid: str) -> None:
        """Do what follows from what a study has become."""
        study = self._open[study_uid]
        if study.closed is not None:
            completion = study.closed.completion
            del self._open[study_uid]
            self._handover.drop(Errand.SERIES, study_uid)
            self._handover.add(Errand.CLOSE, study_uid, partial(self._close, study_uid, completion))
            _log.info("study complete", study=study_uid, completion=completion.value)
        elif study.each_series and study.series_completed:
            study.series_completed = False
            self._handover.add(Errand.SERIES, study_uid, partial(self._tell_of_series, study_uid))

    def _catch_up(self) -> None:
        """Close what is due, ask what is due, and try again what the store refused."""
        now = self._clock.now()
        for study_uid in [uid for uid, study in self._open.items() if study.due() <= now]:
            with self._guarding(study_uid):
                self._look_at(study_uid, now)
        self._lists.forget_old(now)
        self._handover.run_due()

    def _look_at(self, study_uid: str, now: float) -> None:
        study = self._open[study_uid]
        study.tick(now)
        self._follow(study_uid)
        if self._asker is not None and study.question(now, self._patience.asking):
            self._asker.ask(study.archive, study_uid, partial(self._answered, study_uid))

    def _tell_of_series(self, study_uid: str) -> None:
        study = self._open.get(study_uid)
        if study is None:
            return
        folder = name_of(study_uid)
        self._adoption.put_cut_aside(folder)
        series = study.complete_series() if self._wish is SeriesWish.TOGETHER else frozenset(study.untold)
        self._spool.sync_study(folder)
        stock = take_stock(self._spool, folder, study_uid, Completion.SERIES, self._store.made_here, series=series)
        if stock is not None:
            self._store.series_complete(stock)
        study.untold -= series

    def _close(self, study_uid: str, completion: Completion) -> None:
        folder = name_of(study_uid)
        self._adoption.put_cut_aside(folder)
        self._spool.sync_study(folder)
        stock = take_stock(self._spool, folder, study_uid, completion, self._store.made_here)
        if stock is not None:
            self._store.close_revision(stock)
            self._spool.store_knows(stock.mended)
            _log.info("study handed over", study=study_uid, series=len(stock.series), completion=completion.value)
        elif study_uid not in self._open and not self._notes.own_alone(study_uid):
            self._store.nothing_left(study_uid)
            _log.warning("nothing left of a study", study=study_uid, remedy="was its folder removed from the spool?")
        if study_uid not in self._open:
            self._notes.forget(study_uid)


def _tell_failed(error: Exception, *, study: str) -> None:
    _log.error(
        "assembler failed",
        study=study,
        kind=type(error).__name__,
        place=place_of(error),
        remedy="a defect of wetread, please report it; what came is in the spool, and it is tried again",
    )
