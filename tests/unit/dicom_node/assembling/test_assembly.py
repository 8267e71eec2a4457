"""When a study is complete."""

import random
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from dicom_node.study import Completion

TIMING = Timing(quiet_time_s=30, association_hold_s=60, hard_cap_s=3600, settle_s=5)

_senders = st.sampled_from(["", "a", "b"])
_events = st.one_of(
    st.builds(Stored, association=_senders),
    st.builds(Stored, association=_senders),
    st.builds(Left, association=_senders),
    st.builds(Counted, alike=st.booleans(), asked_at=st.floats(-20, 0)),  # relative to the answer
    st.builds(Counted, alike=st.just(value=True), asked_at=st.floats(-2, 0)),
    st.just(Tick()),
    st.sampled_from([Listed(), Forced()]),
)
_pauses = st.one_of(st.floats(0, 12), st.floats(0, 400))
History: TypeAlias = list[tuple[Event, float]]


def _random_history(seed: int) -> History:
    """Return an order of events; generating it this way takes a hundredth of the time that hypothesis needs."""
    chance = random.Random(seed)  # noqa: S311 - tests, not secrets

    def event() -> Event:
        match chance.randrange(20):
            case 0:
                return Listed()
            case 1:
                return Forced()
            case 2 | 3 | 4:
                return Left(association=chance.choice("ab"))
            case 5 | 6 | 7:
                return Tick()
            case number if number < 14:
                return Counted(alike=chance.random() < 0.8, asked_at=-chance.choice([0.0, 0.1, 1.0, 10.0]))
            case _:
                return Stored(association=chance.choice(["", "a", "b"]))

    return [(event(), chance.choice([0.0, 0.5, 5.0, 6.0, chance.uniform(0, 400)])) for _ in range(40)]


def _after(*events: tuple[Event, float]) -> Open | Closed | None:
    state: Open | Closed | None = None
    for event, now in events:
        assert not isinstance(state, Closed)
        state = next_state(state, event, now, TIMING)
    return state


def test_nothing_is_open_before_the_first_instance() -> None:
    """Ticks, ends of associations and force do nothing to a study of which nothing is open."""
    assert _after((Tick(), 0), (Left(association="a"), 1), (Forced(), 2)) is None


def test_quiet_time_closes() -> None:
    """A study whose sender has left closes exactly the quiet time after its latest instance."""
    state = _after((Stored(association="a"), 0), (Stored(association="a"), 20), (Left(association="a"), 21))
    assert isinstance(next_state(state, Tick(), 49.9, TIMING), Open)
    assert next_state(state, Tick(), 50, TIMING) == Closed(completion=Completion.QUIET)


def test_an_open_association_holds_back_at_most_its_hold() -> None:
    """A sender in the middle of a study holds it back past the quiet time, but no longer than 60 s."""
    state = _after((Stored(association="a"), 0))
    assert isinstance(next_state(state, Tick(), 59.9, TIMING), Open)
    assert next_state(state, Tick(), 60, TIMING) == Closed(completion=Completion.QUIET)


def test_leaving_late_closes_at_once() -> None:
    """When the sender leaves after the quiet time has passed, nothing more is waited for."""
    state = _after((Stored(association="a"), 0))
    assert next_state(state, Left(association="a"), 45, TIMING) == Closed(completion=Completion.QUIET)


def test_hard_cap_closes_whatever_happens() -> None:
    """A study that never goes quiet closes at the hard cap after the first instance of its revision."""
    state = _after(*((Stored(association="a"), second) for second in range(0, 3600, 10)))
    assert isinstance(state, Open)
    assert next_state(state, Stored(association="a"), 3600, TIMING) == Closed(completion=Completion.HARD_CAP)


def test_forced_closes_at_once() -> None:
    """An admin's word closes a study that still collects."""
    assert _after((Stored(association="a"), 0), (Forced(), 1)) == Closed(completion=Completion.FORCED)


def _counted(asked_at: float, *, alike: bool = True, later_s: float = 0.1) -> tuple[Event, float]:
    return Counted(alike=alike, asked_at=asked_at), asked_at + later_s


