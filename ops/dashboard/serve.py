"""The page on a port, until it is told to stop."""

import socket
import threading

import structlog
import uvicorn
from starlette.types import ASGIApp

_log = structlog.get_logger(__name__)
_DRAIN_S = 5
_LOOK_EVERY_S = 0.5
_BACKLOG = 128


class PageAway(Exception):
    """The page cannot be served: another program has the port, or the server ended; the message names which."""


def serve(app: ASGIApp, host: str, port: int, stop: threading.Event) -> None:
    """Serve the application until `stop` is set; requests under way are finished (up to five seconds).

    Signals stay with the caller: uvicorn runs in a thread of its own, where it installs no handlers. Raises PageAway
    when the port cannot be had or the server ends by itself.
    """
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            app,
            # One line a request tells nothing that the ledger does not, and addresses carry queries.
            access_log=False,
            log_config=None,
            http="h11",
            ws="none",
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page")
        thread.start()
        _log.info("page serves", address=f"http://{host}:{listener.getsockname()[1]}")
        while thread.is_alive() and not stop.wait(_LOOK_EVERY_S):
            pass
        ended_by_itself = not stop.is_set()
        server.should_exit = True
        thread.join()
    if ended_by_itself:
        raise PageAway("the web server ended by itself; its log above says why. Start it again: wetread web")
    _log.info("page stopped")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PageAway(
            f"{host} is no address of this machine: {error}. Correct the page's host in the settings"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PageAway(
            f"the page cannot listen on {host}:{port}: {error}. Another program has the port, or it is reserved: "
            "stop that program or choose another port in the settings"
        ) from error
    return listener
