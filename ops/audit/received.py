"""What associations have brought and nobody has told yet: one entry an association, study and action. Pure."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from dicom_node.study import Arrival, StoredInstance
from ops.audit.records import Action, Side, Transfer

#: A sender that makes every image a study of its own costs messages, not memory.
MOST_ENTRIES = 1000

_ACTIONS = {Arrival.NEW: Action.CREATE, Arrival.SAME: Action.READ, Arrival.VARIANT: Action.UPDATE}


class _Key(NamedTuple):
    association: str
    study: str
    calling_ae_title: str
    action: Action


@dataclass(kw_only=True)
class _Entry:
    file: str
    address: str
    since: float
    at: datetime
    sop_classes: Counter[str] = field(default_factory=Counter)


class Received:
    """Counts instances until they are told; for one thread at a time."""

    def __init__(self, spool: Path, us: Side) -> None:
        """Take the spool's root, and who receives."""
        self._spool = spool
        self._us = us
        self._entries: dict[_Key, _Entry] = {}

    def stored(self, instance: StoredInstance, association: str, now: float) -> list[Transfer]:
        """Count an instance; return what is to be told because there are too many entries.

        Args:
            instance: That the spool has now.
            association: That brought it; "" for one that was found in the spool after a crash.
            now: Seconds of a monotonic clock.
        """
        key = _Key(association, instance.study_instance_uid, instance.calling_ae_title, _ACTIONS[instance.arrival])
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(
                file=instance.file, address=instance.sender_address, since=now, at=instance.received_at
            )
        entry.sop_classes[instance.sop_class_uid] += 1
        entry.at = max(entry.at, instance.received_at)
        return self._taken(lambda _key, _entry: True) if len(self._entries) > MOST_ENTRIES else []

    def ended(self, association: str) -> list[Transfer]:
        """Return what an association that is over has brought."""
        return self._taken(lambda key, _: key.association == association)

    def of_study(self, study_instance_uid: str) -> list[Transfer]:
        """Return what has come of a study so far."""
        return self._taken(lambda key, _: key.study == study_instance_uid)

    def before(self, moment: float) -> list[Transfer]:
        """Return what has been counted since before a moment."""
        return self._taken(lambda _, entry: entry.since < moment)

    def _taken(self, wanted: Callable[[_Key, _Entry], bool]) -> list[Transfer]:
        found = [(key, entry) for key, entry in self._entries.items() if wanted(key, entry)]
        for key, _ in found:
            del self._entries[key]
        return [self._transfer(key, entry) for key, entry in found]

    def _transfer(self, key: _Key, entry: _Entry) -> Transfer:
        return Transfer(
            at=entry.at,
            begins=False,
            action=key.action,
            source=Side(ae_title=key.calling_ae_title, address=entry.address, requestor=True),
            destination=self._us,
            study_instance_uid=key.study,
            sop_classes=tuple(sorted(entry.sop_classes.items())),
            file=self._spool / entry.file,
        )
