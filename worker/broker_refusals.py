"""What a Redis that is there and takes no tokens says, and what to do about it."""

from itertools import chain

from redis.exceptions import (
    AuthenticationError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)

_REPLICA = "Redis is a read-only replica: `broker.url` must name the one that is written to"
#: By redis-py's name for it; wetread's own keys are a few kilobytes.
_BY_KIND: dict[type[RedisError], str] = {
    OutOfMemoryError: "Redis is full and takes no tokens: raise its `maxmemory`, or see what else fills it "
    "(`redis-cli --bigkeys`)",
    ReadOnlyError: _REPLICA,
    MasterDownError: _REPLICA,
    AuthenticationError: "Redis does not let us in: user and password in `broker.url` must be those that it knows now",
    NoPermissionError: "Redis does not let our user write tokens: it needs all commands and keys of its database "
    "(`ACL SETUSER NAME ~* &* +@all`)",
}
#: By Redis's own word, for what redis-py has no name for.
_BY_WORD = {
    "MISCONF": "Redis cannot write to its own disk, and takes no tokens: make room there, or see its log",
    "NOREPLICAS": "Redis takes no tokens while too few replicas follow it: start them, or lower its "
    "`min-replicas-to-write`",
}
#: Of a key that is of another kind than the command wants.
_OTHER_KIND = "WRONGTYPE"


def refusal(error: BaseException | None) -> str:
    """Return what an error of Redis means and what mends it, without a full stop; empty where it says neither."""
    by_kind = (words for kind, words in _BY_KIND.items() if isinstance(error, kind))
    by_word = (words for word, words in _BY_WORD.items() if _says(error, word))
    return next(chain(by_kind, by_word), "")


def is_of_other_kind(error: BaseException | None) -> bool:
    """Say whether a key holds what a queue of tokens does not."""
    return _says(error, _OTHER_KIND)


def key_taken(queue: str) -> str:
    """Return what it means that a queue's key holds something else, and what mends it, without a full stop."""
    return (
        f"something else keeps a value in Redis under `{queue}` or `_kombu.binding.{queue}`, which are ours, so that "
        f"this queue gets no tokens: find out who (`redis-cli TYPE {queue}`) and remove it (`redis-cli DEL {queue}`), "
        "or give wetread a database of its own by the number behind `broker.url`"
    )


def _says(error: BaseException | None, word: str) -> bool:
    # Of several commands at once redis-py names the one that failed before Redis's words.
    return isinstance(error, RedisError) and word in str(error)
