"""What the store must still be told: each thing is tried until the store takes it, and none waits for another."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import structlog

from dicom_node.clock import Clock
from dicom_node.error_place import place_of

_log = structlog.get_logger()

_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 30.0
#: The store may need seconds for each refusal, and meanwhile nobody listens to the associations.
_FAILURES_A_ROUND = 3
#: Then what was heard meanwhile is taken first, also the word to stop.
_ROUND_S = 1.0


class Errand(Enum):
    """What the store is told."""

    NOTE = "note"  #: a study is arriving
    CLOSE = "close"  #: a study is complete
    SERIES = "series"  #: some series of a study are complete, which still arrives
    LIST = "list"  #: somebody lists a study's instances; the store knows which of them are ours
    ADOPT = "adopt"  #: which files of a folder it knows already


@dataclass(kw_only=True)
class _Waiting:
    action: Callable[[], None]
    at: float
    wait_s: float = _FIRST_RETRY_S


class Handover:
    """Errands that wait for the store, one of each kind for a study; for one thread, but `count` is for any."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock that retries go by."""
        self._clock = clock
        self._waiting: dict[tuple[Errand, str], _Waiting] = {}

    def add(self, errand: Errand, study: str, action: Callable[[], None], *, after_s: float = 0.0) -> None:
        """Queue an errand, due at once or later; it replaces one of the same kind for the same study."""
        self._waiting[errand, study] = _Waiting(action=action, at=self._clock.now() + after_s)

    def drop(self, errand: Errand, study: str) -> None:
        """Forget an errand that has lost its point."""
        self._waiting.pop((errand, study), None)

    def count(self, errand: Errand) -> int:
        """Return how many errands of a kind wait."""
        return sum(1 for kind, _ in tuple(self._waiting) if kind is errand)

    def next_due(self) -> float | None:
        """Return when the next one is due; None when nothing waits."""
        return min((waiting.at for waiting in self._waiting.values()), default=None)

    def run_due(self) -> None:
        """Do what is due for about a second, oldest first; what the store refuses is tried again later.

        Looks come last: after a start there is one for each folder of the spool, and a study that is complete must not
        wait for all of them.
        """
        now = self._clock.now()
        failures = 0
        for key, waiting in sorted(self._waiting.items(), key=lambda item: (item[0][0] is Errand.ADOPT, item[1].at)):
            if failures == _FAILURES_A_ROUND or self._clock.now() > now + _ROUND_S:
                break
            # An errand before this one may have dropped or replaced it.
            if waiting.at > now or self._waiting.get(key) is not waiting:
                continue
            if self._tried(key, waiting.action):
                if self._waiting.get(key) is waiting:
                    del self._waiting[key]
            else:
                failures += 1
                waiting.at = now + waiting.wait_s
                waiting.wait_s = min(waiting.wait_s * 2, _LONGEST_RETRY_S)

    def _tried(self, key: tuple[Errand, str], action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - the store is handed in: whatever it raises, the study is kept
            # Its words are its own to log; here they could quote a patient.
            remedy = "it is tried again; is the ledger's database up, and what does `wetread ledger check` say?"
            _log.warning(
                "store refused",
                errand=key[0].value,
                study=key[1],
                kind=type(error).__name__,
                place=place_of(error),
                remedy=remedy,
            )
            return False
        return True
