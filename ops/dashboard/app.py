"""The application: pages, metrics, health; every answer with the security headers, every error as a page."""

from collections.abc import Collection, Mapping
from pathlib import Path

import structlog
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ops.audit.watch import AuditWatch, all_well
from ops.certificates import Expiries
from ops.dashboard.metrics import metrics_route
from ops.dashboard.pages import Pages, make_environment
from ops.dashboard.readiness import ReadyCheck, health_routes, ledger_check
from ops.dashboard.security import LOOPBACK_NAMES, SECURITY_HEADERS, KnownNames, SecurityHeaders
from worker.errors import LedgerAway, LedgerUnsound
from worker.ledger.views import LedgerViews

_log = structlog.get_logger(__name__)
#: Starlette's own words, in ours.
_REFUSALS = {
    "Not Found": "No page has this address.",
    "Method Not Allowed": "Only GET and HEAD are answered. Changes are made in the shell: wetread --help.",
}


def make_app(
    ledger: LedgerViews,
    *,
    results_root: Path,
    version: str,
    ready_checks: Mapping[str, ReadyCheck] | None = None,
    expiries: Expiries = tuple,
    audit: AuditWatch = all_well,
    names: Collection[str] = (),
) -> Starlette:
    """Build the page over an open ledger.

    Args:
        ledger: Opened in this process.
        results_root: The folder that the results' file names are relative to; pictures are served from it.
        version: Shown and exported.
        ready_checks: What /readyz and the first page ask beside the ledger, by name (see `readiness.broker_check`).
        expiries: What certificates and revocation lists have left; asked at each scrape and for the first page.
        audit: How the audit trail is; asked likewise.
        names: Host names under which the page may be asked beside this machine's own (loopback).
    """
    environment = make_environment(version)
    errors = ErrorPages(environment)
    return Starlette(
        routes=[
            *Pages(
                ledger,
                results_root=results_root,
                environment=environment,
                expiries=expiries,
                audit=audit,
                checks=ready_checks or {},
            ).routes(),
            metrics_route(ledger, version, expiries, audit, ready_checks or {}),
            *health_routes({"ledger": ledger_check(ledger), **(ready_checks or {})}),
            Mount("/static", StaticFiles(packages=[("ops.dashboard", "static")])),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(KnownNames, names=(*LOOPBACK_NAMES, *names)),
        ],
        exception_handlers={LedgerAway: errors.ledger_away, HTTPException: errors.refused, Exception: errors.broken},
    )


class ErrorPages:
    """What people see instead of a traceback: what happened, the likely cause, the remedy."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def ledger_away(self, request: Request, error: Exception) -> Response:
        """503: the database does not answer, or answers with what nobody can read."""
        damaged = isinstance(error, LedgerUnsound)
        event = "ledger_damaged" if damaged else "ledger_away"
        _log.warning(event, path=request.url.path, error=str(error))
        title = "The ledger is damaged" if damaged else "The ledger does not answer"
        return self._page(503, title, f"{error}.")

    def refused(self, request: Request, error: Exception) -> Response:
        """4xx: what was asked for does not exist or cannot be asked for."""
        del request
        assert isinstance(error, HTTPException)  # noqa: S101  # Starlette calls this for that class only
        told = _REFUSALS.get(error.detail, error.detail)
        title = {404: "There is nothing here", 405: "This page only shows"}.get(
            error.status_code, "That cannot be shown"
        )
        return self._page(error.status_code, title, told, dict(error.headers or {}))

    def broken(self, request: Request, error: Exception) -> Response:
        """500: a bug; Starlette raises it again for the server's log."""
        _log.error("page broken", path=request.url.path, error=type(error).__name__)
        # This handler runs outside the middleware that sets the headers.
        return self._page(
            500,
            "This page is broken",
            "wetread made a mistake here; reading and delivering go on. The log of `wetread web` tells more.",
            dict(SECURITY_HEADERS),
        )

    def _page(self, status: int, title: str, message: str, headers: dict[str, str] | None = None) -> Response:
        body = self._environment.get_template("error.html").render(title=title, message=message, status=status)
        return HTMLResponse(body, status_code=status, headers=headers)
