"""Warnings of callers that say the same again and again: whoever calls a hundred times a second does not fill the disk.

The first is told at once; then the same, word for word, once a minute, with how often it came in between.
"""

import threading
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog

from dicom_node.clock import MONOTONIC, Clock

WINDOW_S = 60.0
#: Of more callers at once each warning is told: a line is all that they cost.
MOST_LINES = 500
#: A warning with one of these is about somebody who calls us; he decides how often.
_CALLER = ("address", "calling_ae_title")


@dataclass(kw_only=True)
class _Told:
    at: float
    again: int = 0


class RepeatedWarnings:
    """A processor of structlog's; for many threads."""

    def __init__(self, clock: Clock = MONOTONIC) -> None:
        """Know nobody yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[frozenset[tuple[str, str]], _Told] = {}

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the event, with `repeated` where it was left out since. Raises DropEvent to leave it out."""
        if method != "warning" or not any(key in event for key in _CALLER):
            return event
        line = frozenset((key, repr(value)) for key, value in event.items())
        with self._lock:
            again = self._again(line, self._clock.now())
        return {**event, "repeated": again} if again else event

    def _again(self, line: frozenset[tuple[str, str]], now: float) -> int:
        told = self._told.get(line)
        if told is not None and now < told.at + WINDOW_S:
            told.again += 1
            raise structlog.DropEvent
        if told is None and len(self._told) >= MOST_LINES:
            self._told = {other: one for other, one in self._told.items() if now < one.at + WINDOW_S}
        if told is not None or len(self._told) < MOST_LINES:
            self._told[line] = _Told(at=now)
        return 0 if told is None else told.again
