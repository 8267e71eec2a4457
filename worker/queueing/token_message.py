"""What of a message in Redis counts: which task, and the two values of a token. Pure.

Whoever may write to Redis writes messages as Celery does. One that brings a compressed body would be inflated without a
bound, one that is no JSON would end the worker that reads it; time limits, a time to wait for, or tasks that are to
follow would be obeyed. So a message is read here, within bounds, before kombu sees it, and made anew of what a token
has. What ours bring beside that is what everybody's worker goes by anyway.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any

#: The one task of a worker: work a job of a queue.
TASK = "wetread.work"
#: A worker's question to itself whether it still hears.
PING = "wetread.ping"
#: Ours have less than a thousand, whatever the queue is called.
MOST_BYTES = 16 << 10
_LONGEST_ID = 64
_LARGEST_HINT = 1 << 63


class TokenRefused(Exception):
    """A message is no token of ours: what of it, without its words."""


def read_token(message: bytes, queue: str) -> bytes:
    """Return the message as our own publisher would have written it, by kombu's virtual transport.

    Args:
        message: As it lay in Redis.
        queue: From which it was taken.

    Raises TokenRefused.
    """
    if len(message) > MOST_BYTES:
        raise TokenRefused(f"it has {len(message)} bytes, {MOST_BYTES} are the most")
    found = _mapping(_json(message, "the message"), "the message")
    headers = _mapping(found.get("headers"), "headers")
    if headers.get("compression"):
        raise TokenRefused("its body is compressed")
    if found.get("content-type") != "application/json" or found.get("content-encoding") != "utf-8":
        raise TokenRefused("its body is said to be no JSON in UTF-8")
    name, token_id = headers.get("task"), headers.get("id")
    if name not in (TASK, PING):
        raise TokenRefused("its task is none of ours")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= _LONGEST_ID or not token_id.isprintable():
        raise TokenRefused("its id is no id")
    return _written(name, token_id, _arguments(found, name, queue), queue)


def _arguments(found: Mapping[str, Any], name: str, queue: str) -> list[Any]:
    properties = _mapping(found.get("properties"), "properties")
    body = found.get("body")
    if properties.get("body_encoding") != "base64" or not isinstance(body, str):
        raise TokenRefused("its body is not in base64")
    try:
        decoded = base64.b64decode(body, validate=True)
    except ValueError:
        raise TokenRefused("its body is not in base64") from None
    content = _json(decoded, "its body")
    if not isinstance(content, list) or not content or not isinstance(content[0], list):
        raise TokenRefused("its body has no arguments")
    arguments = content[0]
    if name == PING:
        if arguments:
            raise TokenRefused("it is a ping with arguments")
        return []
    hint = arguments[1] if len(arguments) == 2 else None  # noqa: PLR2004 - queue and hint
    if type(hint) is not int or not 0 <= hint < _LARGEST_HINT:
        raise TokenRefused("its arguments are not a queue and a job's number")
    # Else a message would have this worker do another's jobs.
    if arguments[0] != queue:
        raise TokenRefused("it names another queue than the one it lay in")
    return [queue, hint]


def _written(name: str, token_id: str, arguments: list[Any], queue: str) -> bytes:
    body = json.dumps([arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    message = {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": name,
            "id": token_id,
            "root_id": token_id,
            "retries": 0,
            "timelimit": [None, None],  # those of the settings
            "argsrepr": "",
            "kwargsrepr": "",
            "ignore_result": True,
        },
        "properties": {
            "correlation_id": token_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            # Under it kombu keeps the message until it is acknowledged: two with one tag would be one.
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return json.dumps(message).encode()


def _json(text: bytes, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise TokenRefused(f"{what} is no JSON") from None


def _mapping(found: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise TokenRefused(f"{what} is no mapping" if what == "the message" else f"it has no {what}")
    return found
