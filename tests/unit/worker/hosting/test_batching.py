"""Which requests share a batch, and for how long one waits for company."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from worker.hosting.batching import Asked, Decision, next_batch

ASKED = st.lists(
    st.builds(Asked, kind=st.sampled_from([("a",), ("b",)]), inputs=st.integers(1, 5), since=st.floats(0, 10)),
    max_size=12,
).map(lambda found: sorted(found, key=lambda one: one.since))


def test_nobody_waits_nothing_goes() -> None:
    """An empty queue decides nothing and names no time."""
    assert next_batch([], now=0.0, most=8, patience_s=1.0) == Decision()


def test_a_full_batch_goes_at_once() -> None:
    """Patience is for company; without room for more there is none to wait for."""
    waiting = [Asked(kind=("a",), inputs=2, since=0.0)] * 3
    assert next_batch(waiting, now=0.0, most=4, patience_s=9.0).batch == (0, 1)


def test_one_waits_for_the_rest_of_its_patience() -> None:
    """A batch that is not full names the time that is left to its oldest request."""
    waiting = [Asked(kind=("a",), inputs=1, since=1.0), Asked(kind=("a",), inputs=1, since=1.4)]
    assert next_batch(waiting, now=1.5, most=4, patience_s=1.0) == Decision(wait_s=0.5)


@given(ASKED, st.integers(1, 8), st.floats(0, 2))
def test_a_batch_is_lawful(waiting: list[Asked], most: int, patience_s: float) -> None:
    """Only one kind, the oldest first, no more inputs than fit unless one is larger; nobody outwaits patience."""
    now = max((one.since for one in waiting), default=0.0) + 0.5
    decision = next_batch(waiting, now=now, most=most, patience_s=patience_s)
    if not decision.batch:
        assert not waiting or (decision.wait_s is not None and 0 < decision.wait_s <= patience_s)
        return
    chosen = [waiting[place] for place in decision.batch]
    assert decision.batch[0] == 0
    assert list(decision.batch) == sorted(set(decision.batch))
    assert len({one.kind for one in chosen}) == 1
    assert sum(one.inputs for one in chosen) <= most or len(chosen) == 1


@given(ASKED, st.integers(1, 8), st.floats(0, 2))
def test_every_request_is_answered_once_and_in_its_bound(waiting: list[Asked], most: int, patience_s: float) -> None:
    """Played through to the end, each request goes exactly once, and none waits beyond its patience for company."""
    queue, now, gone = [(place, one) for place, one in enumerate(waiting)], 0.0, []
    while queue:
        here = [one for _, one in queue if one.since <= now]
        decision = next_batch(here, now=now, most=most, patience_s=patience_s)
        if decision.batch:
            taken = [queue[place] for place in decision.batch]
            for place, one in taken:
                gone.append(place)
                assert now - one.since <= patience_s + 1e-6 or one is not taken[0][1]
            queue = [entry for entry in queue if entry not in taken]
            continue
        arrivals = [one.since for _, one in queue if one.since > now]
        now = min([*arrivals, *([now + decision.wait_s] if decision.wait_s is not None else [])])
    assert sorted(gone) == list(range(len(waiting)))


def test_other_shapes_wait_for_their_own_batch() -> None:
    """Requests of another shape or network are left in the queue."""
    one = Asked(kind=("a", (8, 8)), inputs=1, since=0.0)
    waiting = [one, replace(one, kind=("a", (9, 9))), one]
    assert next_batch(waiting, now=5.0, most=8, patience_s=1.0).batch == (0, 2)
