"""A connection to PostgreSQL that does not wait for ever: its server may be there, and hang.

The server's own limits (statement_timeout) do not help where the server itself stands still, on a disk or as a paused
virtual machine, while its machine goes on to confirm what it gets. libpq has no limit for that.
"""

import time
from collections.abc import Generator
from typing import Any

import psycopg


class BoundedConnection(psycopg.Connection[Any]):
    """Gives up, and is closed, when one answer takes longer than it may.

    Attributes:
        answer_within_s: How long.
    """

    answer_within_s: float = 60.0

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        """Wait as psycopg does, which asks every 0.1 s whether to go on. Raises psycopg.OperationalError."""
        return super().wait(self._bounded(gen), *arguments, **named)

    def _bounded(self, waiting: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        end = time.monotonic() + self.answer_within_s
        try:
            wanted = next(waiting)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > end:
                    self.close()
                    raise psycopg.OperationalError(f"no answer within {self.answer_within_s:g} s")
                wanted = waiting.send(ready)
        except StopIteration as done:
            return done.value
