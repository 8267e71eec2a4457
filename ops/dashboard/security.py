"""What keeps a browser from being used against the page: headers on every answer, and the names it is asked under."""

import re
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Any name in the Host header but these and the site's own is a page elsewhere that points its name at us (DNS
#: rebinding).
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]*)?", re.IGNORECASE)

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class KnownNames:
    """ASGI middleware that answers what is asked under one of some names, and else 400 with cause and remedy."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        """Take the application and the names, without ports, of v6 addresses without brackets."""
        self._app = app
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        name = name_in(Headers(scope=scope).get("host", "")) if scope["type"] == "http" else ""
        if name in self._names or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = f"The page was asked under the name {name}" if name else "The Host header names no host"
        answer = PlainTextResponse(
            f"{told}, and answers under {', '.join(sorted(self._names))} only, so that no other site can point its own "
            "name at it. Is this name the page's own, such as a proxy's in front of it? Then list it under `web.names` "
            "in the settings.\n",
            status_code=400,
        )
        await answer(scope, receive, send)


def name_in(host: str) -> str:
    """Return the name in a Host header, in small letters and without port and brackets; empty where there is none."""
    match = _HOST.fullmatch(host)
    return (match[1] or match[2]).lower() if match else ""


class SecurityHeaders:
    """ASGI middleware that sets the headers on every answer; `no-store` keeps pictures out of the disk cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers)
