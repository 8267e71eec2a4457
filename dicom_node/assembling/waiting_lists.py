"""Lists of instances on their way to the assembler: first the store says which of them are results of our own."""

import itertools
from collections.abc import Callable
from functools import partial

import structlog

from dicom_node.assembling.assembler_messages import Announced
from dicom_node.assembling.handover import Errand, Handover
from dicom_node.assembling.instance_lists import InstanceLists
from dicom_node.clock import Clock
from dicom_node.spooling.spool_layout import name_of
from dicom_node.study import StudyStore

_log = structlog.get_logger()

#: While the store is away; each may be large.
_MOST = 64


class WaitingLists:
    """Keeps lists that others have sent without what is ours; for the assembler's thread."""

    def __init__(
        self, store: StudyStore, handover: Handover, clock: Clock, on_kept: Callable[[str, float], None]
    ) -> None:
        """Take the store, where errands wait for it, and who hears of a study that has been listed, and when (s)."""
        self._store = store
        self._handover = handover
        self._clock = clock
        self._on_kept = on_kept
        self._lists = InstanceLists()
        self._numbers = itertools.count()

    def take(self, announced: Announced) -> None:
        """Take a list; it waits for the store, and is left out where too many do."""
        if self._handover.count(Errand.LIST) >= _MOST:
            _log.warning("list of instances left out", source=announced.source, cause="too many wait for the store")
            return
        key = f"{announced.study_uid}, list {next(self._numbers)}"
        self._handover.add(Errand.LIST, key, partial(self._keep, announced))

    def of(self, study_uid: str) -> tuple[frozenset[str], ...]:
        """Return the lists of a study, the oldest first, as the names that the instances have in the spool."""
        return self._lists.of(study_uid)

    def forget_old(self, now: float) -> None:
        """Forget what has been kept for long enough."""
        self._lists.forget_old(now)

    def _keep(self, announced: Announced) -> None:
        study_uid, uids, now = announced.study_uid, announced.sop_instance_uids, self._clock.now()
        theirs = uids - self._store.ours_among(sorted(uids))
        if self._lists.keep(study_uid, frozenset(map(name_of, theirs)), now):
            _log.info("instances listed", study=study_uid, source=announced.source, instances=len(theirs))
        self._on_kept(study_uid, now)
