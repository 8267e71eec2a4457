"""When a destination gets nothing."""

from worker.delivery.circuit_breaker import CircuitBreaker

CLOSED = CircuitBreaker(opens_after=3, first_wait_s=30.0, longest_wait_s=600.0)


def test_it_opens_after_failures_in_a_row() -> None:
    """An answer in between begins the count anew."""
    once = CLOSED.after_failure(0.0).after_failure(0.0).after_answer().after_failure(0.0)
    assert not once.is_open
    assert once.after_failure(0.0).after_failure(0.0).is_open


def test_probes_come_ever_less_often() -> None:
    """The wait doubles up to its limit, and an answer closes it."""
    breaker, waits = CLOSED, []
    for _ in range(9):
        breaker = breaker.after_failure(1000.0)
        waits.append(breaker.probe_at_s - 1000.0)
    assert waits[2:] == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    assert not breaker.after_answer().is_open


def test_one_that_was_open_before_a_restart_asks_at_once() -> None:
    """Without trying a delivery."""
    assert CLOSED.opened().is_open
    assert CLOSED.opened().probe_at_s == 0.0
