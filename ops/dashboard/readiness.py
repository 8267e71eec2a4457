"""Health (the process lives) and readiness (what it needs answers)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from worker.broker_tls import tls_options, without_tls_options
from worker.errors import LedgerAway
from worker.ledger.views import LedgerViews

_BROKER_TIMEOUT_S = 2.0

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


def broker_check(url: str, ca_file: Path | None = None) -> ReadyCheck:
    """Return a check that the Redis at a URL answers a ping in two seconds; `redis+socket://` is Celery's.

    `ca_file` are certificates to trust beside the system's, for a `rediss://` URL.
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
            client.ping()
        except redis.RedisError as error:
            raise NotReady(
                cause=f"Redis does not answer a ping: {type(error).__name__}: {str(error).rstrip('.')}",
                remedy="Start it, or correct `broker.url` in the settings. Jobs wait in the ledger until it is back",
            ) from error
        finally:
            with suppress(redis.RedisError):
                client.close()

    return check


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
