"""Which resident models make room."""

from hypothesis import given
from hypothesis import strategies as st

from worker.hosting.eviction import Held, to_evict

HELD = st.lists(
    st.builds(
        Held,
        digest=st.uuids().map(str),
        size_bytes=st.integers(0, 100),
        last_used=st.floats(0, 100),
        busy=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda one: one.digest,
)


def held(digest: str, size: int, last_used: float, *, busy: bool = False) -> Held:
    """Return a resident model."""
    return Held(digest=digest, size_bytes=size, last_used=last_used, busy=busy)


def test_the_least_recently_used_goes_first() -> None:
    """Only as many go as are needed, the oldest first."""
    models = [held("new", 10, 3.0), held("old", 10, 1.0), held("middle", 10, 2.0)]
    assert to_evict(models, needed_bytes=15, budget_bytes=30) == ["old", "middle"]
    assert to_evict(models, needed_bytes=0, budget_bytes=30) == []


def test_one_that_runs_stays() -> None:
    """A busy model is never taken away under somebody's inference, even where the budget is exceeded."""
    models = [held("running", 10, 1.0, busy=True), held("idle", 10, 2.0)]
    assert to_evict(models, needed_bytes=100, budget_bytes=30) == ["idle"]


@given(HELD, st.integers(0, 200), st.integers(0, 300))
def test_evictions_are_lawful(models: list[Held], needed: int, budget: int) -> None:
    """None without a budget, none that is busy, no one more than needed; what is left fits, or nothing idle is left."""
    gone = to_evict(models, needed_bytes=needed, budget_bytes=budget)
    if not budget:
        assert gone == []
        return
    assert not {one.digest for one in models if one.busy} & set(gone)
    left = [one for one in models if one.digest not in gone]
    fits = sum(one.size_bytes for one in left) + needed <= budget
    assert fits or all(one.busy for one in left)
    if gone:
        last = next(one for one in models if one.digest == gone[-1])
        assert sum(one.size_bytes for one in left) + last.size_bytes + needed > budget
