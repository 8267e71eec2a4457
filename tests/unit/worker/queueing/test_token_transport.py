"""Messages that somebody else has written to a real Redis."""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import redis
import structlog.testing
from kombu.transport.redis import Channel

from tests.redis_server import RedisServer
from tests.unit.worker.queueing.test_token_message import written
from worker.queueing.celery_app import TokenPublisher, make_app
from worker.queueing.token_message import MOST_BYTES
from worker.queueing.token_transport import Transport
from worker.settings import WorkerSettings


def received(url: str, queue: str, count: int, put: Callable[[], None]) -> list[Any]:
    """Return the next messages that a worker's consumer gets of a queue; `put` is called when it listens."""
    app = make_app(url, WorkerSettings())
    got: list[Any] = []
    with (
        app.connection_for_read() as connection,
        app.amqp.TaskConsumer(connection, queues=[app.amqp.queues.select_add(queue)], on_message=got.append),
    ):
        put()
        while len(got) < count:
            connection.drain_events(timeout=20)
    return got


def test_the_seam_is_there() -> None:
    """They are still these methods that kombu calls."""
    for name in ("_get_client", "_size", "_brpop_read", "_update_queue_cycle"):
        assert callable(getattr(Channel, name, None)), f"kombu moved {name}: mend token_transport.py"


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0", "redis+socket:///run/redis.sock"])
def test_every_way_to_redis_is_by_our_transport(url: str) -> None:
    """Also a copy of a connection, as pools make them."""
    connection = make_app(url, WorkerSettings()).connection_for_read()
    assert connection.get_transport_cls() is connection.clone().get_transport_cls() is Transport


def test_what_is_no_queue_keeps_no_other_waiting(redis_server: RedisServer) -> None:
    """A worker whose first queue's key holds something else listens to the others, and to it when that is gone."""
    app = make_app(redis_server.url, WorkerSettings())
    publish = TokenPublisher(app)
    redis_server.order_all([("SET", "cpu", "x")])
    got: list[Any] = []
    queues = [app.amqp.queues.select_add(name) for name in ("cpu", "gpu")]
    with (
        structlog.testing.capture_logs() as told,
        app.connection_for_read() as connection,
        app.amqp.TaskConsumer(connection, queues=queues, on_message=got.append),
    ):
        publish("gpu", 7)
        while len(got) < 1:
            connection.drain_events(timeout=20)
        redis_server.order_all([("DEL", "cpu")])
        publish("cpu", 8)
        while len(got) < 2:
            connection.drain_events(timeout=20)
    assert [message.decode()[0] for message in got] == [["gpu", 7], ["cpu", 8]]
    assert [(line["event"], line["queue"]) for line in told] == [("queue is not listened to", "cpu")]
    assert "redis-cli DEL cpu" in told[0]["cause"]


def test_what_others_write_is_neither_inflated_nor_obeyed(redis_server: RedisServer) -> None:
    """What is no token is dropped and told once, whatever it is; limits in one that is do not count."""
    bomb = written(compression="application/x-gzip")
    bomb["body"] = base64.b64encode(zlib.compress(bytes(1 << 20), 9)).decode()
    limited = written(timelimit=[1, 1], eta="2999-01-01T00:00:00")
    hostile = [
        b"no JSON",
        b"[" * 9000,
        json.dumps(bomb).encode(),
        b" " * (MOST_BYTES + 1),
        json.dumps(limited).encode(),
    ]

    def put() -> None:
        with redis.Redis(port=redis_server.port) as client:
            for message in hostile:
                client.lpush("cpu", message)
        TokenPublisher(make_app(redis_server.url, WorkerSettings()))("cpu", 8)

    with structlog.testing.capture_logs() as told:
        first, second = received(redis_server.url, "cpu", 2, put)
    assert (first.headers["timelimit"], first.headers.get("eta")) == ([None, None], None)
    assert [message.decode()[0] for message in (first, second)] == [["cpu", 7], ["cpu", 8]]
    assert [line["event"] for line in told] == ["message in Redis refused"]
    assert told[0]["reason"] == "the message is no JSON"
