"""The process that holds the resident, warm models of one device and answers its worker's children."""

import contextlib
import os
import socket as sockets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from models.catalog import Catalog
from models.errors import DeviceLost, ModelError
from models.loaded import NetworkFiles
from models.proving.runtime_choice import Choose
from models.runtimes.runtime import Runtime
from worker.hosting.array_transport import Arrays, Header, TransportError, receive, send
from worker.hosting.shelf import Shelf, ShelfSettings

_log = structlog.get_logger()

#: The exit status of a host whose device is lost.
DEVICE_LOST_EXIT = 70
_LOOK_EVERY_S = 0.2
_LONGEST_MESSAGE = 4000


def serve(
    *,
    socket: Path,
    catalog: Callable[[], Catalog],
    runtimes: Sequence[Runtime],
    settings: ShelfSettings,
    stop: threading.Event,
    chosen: Choose = lambda _entry, _runtime: NetworkFiles(),
) -> None:
    """Load all models that are ready, and answer until told to stop; a request that runs is answered first.

    It answers from the beginning: to build engines for a new driver may take an hour, and who asks meanwhile for a
    model that is there already waits for none of it.

    A lost device ends the process at once: nothing that runs on it can be trusted, nor be waited for.

    Args:
        socket: Its directory becomes private to this user.
        catalog: Returns the models of this machine as they are now.
        runtimes: What may run them, in the site's order.
        settings: How they are held.
        stop: Ends it.
        chosen: Says which files of a model a runtime loads, and in which precision.
    """
    shelf = Shelf(catalog, runtimes, settings, chosen=chosen, on_device_lost=_end_process)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Fails where the directory is another user's, who could read what goes over the socket.
    socket.parent.chmod(0o700)
    # Made under another name, so that its file is there only when somebody listens, whoever died before.
    making = socket.with_name(f"{socket.name}.{os.getpid()}")
    with sockets.socket(sockets.AF_UNIX) as listener:
        making.unlink(missing_ok=True)
        listener.bind(str(making))
        listener.listen(64)
        making.replace(socket)
        filling = threading.Thread(target=_fill, args=(shelf,), name="filling", daemon=True)
        filling.start()
        listener.settimeout(_LOOK_EVERY_S)
        _answer_until(stop, listener, shelf)
    socket.unlink(missing_ok=True)
    shelf.close()
    filling.join()
    _log.info("model host stopped")


def _fill(shelf: Shelf) -> None:
    try:
        shelf.fill()
    except Exception:  # noqa: BLE001  # the outermost frame of the thread: each is loaded when it is asked for
        _log.exception("models not loaded at the start")
    _log.info("model host serves", models=shelf.resident)


def _end_process(lost: DeviceLost) -> None:
    _log.error("device lost", cause=str(lost))
    # No clean-up: what it would free hangs, or does not answer. The supervisor starts another.
    os._exit(DEVICE_LOST_EXIT)


def _answer_until(stop: threading.Event, listener: sockets.socket, shelf: Shelf) -> None:
    """Accept connections, a thread for each; at the end let each finish the request that it is at."""
    answering: dict[threading.Thread, sockets.socket] = {}
    while not stop.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            connection = None
        for thread in [each for each in answering if not each.is_alive()]:
            answering.pop(thread).close()
        if connection is not None:
            connection.settimeout(None)
            thread = threading.Thread(target=_answer_all, args=(connection, shelf, stop), daemon=True)
            answering[thread] = connection
            thread.start()
    for connection in answering.values():
        # Whoever waits for a next request gets an end of file; an answer still goes out.
        with contextlib.suppress(OSError):
            connection.shutdown(sockets.SHUT_RD)
    for thread, connection in answering.items():
        thread.join()
        connection.close()


def _answer_all(connection: sockets.socket, shelf: Shelf, stop: threading.Event) -> None:
    """Answer one child until it or the host ends."""
    try:
        while not stop.is_set():
            _answer_one(connection, shelf)
    except EOFError:
        pass  # the child ended, or closed
    except (OSError, TransportError) as error:
        _log.warning("connection dropped", cause=f"{type(error).__name__}: {error}")
    finally:
        # Closed by who accepted it: a number that is free here could be another connection's by then.
        with contextlib.suppress(OSError):
            connection.shutdown(sockets.SHUT_RDWR)


def _answer_one(connection: sockets.socket, shelf: Shelf) -> None:
    # A function of its own: the arrays of a request must not live until the next one comes.
    question, inputs = receive(connection)
    try:
        send(connection, *_answer(question, inputs, shelf))
    except (OSError, TransportError) as error:
        # Nothing has been sent of what cannot be: too much for the memory, or of a kind that is no number. Of a
        # connection that is lost, this cannot be sent either.
        _log.warning("answer not sent", model=str(question.get("model")), cause=str(error))
        words = f"the network's answer cannot be sent to who asked ({error}): mend it, or give the host more memory"
        send(connection, {"error": "RuntimeFailed", "message": words}, {})


def _answer(question: Header, inputs: Arrays, shelf: Shelf) -> tuple[Header, Arrays]:
    if question.get("ask") == "status":
        return {"models": shelf.status()}, {}
    try:
        runtime, outputs = shelf.infer(
            str(question.get("model")), str(question.get("digest")), str(question.get("network")), inputs
        )
    except ModelError as error:
        return {"error": type(error).__name__, "message": str(error)[:_LONGEST_MESSAGE]}, {}
    except MemoryError:
        return {"error": "RuntimeFailed", "message": "out of memory: give the host more, or run fewer models"}, {}
    except Exception as error:  # noqa: BLE001
        # The outermost frame of a request: a defect costs one answer, never the other children's host.
        _log.exception("request failed", model=str(question.get("model")))
        return {"error": "RuntimeFailed", "message": f"{type(error).__name__} in the model host; see its log"}, {}
    return {"runtime": runtime}, outputs
