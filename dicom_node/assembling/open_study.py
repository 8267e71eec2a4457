"""A study that still collects: what is held of it, and the table of `assembly` applied to it and to each of its series.

No clock, no disk, no wire: events go in, with the time at which they came, and what follows can be read off.
"""

from collections.abc import Collection, Iterable, Mapping

from dicom_node.assembling.assembly import (
    Closed,
    Counted,
    Event,
    Forced,
    Left,
    Listed,
    Open,
    Stored,
    Tick,
    Timing,
    next_state,
)
from dicom_node.assembling.questions import Asked, Asking

_NEVER = float("inf")
#: How soon it is looked again whether a series has gone silent.
_LOOK_EVERY_S = 0.5


class OpenStudy:
    """One revision of one study, from its first instance on; for one thread.

    Series and instances go by the names that their UIDs have in the spool. About 150 bytes an instance.

    Attributes:
        closed: How it closed; None while it is open.
        timing: The longest waits of its senders.
        archive: Which one is asked for counts: that of the latest instance's sender; empty: none.
        each_series: Whether somebody waits for single series.
        series_completed: Whether one has become complete; for whoever waits to set back.
        untold: Series that have become complete; for whoever waits to take out.
    """

    def __init__(self, held: Mapping[str, Iterable[str]]) -> None:
        """Take the instances of each series that the spool holds already, of earlier revisions."""
        self.closed: Closed | None = None
        self.timing: Timing | None = None
        self.archive = ""
        self.each_series = False
        self.series_completed = False
        self.untold: set[str] = set()
        self._held = {series: set(names) for series, names in held.items()}
        self._unheard = {series: set(names) for series, names in self._held.items()}  # there, and nobody told us yet
        self._count = sum(map(len, self._held.values()))
        self._state: Open | None = None
        self._series: dict[str, Open] = {}  # those that still collect
        self._series_due = _NEVER  # a lower bound of their deadlines
        self._in_series: dict[str, str] = {}  # association: the series of its latest instance
        self._asked = Asked()
        self._look_at = _NEVER

    def stored(
        self,
        series: str,
        instance: str,
        association: str,
        now: float,
        *,
        timing: Timing,
        asking: Asking,
        archive: str,
        lists: Collection[frozenset[str]] = (),
    ) -> None:
        """Take an instance, new or the same again, with its sender's waits; `lists` are those of the study."""
        held = self._held.setdefault(series, set())
        self._count += instance not in held
        held.add(instance)
        self._unheard.get(series, set()).discard(instance)
        self.timing = timing if self.timing is None else longest(self.timing, timing)
        self.archive = archive
        self._move(association, series, now)
        self._apply(Stored(association=association), now)
        self._apply_to(series, Stored(association=association), now)
        self._compare([series], lists, now)
        self._asked = self._asked.arrived(asking)
        if not archive:
            self._look_at = _NEVER
            return
        next_at = self._asked.next_at(now, asking)
        # Others may be silent already: while somebody waits for them, this one does not put the question off.
        self._look_at = min(self._look_at, next_at) if self.each_series else next_at

    def left(self, association: str, now: float) -> None:
        """Hear that an association has ended, or that its latest instance belongs to another study."""
        self._move(association, "", now)
        self._apply(Left(association=association), now)

    def counted(self, counts: Mapping[str, int | None] | None, asked_at: float, now: float, asking: Asking) -> None:
        """Take what the archive answered for each series it holds; None: it is away, or does not count.

        Series that only the archive holds do not matter: not all that it has is routed here.
        """
        found = {} if counts is None else counts
        differing = {series for series, names in self._held.items() if found.get(series) != len(names)}
        self._apply(Counted(alike=not differing, asked_at=asked_at), now)
        for series in list(self._series):
            self._apply_to(series, Counted(alike=series not in differing, asked_at=asked_at), now)
        states = [state for state in (self._state, *self._series.values()) if state is not None]
        soon = any(state.alike_at is not None or asked_at <= state.latest_at for state in states)
        self._asked = self._asked.answered(now, asking, soon=soon)
        self._look_at = self._asked.next_at(self._silent_since(), asking) if self.archive else _NEVER

    def listed(self, lists: Collection[frozenset[str]], now: float) -> None:
        """Compare with the lists that there are of the study."""
        self._compare(self._held, lists, now)

    def forced(self, now: float) -> None:
        """Hear that an admin calls it complete."""
        self._apply(Forced(), now)

    def tick(self, now: float) -> None:
        """Notice what is due."""
        self._apply(Tick(), now)
        if now >= self._series_due:
            self._series_due = _NEVER
            for series in list(self._series):
                self._apply_to(series, Tick(), now)

    def due(self) -> float:
        """Return when to `tick` or to look for `question` at the latest."""
        if self._state is None or self.timing is None:
            return _NEVER
        series_due = self._series_due if self.each_series else _NEVER
        return min(self._state.deadline(self.timing), series_due, self._look_at)

    def question(self, now: float, asking: Asking) -> bool:
        """Say whether the archive is to be asked now; if so, nothing more is asked before `counted`."""
        if self.closed is not None or now < self._look_at:
            return False
        next_at = self._asked.next_at(self._silent_since(), asking)
        if now < next_at:
            self._look_at = max(next_at, now + _LOOK_EVERY_S) if self.each_series else next_at
            return False
        self._asked, self._look_at = self._asked.begun(), _NEVER
        return True

    def complete_series(self) -> frozenset[str]:
        """Return the series that are complete."""
        return frozenset(self._held.keys() - self._series.keys())

    def heard_of(self, series: str, instance: str) -> bool:
        """Say whether somebody has told of an instance since this was opened."""
        return instance in self._held.get(series, ()) and instance not in self._unheard.get(series, ())

    def _silent_since(self) -> float:
        latest = [state.latest_at for state in (self._series.values() if self.each_series else ())]
        return min([*latest, self._state.latest_at if self._state is not None else _NEVER])

    def _move(self, association: str, series: str, now: float) -> None:
        if not association:
            return
        before = self._in_series.pop(association, "")
        if series:
            self._in_series[association] = series
        if before and before != series:
            self._apply_to(before, Left(association=association), now)

    def _compare(self, changed: Iterable[str], lists: Collection[frozenset[str]], now: float) -> None:
        # Numbers first: with a hundred thousand instances names are compared when it may be the last one.
        for names in lists:
            if len(names) == self._count and all(held <= names for held in self._held.values()):
                self._apply(Listed(), now)
            for series in changed:
                if len(names) == len(self._held[series]) and self._held[series] == names:
                    self._apply_to(series, Listed(), now)

    def _apply(self, event: Event, now: float) -> None:
        if self.timing is None or self.closed is not None:
            return
        match next_state(self._state, event, now, self.timing):
            case Open() as state:
                self._state = state
            case Closed() as closed:
                self.closed = closed
            case None:
                pass

    def _apply_to(self, series: str, event: Event, now: float) -> None:
        if self.timing is None or self.closed is not None:
            return
        match next_state(self._series.get(series), event, now, self.timing):
            case Open() as state:
                self._series[series] = state
                self.untold.discard(series)
                self._series_due = min(self._series_due, state.deadline(self.timing))
            case Closed():
                self._series.pop(series, None)
                self.series_completed = True
                self.untold.add(series)
            case None:
                pass


def longest(one: Timing, other: Timing) -> Timing:
    """Return the waits for a study that came from two senders: of each the longer one."""
    return Timing(
        quiet_time_s=max(one.quiet_time_s, other.quiet_time_s),
        association_hold_s=max(one.association_hold_s, other.association_hold_s),
        hard_cap_s=max(one.hard_cap_s, other.hard_cap_s),
        settle_s=max(one.settle_s, other.settle_s),
    )
