"""Lists of a study's instances that others have sent (MPPS, Instance Availability Notification): kept for a while.

A list may come before the first instance, and may name more than has come yet. What is kept is bounded in time and
number, whoever sends it; the oldest lists give way.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from dicom_node.datasets.origin import require_uid
from dicom_node.errors import InvalidUid

_KEPT_S = 3600.0
_MOST_OF_A_STUDY = 8
#: In all lists together; about 30 MB.
MOST_NAMES = 200_000


def objection(study_instance_uid: str, sop_instance_uids: Collection[str]) -> str:
    """Return why a list that came from outside cannot be used; empty where it can."""
    if not 0 < len(sop_instance_uids) <= MOST_NAMES:
        return f"it lists {len(sop_instance_uids)} instances; at least 1, at most {MOST_NAMES} are taken"
    try:
        for uid in (study_instance_uid, *sop_instance_uids):
            require_uid("UID in a list of instances", uid)
    except InvalidUid as error:
        return str(error)
    return ""


@dataclass(frozen=True, kw_only=True)
class _Kept:
    study: str
    names: frozenset[str]
    until: float


class InstanceLists:
    """The lists of all studies, as the names that the instances have in the spool; for one thread."""

    def __init__(self) -> None:
        """Start with none."""
        self._kept: deque[_Kept] = deque()
        self._of: dict[str, tuple[frozenset[str], ...]] = {}
        self._names = 0

    def keep(self, study: str, names: frozenset[str], now: float) -> bool:
        """Keep a list of a study; return False for one that is empty, too large, or there already."""
        self.forget_old(now)
        if not 0 < len(names) <= MOST_NAMES or names in self.of(study):
            return False
        while self._names + len(names) > MOST_NAMES:
            self._forget(self._kept.popleft())
        if len(self.of(study)) == _MOST_OF_A_STUDY:
            oldest = next(kept for kept in self._kept if kept.study == study)
            self._kept.remove(oldest)
            self._forget(oldest)
        self._kept.append(_Kept(study=study, names=names, until=now + _KEPT_S))
        self._of[study] = (*self.of(study), names)
        self._names += len(names)
        return True

    def of(self, study: str) -> tuple[frozenset[str], ...]:
        """Return the lists of a study, the oldest first."""
        return self._of.get(study, ())

    def forget_old(self, now: float) -> None:
        """Forget what has been kept for long enough."""
        while self._kept and self._kept[0].until <= now:
            self._forget(self._kept.popleft())

    def _forget(self, kept: _Kept) -> None:
        self._names -= len(kept.names)
        left = tuple(names for names in self.of(kept.study) if names is not kept.names)
        if left:
            self._of[kept.study] = left
        else:
            self._of.pop(kept.study, None)
