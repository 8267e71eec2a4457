"""When a consumer is deaf."""

from math import inf

import pytest

from worker.consumer_watch import Step, next_step


@pytest.mark.parametrize(
    ("heard", "first_asked", "last_asked", "step"),
    [
        (90.0, inf, -inf, Step.WAIT),  # a token came a moment ago
        (85.0, inf, -inf, Step.ASK),  # none for a quarter of the time
        (80.0, 95.0, 95.0, Step.WAIT),  # it was just asked
        (60.0, 75.0, 85.0, Step.ASK),  # asked, and again a quarter later
        (40.0, 55.0, 85.0, Step.END),  # three quarters after the first question
        (40.0, 56.0, 99.0, Step.WAIT),  # not yet
        (0.0, 99.0, 99.0, Step.WAIT),  # long silence, but Redis took no ping before
    ],
)
def test_it_is_deaf_when_pings_do_not_come(heard: float, first_asked: float, last_asked: float, step: Step) -> None:
    """At 100 s with a longest silence of 60 s: only what was asked for, and long enough ago, is missed."""
    decided = next_step(now=100.0, heard=heard, first_asked=first_asked, last_asked=last_asked, silence_s=60.0)
    assert decided is step