def test_two_equal_counts_close() -> None:
    """Counts that are alike twice, the settle time apart, close a study before its quiet time, association or not."""
    stored = (Stored(association="a"), 0.0)
    assert isinstance(_after(stored, _counted(2)), Open)
    assert isinstance(_after(stored, _counted(2), _counted(7.05)), Open)
    assert _after(stored, _counted(2), _counted(7.1)) == Closed(completion=Completion.COUNTED)


@pytest.mark.parametrize(
    "between",
    [(Stored(association="a"), 4.0), _counted(4, alike=False)],
    ids=["an instance", "a count that differs"],
)
def test_what_comes_between_two_equal_counts_takes_the_first_away(between: tuple[Event, float]) -> None:
    """After an instance, or a count that differs, two more equal counts are needed."""
    before = ((Stored(association="a"), 0.0), _counted(2), between)
    assert isinstance(_after(*before, _counted(8)), Open)
    assert _after(*before, _counted(8), _counted(14)) == Closed(completion=Completion.COUNTED)


def test_an_answer_that_was_overtaken_says_nothing() -> None:
    """A count that was asked for before the latest instance came counts neither as the first nor as the second."""
    stored = (Stored(association="a"), 3.0)
    assert _after(stored, _counted(2, later_s=2)) == _after(stored)
    late = (Counted(alike=True, asked_at=9.5), 10.5)
    assert isinstance(_after(stored, _counted(4), (Stored(association="a"), 10.0), late), Open)


def test_a_list_closes_at_once() -> None:
    """A list of exactly what we hold closes a study; of a study of which nothing is open it says nothing."""
    assert _after((Stored(association="a"), 0), (Listed(), 0)) == Closed(completion=Completion.LISTED)
    assert _after((Listed(), 0)) is None


def _require_invariants(history: History) -> None:
    """Take an order of events, and require of every state in it what must hold whatever the order.

    - An open study closes at its deadline, which lies within the hard cap: none waits for ever.
    - After every instance a revision is open, or has just closed with it: none is left out of every revision.
    - What closes by counts: two were alike, the second asked for the settle time after the first one's answer, with
      nothing arriving in between, and no count that differs.
    """
    state: Open | Closed | None = None
    now, latest, pending = 0.0, 0.0, 0
    since: float | None = None  # the answer of the first count that was alike, with nothing but such counts after it
    for relative, pause in history:
        now += pause
        counted = isinstance(relative, Counted)
        event = Counted(alike=relative.alike, asked_at=now + relative.asked_at) if counted else relative
        state = next_state(state, event, now, TIMING)
        pending += isinstance(event, Stored)
        if isinstance(state, Open):
            deadline = state.deadline(TIMING)
            assert now < deadline <= state.opened_at + TIMING.hard_cap_s
            assert isinstance(next_state(state, Tick(), deadline, TIMING), Closed)
        elif isinstance(state, Closed):
            if state.completion is Completion.COUNTED:
                assert isinstance(event, Counted)
                assert event.alike
                assert since is not None
                assert latest < since
                assert event.asked_at >= since + TIMING.settle_s
            elif state.completion is Completion.QUIET:
                assert now >= latest + TIMING.quiet_time_s or isinstance(event, Stored)
        if isinstance(event, Stored):
            latest, since = now, None
        elif isinstance(event, Counted) and event.asked_at > latest:
            since = (now if since is None else since) if event.alike else None
        if isinstance(state, Closed):
            state, since, pending = None, None, 0
        assert (state is not None) == (pending > 0)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(_events, _pauses), max_size=40))
def test_the_invariants_hold_in_any_order(history: History) -> None:
    """None waits for ever, none is left out, counts close only what has settled; the smallest order that breaks it."""
    _require_invariants(history)


def test_the_invariants_hold_in_five_thousand_orders() -> None:
    """The same, in many more orders."""
    for seed in range(5_000):
        try:
            _require_invariants(_random_history(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
