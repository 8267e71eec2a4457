"""Where `worker.queueing.token_message` sits inside kombu: between Redis's answer to BRPOP and whoever decodes it.

It relies on `Channel._get_client` of kombu 5 (a test names it if it moves) and on Celery's `amqp` argument.
"""

import time
from typing import Any

import structlog
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis as kombu_redis
from redis import Redis

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
    """kombu's channel with our client."""

    def _get_client(self) -> type[Redis]:
        super()._get_client()  # it looks at the version of redis-py
        return _Client


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
