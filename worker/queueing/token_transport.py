"""Where `worker.queueing.token_message` sits inside kombu: between Redis's answer to BRPOP and whoever decodes it.

It relies on methods of kombu 5's channel (a test names one that moves) and on Celery's `amqp` argument.
"""

import time
from queue import Empty
from typing import Any

import structlog
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis as kombu_redis
from redis import Redis
from redis.exceptions import ResponseError

from worker.broker_refusals import is_of_other_kind, key_taken
from worker.queueing.token_message import TokenRefused, read_token

_log = structlog.get_logger()

#: Whoever writes a million messages does not write a million lines of the log.
_QUIET_S = 60.0


class _Client(Redis):
    """A client whose BRPOP answers tokens, and nothing in place of whatever else lay there."""

    _refused, _told_at = 0, -_QUIET_S

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        answer: Any = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not answer:
            return answer
        key, message = answer
        queue = key.decode(errors="replace").rsplit(kombu_redis.Channel.sep, 1)[0]
        try:
            return [key, read_token(message, queue)]
        except TokenRefused as refused:
            self._tell(queue, str(refused))
            return None  # as where nothing came

    def _tell(self, queue: str, reason: str) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._told_at < _QUIET_S:
            return
        _log.warning(
            "message in Redis refused",
            queue=queue,
            reason=reason,
            refused=self._refused,
            remedy="who else writes there? Give Redis a password, a network of its own, and wetread a database of its "
            "own; no job is lost by it",
        )
        self._refused, self._told_at = 0, now


class Channel(kombu_redis.Channel):
    """kombu's channel with our client; a queue's key that holds something else keeps no other queue waiting."""

    _taken: frozenset[str] = frozenset()

    def _get_client(self) -> type[Redis]:
        super()._get_client()  # it looks at the version of redis-py
        return _Client

    def _size(self, queue: str) -> int:
        try:
            return int(super()._size(queue))
        except ResponseError as error:
            if not is_of_other_kind(error):
                raise
            return 0  # the consumer, which asks this as it begins, leaves it out below

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except Empty:
            self._update_queue_cycle()  # with what was left out: it may be mended by now
            raise
        except ResponseError as error:
            if not is_of_other_kind(error):
                raise
            self._leave_out_taken()
            raise Empty from error

    def _leave_out_taken(self) -> None:
        taken = frozenset(queue for queue in self.active_queues if self.client.type(queue) not in (b"list", b"none"))
        for queue in sorted(taken - self._taken):
            _log.error("queue is not listened to", queue=queue, cause=key_taken(queue))
        self._taken = taken
        self._queue_cycle.update([queue for queue in self.active_queues if queue not in taken])


class Transport(kombu_redis.Transport):
    """kombu's transport over Redis with our channel."""

    Channel = Channel


class TokenConnection(Connection):
    """A connection to a broker; one over Redis takes tokens and nothing else."""

    def get_transport_cls(self) -> Any:
        """Return what it speaks over."""
        found = super().get_transport_cls()
        return Transport if found is kombu_redis.Transport else found


class TokenAMQP(AMQP):
    """For `Celery(amqp=...)`: all connections of an application are such ones."""

    Connection = TokenConnection
