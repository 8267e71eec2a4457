"""Celery over Redis, which carries only tokens: "there is work in this queue". Each setting with its reason."""

import socket
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from worker.broker_refusals import is_of_other_kind, key_taken, refusal
from worker.broker_tls import tls_options, without_tls_options
from worker.errors import BrokerAway, QueueTaken
from worker.queueing.token_message import TASK
from worker.queueing.token_transport import TokenAMQP
from worker.settings import WorkerSettings

#: A connection over which nothing comes is asked after 10 s of silence, then every 5 s, and is dead without an answer
#: to the third: tcp(7).
_KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}


def make_app(broker_url: str, settings: WorkerSettings, *, ca_file: Path | None = None) -> Celery:
    """Return the Celery application for a broker; `worker.queueing.tasks.register` adds the one task.

    `ca_file` are certificates to trust beside the system's, for a `rediss://` broker.
    """
    # Whoever may write to Redis is not obeyed: see there.
    app = Celery("wetread", broker=without_tls_options(broker_url), amqp=TokenAMQP)
    app.conf.update(_settings(settings))
    if options := tls_options(broker_url, ca_file):
        # Without these kombu verifies neither the certificate of a rediss:// broker nor its name.
        app.conf.broker_use_ssl = options
    return app


class TokenPublisher:
    """Hands tokens to the broker; implements `worker.queueing.outbox.Publish`."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, queue: str, job_id: int) -> None:
        """Publish one token; the job id in it is a hint for the log only. Raises BrokerAway, QueueTaken."""
        try:
            self._app.send_task(TASK, args=(queue, job_id), queue=queue, ignore_result=True, retry=False)
        except (OperationalError, OSError) as error:
            raise _away(error, queue) from error

    def waiting(self, queue: str) -> int:
        """Return how many tokens wait in a queue for a worker. Raises BrokerAway, QueueTaken."""
        try:
            with self._app.pool.acquire(block=True) as connection:
                channel = connection.default_channel
                channel.client.scard(channel.keyprefix_queue % queue)  # without this key nothing can be published
                return int(channel.client.llen(queue))
        except (OperationalError, OSError, RedisError) as error:
            raise _away(error, queue) from error


def _away(error: Exception, queue: str) -> BrokerAway:
    # kombu's own error has Redis' as its cause.
    said = (error, error.__cause__, error.__context__)
    if any(map(is_of_other_kind, said)):
        return QueueTaken(f"{key_taken(queue)}. Its jobs stay queued in the ledger and go on when that is gone")
    for words in filter(None, map(refusal, said)):
        return BrokerAway(f"{words}. Jobs stay queued in the ledger and go on when it does")
    return BrokerAway(
        f"Redis does not take tokens ({type(error).__name__}). Is it running, and does `broker.url` name it? "
        "Jobs stay queued in the ledger and go on when it is back"
    )


def _settings(settings: WorkerSettings) -> dict[str, Any]:
    return {
        # The ledger keeps every outcome; a result backend would be a second truth.
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # A token may be lost, doubled or reordered: the ledger's lease decides. So it is acknowledged early, and no
        # visibility timeout has to be longer than the longest job (Celery #6229).
        "task_acks_late": False,
        # One token a child at a time: what is prefetched waits behind a long job while another worker idles.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # JSON only: a pickle from a broker is code from a broker. What else a message brings is left behind before it
        # is decoded (worker.queueing.token_message).
        "task_serializer": "json",
        "accept_content": ["json"],
        # The queues are those of the cards and of `worker.queues`; nobody has to list them twice.
        "task_create_missing_queues": True,
        # Every token names its queue; what did not would go where a worker without settings listens.
        "task_default_queue": "cpu",
        # A job that hangs ends its child, not the worker; the lease does the rest.
        "task_soft_time_limit": settings.job_time_limit_s,
        "task_time_limit": settings.job_time_limit_s + 30,
        "worker_concurrency": settings.processes,
        # A child that a decoder crashes, or that the kernel kills, costs one job; a thread would cost all of them.
        "worker_pool": "prefork",
        # No limit of retries: a broker may be away for a day (Celery #5935, #8990).
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            # A half-open connection is noticed instead of waited on for ever (Celery #8030, #10205): the consumer's by
            # kombu, which drops it when a BRPOP stays without its answer for about twice this long;
            "health_check_interval": 5,
            # by the kernel, whose own default is to ask after two hours;
            "socket_keepalive": True,
            "socket_keepalive_options": _KEEPALIVE,
            # and where we wait for an answer ourselves, as the publisher does.
            "socket_connect_timeout": 5,
            "socket_timeout": 10,
            # A command that timed out is sent once more over a new connection: a token too many does no harm.
            "retry_on_timeout": True,
            # Else kombu tries until a time of the wall clock, which hours may be missing to when that is set back, and
            # nobody reconciles meanwhile. Whoever publishes tries again by himself.
            "max_retries": 1,
        },
        # A stopping worker waits so long for its jobs; then its children hand them back (worker.queueing.tasks).
        "worker_soft_shutdown_timeout": 5.0,
        # Without a job there is nothing to wait for.
        "worker_enable_soft_shutdown_on_idle": False,
        # Losing the broker does not lose the job: the ledger keeps the lease.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # wetread sets up its own logging; Celery's would print arguments.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Nobody reads its events (the ledger has a timeline of its own), and whoever reaches Redis must not be able to
        # command the workers. Both would also need connections of their own that can go half-open.
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
    }
