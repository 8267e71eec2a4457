"""Health (the process lives) and readiness (what it needs answers)."""

import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from worker.broker_refusals import is_of_other_kind, key_taken, refusal
from worker.broker_tls import tls_options, without_tls_options
from worker.errors import LedgerAway
from worker.ledger.views import LedgerViews

_BROKER_TIMEOUT_S = 2.0
#: A Redis that is full, or a replica, answers a ping and takes no tokens: it is asked to keep this for a second.
_PROBE = "wetread-ready"

#: Returns when what it asks answers; raises NotReady otherwise.
ReadyCheck = Callable[[], None]


class NotReady(Exception):
    """Something that the page or the house needs does not answer.

    Attributes:
        cause: What happened.
        remedy: What to do about it.
    """

    def __init__(self, *, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}. {remedy}")
        self.cause = cause
        self.remedy = remedy


def ledger_check(ledger: LedgerViews) -> ReadyCheck:
    """Return a check that the ledger answers."""

    def check() -> None:
        try:
            ledger.ping()
        except LedgerAway as away:
            raise NotReady(
                cause=str(away),
                remedy="Look at the disk and at `ledger.url` in the settings: wetread config check",
            ) from away

    return check


def broker_check(url: str, ca_file: Path | None = None, *, queues: Collection[str] = ()) -> ReadyCheck:
    """Return a check that the Redis at a URL takes tokens, and answers in two seconds; `redis+socket://` is Celery's.

    Args:
        url: As in the settings.
        ca_file: Certificates to trust beside the system's, for a `rediss://` URL.
        queues: Each must hold tokens or nothing.
    """

    def check() -> None:
        try:
            # Celery and redis-py write the same address differently.
            client = redis.Redis.from_url(
                without_tls_options(url).replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db="),
                socket_timeout=_BROKER_TIMEOUT_S,
                socket_connect_timeout=_BROKER_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
                **tls_options(url, ca_file),
            )
        except ValueError as error:
            # Its words could quote a part of the password.
            raise NotReady(
                cause="`broker.url` cannot be read",
                remedy="Correct it in the settings: wetread config check",
            ) from error
        try:
            client.set(_PROBE, 1, ex=1)
            for queue in queues:
                _require_tokens(client, queue)
        except redis.RedisError as error:
            raise NotReady(
                cause=f"Redis takes no tokens: {type(error).__name__}: {str(error).rstrip('.')}",
                remedy=f"{refusal(error) or 'Start it, or correct `broker.url` in the settings'}. Jobs wait in the "
                "ledger until it does",
            ) from error
        finally:
            with suppress(redis.RedisError):
                client.close()

    return check


def disk_check(spool: Path, min_free_bytes: int) -> ReadyCheck:
    """Return a check that the spool's disk has as much free space as the node wants before it takes an instance."""

    def check() -> None:
        try:
            free = shutil.disk_usage(spool).free
        except FileNotFoundError:
            return  # nothing was received yet, or it is another machine's
        except OSError as error:
            raise NotReady(
                cause=f"{spool} cannot be looked at ({error.strerror})", remedy="Look at its disk, and who may read it"
            ) from error
        # Without a byte nothing is kept, whatever is set.
        if free < max(min_free_bytes, 1):
            raise NotReady(
                cause=f"the disk of {spool} has {free} bytes free, and below `node.min_free_bytes` ({min_free_bytes}) "
                "instances are refused",
                remedy="Free space: `wetread retention` says why each study stays. Receiving goes on by itself",
            )

    return check


def _require_tokens(client: redis.Redis, queue: str) -> None:
    try:
        client.llen(queue)
    except redis.ResponseError as error:
        if not is_of_other_kind(error):
            raise
        raise NotReady(
            cause=f"the key `{queue}` of Redis holds no tokens", remedy=f"As it is, {key_taken(queue)}"
        ) from error


def away_of(checks: Mapping[str, ReadyCheck]) -> dict[str, NotReady]:
    """Run every check; return those that fail, by name."""
    away: dict[str, NotReady] = {}
    for name, check in checks.items():
        try:
            check()
        except NotReady as failed:
            away[name] = failed
    return away


def health_routes(checks: Mapping[str, ReadyCheck]) -> list[BaseRoute]:
    """Return the routes /healthz and /readyz; the latter runs every check and names each that fails."""

    def ready(request: Request) -> Response:
        del request
        found = away_of(checks)
        away = {name: {"cause": failed.cause, "remedy": failed.remedy} for name, failed in found.items()}
        return JSONResponse(
            {"ready": not away, "checked": list(checks), "away": away}, status_code=503 if away else 200
        )

    def health(request: Request) -> Response:
        del request
        return PlainTextResponse("alive\n")

    return [Route("/healthz", health, methods=["GET"]), Route("/readyz", ready, methods=["GET"])]
