"""A consumer that has gone deaf is noticed, and the worker ends, so that another one is started in its place.

After a reconnect a Celery worker may be up and consume nothing (Celery #8030, #8990, #10205), while tokens pile up and
no error says so. Each worker therefore has a queue of its own beside those of the jobs. When no token has come for a
while though a child is free, it sends itself a ping through Redis; when none of its pings comes, it is deaf.
"""

import enum
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from celery.signals import task_received, worker_ready
from celery.worker import state
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from worker.queueing.token_message import PING

_log = structlog.get_logger()

#: Pings within the longest silence: a flush of Redis may take one or two with it.
_PINGS = 4
#: From SIGTERM to the end, where the worker cannot even stop any more. Its soft shutdown takes 5 s.
_GRACE_S = 20.0
#: After that Redis forgets the queue of a worker that is gone.
_QUEUE_LASTS_S = 600
_EX_TEMPFAIL = 75  # sysexits.h


class Step(enum.Enum):
    """What is to be done now."""

    WAIT = "wait"  #: nothing is due
    ASK = "ask"  #: a ping is due
    END = "end"  #: pings went out, a child is free, and nothing came


def next_step(*, now: float, heard: float, first_asked: float, last_asked: float, silence_s: float) -> Step:
    """Decide about a consumer; all times are seconds of one monotonic clock.

    Args:
        now: The time.
        heard: When the last token came, no child was free, or Redis took no ping: nothing was to be heard until then.
        first_asked: When the first ping since then was taken by Redis; infinite before that.
        last_asked: When the latest was; minus infinity before that.
        silence_s: After so long without a token, pings among them, the consumer is deaf.
    """
    pause_s = silence_s / _PINGS
    if now - first_asked >= silence_s - pause_s:
        return Step.END
    return Step.ASK if now - max(heard, last_asked) >= pause_s else Step.WAIT


class ConsumerWatch:
    """Watches over the consumer of a worker's main process, in a thread of it."""

    def __init__(self, app: Celery, *, silence_s: float, processes: int, end: Callable[[], None] | None = None) -> None:
        """Add the queue and its task to the application.

        Args:
            app: From `worker.queueing.celery_app.make_app`.
            silence_s: After so long without a token, though some were sent and a child is free, the worker ends.
            processes: How many children there are.
            end: Ends the worker; left out, as SIGTERM does.
        """
        self.queue = f"wetread-ping-{socket.gethostname()}-{os.getpid()}"
        self._app = app
        self._silence_s = silence_s
        self._processes = processes
        self._end = end or _end
        self._hear()
        app.conf.task_queues = [Queue(self.queue, Exchange(self.queue), self.queue, expires=_QUEUE_LASTS_S)]
        # Without an exchange Redis has nothing of it but the queue itself, which expires: a binding would stay behind
        # each worker that is gone. Celery gives every queue an exchange when it takes it over; here it is taken off.
        app.amqp.queues[self.queue].exchange = Exchange("")
        app.task(name=PING, ignore_result=True)(_ping)

    def start_with_worker(self) -> None:
        """Begin when the worker consumes; its children, which are forked before and after, have no such thread."""

        # weak=False: the signals would otherwise forget these functions as soon as we return.
        @worker_ready.connect(weak=False)
        def begin(**_ignored: Any) -> None:
            self._hear()
            threading.Thread(target=self._run, name="consumer-watch", daemon=True).start()

        @task_received.connect(weak=False)
        def received(**_ignored: Any) -> None:
            self._hear()

    def _hear(self) -> None:
        self._heard, self._first_asked, self._last_asked = time.monotonic(), math.inf, -math.inf

    def _run(self) -> None:
        while True:
            time.sleep(self._silence_s / _PINGS / 4)
            if len(state.reserved_requests) >= self._processes:
                self._hear()  # who works does not listen
            step = next_step(
                now=time.monotonic(),
                heard=self._heard,
                first_asked=self._first_asked,
                last_asked=self._last_asked,
                silence_s=self._silence_s,
            )
            if step is Step.ASK:
                self._ask()
            elif step is Step.END:
                _log.error(
                    "consumer is deaf",
                    silence_s=round(time.monotonic() - self._heard),
                    remedy="none: this worker ends and is started again; if that happens often, look at the network "
                    "between it and Redis",
                )
                self._end()
                return

    def _ask(self) -> None:
        asked = time.monotonic()
        try:
            # A connection of its own: those that the worker has may be the ones that lead nowhere.
            with self._app.connection_for_write() as connection:
                self._app.send_task(PING, queue=self.queue, connection=connection, ignore_result=True, retry=False)
        except (OperationalError, OSError) as error:
            # Redis is away, and says nothing about the consumer, which connects again by itself.
            _log.debug("no ping", cause=type(error).__name__)
            self._hear()
            return
        # Unless it has come already: then nothing is owed.
        if self._heard < asked:
            self._first_asked, self._last_asked = min(self._first_asked, asked), asked


def _ping() -> None:
    """Do nothing: that it came is all."""


def _end() -> None:
    """End this worker in order: its children hand back what they work on. If that fails, at once."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(_EX_TEMPFAIL)
