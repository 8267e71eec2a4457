"""The end of a job's time: raised in the middle of whatever runs, and caught only where the job is given up."""

import signal
from types import FrameType


class TookTooLong(BaseException):
    """A job has had its time; not an Exception, so that nothing on the way takes it for its own trouble."""


def raise_at_limit() -> None:
    """Let Celery's soft time limit raise TookTooLong in this process's main thread.

    Called by each task: the pool puts its own handler, which raises an Exception, in place when a child starts.
    """
    signal.signal(signal.SIGUSR1, _raise)


def _raise(_signal: int, _frame: FrameType | None) -> None:
    raise TookTooLong
