"""What a token does in a child of the worker: claim the best job of its queue, and do it."""

import os
import resource
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_process_init

from dicom_node.error_place import place_of
from worker.errors import LedgerAway
from worker.pipeline import Pipeline
from worker.queueing.token_message import TASK
from worker.settings import WorkerSettings
from worker.time_limit import TookTooLong, raise_at_limit

_log = structlog.get_logger()


class Stopped(BaseException):
    """A stop signal came in the middle of a job; not an Exception, so that nothing on the way swallows it."""


def register(app: Celery, make_pipeline: Callable[[], Pipeline], settings: WorkerSettings) -> None:
    """Give the application its one task and prepare its children.

    Args:
        app: From `worker.queueing.celery_app.make_app`.
        make_pipeline: Called once in each child: a database connection must not cross a fork.
        settings: The child's memory limit.
    """
    kept: list[Pipeline] = []

    @app.task(name=TASK)
    def work(queue: str, hint: int) -> None:
        raise_at_limit()
        if not kept:
            kept.append(make_pipeline())
        try:
            if not kept[0].work_one([queue], worker=f"{socket.gethostname()}:{os.getpid()}"):
                _log.debug("nothing to claim", queue=queue, hint=hint)
        except Stopped:
            _log.info("child stopped", queue=queue)
        except LedgerAway as away:
            # Nothing was claimed, and the reconciler makes another token as soon as the ledger is back.
            _log.warning("worker without ledger", queue=queue, cause=str(away))
        except TookTooLong:
            _log.warning("token took too long", queue=queue, remedy="is the ledger's database slow, or locked?")
        except Exception as error:  # noqa: BLE001  # the outermost frame: Celery would log its words and its traceback
            # The message of a foreign exception may hold a patient's data: only its type and place are told.
            _log.error(
                "a defect of wetread in a worker", queue=queue, error=type(error).__name__, place=place_of(error)
            )

    # weak=False: the signal would otherwise forget this function as soon as we return.
    @worker_process_init.connect(weak=False)
    def prepare(**_ignored: Any) -> None:
        _limit_memory(settings.memory_limit_gib)
        signal.signal(signal.SIGTERM, _stop)


def _limit_memory(limit_gib: float) -> None:
    """Let a decompression bomb raise MemoryError here, instead of the kernel killing a neighbour."""
    limit = int(limit_gib * 1024**3)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped
