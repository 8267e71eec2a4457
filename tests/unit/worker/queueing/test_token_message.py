"""What of a message in Redis counts."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from worker.queueing.token_message import MOST_BYTES, PING, TASK, TokenRefused, read_token

Change = Callable[[dict[str, Any]], object]


def written(task: str = TASK, arguments: object = ("cpu", 7), **headers: object) -> dict[str, Any]:
    """Return a message as Celery writes it, with these headers beside."""
    return {
        "body": _body([arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": "5f0c", "timelimit": [None, None], "stamps": {}, **headers},
        "properties": {
            "correlation_id": "5f0c",
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "cpu"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "d1",
        },
    }


def _body(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def read(message: dict[str, Any], queue: str = "cpu") -> dict[str, Any]:
    """Return what is made of a message."""
    read: dict[str, Any] = json.loads(read_token(json.dumps(message).encode(), queue))
    return read


def content(message: dict[str, Any]) -> Any:
    """Return arguments, named arguments and what is to follow."""
    return json.loads(base64.b64decode(message["body"]))


def test_a_token_stays_what_it_is() -> None:
    """Task, id and the two arguments; a ping has none. Each has a delivery tag that is nobody else's."""
    token = read(written())
    assert (token["headers"]["task"], token["headers"]["id"]) == (TASK, "5f0c")
    assert content(token) == content(written())
    assert content(read(written(PING, ())))[0] == []
    assert len({read(written())["properties"]["delivery_tag"] for _ in range(3)} - {"d1"}) == 3


def test_nothing_else_that_a_message_brings_is_obeyed() -> None:
    """Time limits, a time to wait for or to expire at, and what is to follow: none of it is there any more."""
    message = written(
        timelimit=[1, 1], eta="2999-01-01T00:00:00", expires="2001-01-01T00:00:00", retries=9, shadow="x" * 999
    )
    message["body"] = _body([["cpu", 7], {"more": 1}, {"callbacks": [{"task": "x"}], "chain": [{"task": "x"}]}])
    message["properties"] |= {"reply_to": "somebody", "delivery_info": {"exchange": "x", "routing_key": "other"}}
    token = read(message)
    assert token["headers"] == read(written())["headers"]
    assert token["headers"]["timelimit"] == [None, None]
    assert not {"eta", "expires", "shadow", "stamps"} & token["headers"].keys()
    assert content(token) == content(written())
    assert token["properties"]["reply_to"] == ""
    assert token["properties"]["delivery_info"] == {"exchange": "", "routing_key": "cpu"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda message: message["headers"].update(compression="application/x-gzip"), "compressed"),
        (lambda message: message.update({"content-type": "application/x-python-serialize"}), "no JSON in UTF-8"),
        (lambda message: message.update({"content-encoding": "utf-16"}), "no JSON in UTF-8"),
        (lambda message: message.update(headers=None), "no headers"),
        (lambda message: message.update(properties=[1]), "no properties"),
        (lambda message: message["headers"].update(task="celery.backend_cleanup"), "none of ours"),
        (lambda message: message["headers"].update(task=["x"]), "none of ours"),
        (lambda message: message["headers"].update(id="x" * 99), "no id"),
        (lambda message: message["headers"].update(id={"a": 1}), "no id"),
        (lambda message: message["properties"].update(body_encoding="utf-8"), "not in base64"),
        (lambda message: message.update(body="*"), "not in base64"),
        (lambda message: message.update(body=_body({"args": ["cpu", 7]})), "no arguments"),
        (lambda message: message.update(body=base64.b64encode(b"[" * 9000).decode()), "no JSON"),
        (lambda message: message.update(body=_body([["cpu", True], {}, {}])), "a queue and a job's number"),
        (lambda message: message.update(body=_body([["cpu", 10**30], {}, {}])), "a queue and a job's number"),
        (lambda message: message.update(body=_body([["cpu"], {}, {}])), "a queue and a job's number"),
        (lambda message: message.update(body=_body([["gpu", 7], {}, {}])), "another queue"),
        (lambda message: message["headers"].update(task=PING), "a ping with arguments"),
        (lambda message: message["headers"].update(shadow="x" * MOST_BYTES), "are the most"),
    ],
)
def test_what_is_no_token_is_refused(change: Change, reason: str) -> None:
    """The refusal says what is wrong and quotes nothing of it."""
    message = written()
    change(message)
    with pytest.raises(TokenRefused, match=reason):
        read(message)


@pytest.mark.parametrize("message", [b"", b"nonsense", b"[1]", b"\xff\xfe", b"[" * 9000, b"9" * 9000])
def test_what_is_no_message_is_refused(message: bytes) -> None:
    """Whatever the bytes are, and however deep they nest."""
    with pytest.raises(TokenRefused):
        read_token(message, "cpu")
