"""When a destination gets nothing: after connections in a row that failed, until a cheap request is answered. Pure."""

from dataclasses import dataclass, replace

from worker.jobs.job import retry_wait_s


@dataclass(frozen=True, kw_only=True)
class CircuitBreaker:
    """What one destination's last connections were like. While it is open hundreds of jobs are not tried in vain.

    Attributes:
        opens_after: Failures in a row.
        first_wait_s: Before the first probe; it doubles.
        longest_wait_s: Longest wait between probes.
        failures: In a row, those of probes included.
        probe_at_s: When to ask next, on the caller's clock.
    """

    opens_after: int
    first_wait_s: float
    longest_wait_s: float
    failures: int = 0
    probe_at_s: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether nothing is sent."""
        return self.failures >= self.opens_after

    def opened(self) -> "CircuitBreaker":
        """Return it open, with a probe due at once: as a deliverer finds it that has just started."""
        return replace(self, failures=self.opens_after, probe_at_s=0.0)

    def after_failure(self, now_s: float) -> "CircuitBreaker":
        """Return it after one more failure, of a delivery or of a probe."""
        failures = self.failures + 1
        wait_s = retry_wait_s(failures - self.opens_after + 1, self.first_wait_s, self.longest_wait_s)
        return replace(self, failures=failures, probe_at_s=now_s + wait_s)

    def after_answer(self) -> "CircuitBreaker":
        """Return it after any answer."""
        return replace(self, failures=0, probe_at_s=0.0)
