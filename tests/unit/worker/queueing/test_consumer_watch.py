"""When a consumer is deaf."""

from math import inf

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from tests.redis_server import RedisServer
from worker.broker_refusals import refusal
from worker.errors import BrokerAway, QueueTaken
from worker.queueing.celery_app import TokenPublisher, make_app
from worker.queueing.consumer_watch import PING, ConsumerWatch, Step, next_step
from worker.settings import WorkerSettings


@pytest.mark.parametrize(
    ("heard", "first_asked", "last_asked", "step"),
    [
        (90.0, inf, -inf, Step.WAIT),  # a token came a moment ago
        (85.0, inf, -inf, Step.ASK),  # none for a quarter of the time
        (80.0, 95.0, 95.0, Step.WAIT),  # it was just asked
        (60.0, 75.0, 85.0, Step.ASK),  # asked, and again a quarter later
        (40.0, 55.0, 85.0, Step.END),  # three quarters after the first question
        (40.0, 56.0, 99.0, Step.WAIT),  # not yet
        (0.0, 99.0, 99.0, Step.WAIT),  # long silence, but Redis took no ping before
    ],
)
def test_it_is_deaf_when_pings_do_not_come(heard: float, first_asked: float, last_asked: float, step: Step) -> None:
    """At 100 s with a longest silence of 60 s: only what was asked for, and long enough ago, is missed."""
    decided = next_step(now=100.0, heard=heard, first_asked=first_asked, last_asked=last_asked, silence_s=60.0)
    assert decided is step


def test_a_worker_leaves_nothing_behind_in_redis_but_a_queue_that_expires(redis_server: RedisServer) -> None:
    """Its ping arrives, and no key carries the name of a worker that may be gone."""
    redis_server.start()
    app = make_app(redis_server.url, WorkerSettings())
    watch = ConsumerWatch(app, silence_s=60.0, processes=1)
    with app.connection_for_write() as connection:
        queue = app.amqp.queues[watch.queue].bind(connection.default_channel)
        queue.declare()
        app.send_task(PING, queue=watch.queue, connection=connection, ignore_result=True, retry=False)
        with Redis(port=redis_server.port) as client:
            assert [key.decode() for key in client.keys("*ping*")] == [watch.queue]
            assert client.pttl(watch.queue) > 0
        message = queue.get(no_ack=True)
        assert message is not None
        assert message.headers["task"] == PING


def test_a_full_redis_is_told_as_full(redis_server: RedisServer) -> None:
    """Neither away nor wrongly named: the error says what to raise."""
    redis_server.start()
    publish = TokenPublisher(make_app(redis_server.url, WorkerSettings()))
    with Redis(port=redis_server.port) as client:
        client.config_set("maxmemory", "1")
    with pytest.raises(BrokerAway, match=r"Redis is full .* raise its `maxmemory`"):
        publish("cpu", 1)
    assert publish.waiting("cpu") == 0


@pytest.mark.parametrize("key", ["cpu", "_kombu.binding.cpu"])
def test_a_queue_is_taken_by_either_of_its_keys(redis_server: RedisServer, key: str) -> None:
    """It is known before anything is published, so that no other queue waits behind it."""
    redis_server.order_all([("SET", key, "x")])
    publish = TokenPublisher(make_app(redis_server.url, WorkerSettings()))
    with pytest.raises(QueueTaken, match="which are ours"):
        publish.waiting("cpu")
    assert publish.waiting("gpu") == 0


def test_a_redis_whose_disk_is_full_is_told_as_such() -> None:
    """It then refuses every write with MISCONF, for which redis-py has no error of its own."""
    told = refusal(ResponseError("MISCONF Errors writing to the AOF file: No space left on device"))
    assert "cannot write to its own disk" in told
    assert refusal(ResponseError("ERR syntax error")) == ""


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        ([("REPLICAOF", "127.0.0.1", "1")], "Redis is a read-only replica"),
        ([("ACL", "SETUSER", "default", "-lpush")], "does not let our user write tokens"),
        ([("CONFIG", "SET", "requirepass", "new"), ("CLIENT", "KILL", "TYPE", "normal")], "does not let us in"),
        ([("CONFIG", "SET", "min-replicas-to-write", "1")], "while too few replicas follow it"),
        ([("SET", "cpu", "x")], "something else keeps a value in Redis under `cpu`.*`redis-cli DEL cpu`"),
    ],
)
def test_a_redis_that_is_there_and_refuses_says_why(
    redis_server: RedisServer, orders: list[tuple[str, ...]], told: str
) -> None:
    """Nobody looks for a server that is down, or at its name."""
    redis_server.start()
    redis_server.order_all(orders)
    publish = TokenPublisher(make_app(redis_server.url, WorkerSettings()))
    with pytest.raises(BrokerAway, match=rf"{told}.*\. (Jobs|Its jobs) stay queued"):
        publish("cpu", 1)
