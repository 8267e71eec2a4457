"""Callers that were turned away: the first is told at once, the same again is counted for a minute. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from dicom_node.turned_away import TurnedAway
from ops.audit.records import Alert

WINDOW_S = 60.0
#: A scanner that calls under ever other AE titles costs neither memory nor disk: what comes beyond is counted as one.
MOST_CALLERS = 50


class _Key(NamedTuple):
    address: str
    found: str
    calling_ae_title: str
    called_ae_title: str


@dataclass(kw_only=True)
class _Counted:
    until: float
    alert: Alert
    again: int = 0


class Alerts:
    """Counts who is turned away; for one thread at a time."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._callers: dict[_Key, _Counted] = {}

    def heard(self, caller: TurnedAway, at: datetime, now: float) -> list[Alert]:
        """Return the alert, where it is new.

        Args:
            caller: Who, and why.
            at: Wall clock, UTC.
            now: Seconds of a monotonic clock.
        """
        key = _key(caller)
        if key not in self._callers and len(self._callers) >= MOST_CALLERS:
            caller = replace(caller, address="", calling_ae_title="", called_ae_title="", found="many callers")
            key = _key(caller)
        counted = self._callers.get(key)
        if counted is not None:
            counted.again += 1
            counted.alert = replace(counted.alert, at=at)
            return []
        alert = Alert(at=at, caller=caller)
        self._callers[key] = _Counted(until=now + WINDOW_S, alert=alert)
        return [alert]

    def due(self, now: float) -> list[Alert]:
        """Return the counts of those whose minute is over, and forget them."""
        over = [key for key, counted in self._callers.items() if counted.until <= now]
        counts = [self._callers.pop(key) for key in over]
        return [replace(counted.alert, times=counted.again) for counted in counts if counted.again]

    def all(self) -> list[Alert]:
        """Return all counts, and forget them."""
        return self.due(float("inf"))


def _key(caller: TurnedAway) -> _Key:
    return _Key(caller.address, caller.found, caller.calling_ae_title, caller.called_ae_title)
