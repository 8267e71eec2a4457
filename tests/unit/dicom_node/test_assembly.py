"""When a study is complete."""

from hypothesis import given
from hypothesis import strategies as st

from dicom_node.assembly import Closed, Event, Forced, Left, Open, Stored, Tick, Timing, next_state
from dicom_node.study import Completion

TIMING = Timing(quiet_time_s=30, association_hold_s=60, hard_cap_s=3600)

_senders = st.sampled_from(["", "a", "b"])
_events = st.one_of(
    st.builds(Stored, association=_senders),
    st.builds(Stored, association=_senders),
    st.builds(Left, association=_senders),
    st.just(Tick()),
    st.just(Forced()),
)
_history = st.lists(st.tuples(_events, st.floats(0, 400)), max_size=40)


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


@given(_history)
def test_no_study_waits_for_ever(history: list[tuple[Event, float]]) -> None:
    """Whatever came before, a study that is open closes at its deadline, which lies within the hard cap."""
    state, now = None, 0.0
    for event, pause in history:
        now += pause
        state = next_state(state, event, now, TIMING)
        state = None if isinstance(state, Closed) else state
    if state is not None:
        deadline = state.deadline(TIMING)
        assert now < deadline <= state.opened_at + TIMING.hard_cap_s
        assert isinstance(next_state(state, Tick(), deadline, TIMING), Closed)


@given(_history)
def test_no_instance_is_left_out_of_every_revision(history: list[tuple[Event, float]]) -> None:
    """After every instance a revision is open or has just closed with it: none falls between two revisions."""
    state, now, pending = None, 0.0, 0
    for event, pause in history:
        now += pause
        state = next_state(state, event, now, TIMING)
        pending += isinstance(event, Stored)
        if isinstance(state, Closed):
            pending, state = 0, None
        assert (state is not None) == (pending > 0)
