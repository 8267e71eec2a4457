"""The process that holds the resident, warm models of one device and answers its worker's children."""

import contextlib
import os
import socket as sockets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from models.catalog import Catalog, CatalogEntry, ModelState
from models.errors import ModelError, ModelIncomplete
from models.loaded import LoadedModel, NetworkFiles
from models.runtime import Runtime
from models.runtimes import Choose, load_proven
from worker.array_transport import Arrays, Header, TransportError, receive, send

_log = structlog.get_logger()

_LOOK_EVERY_S = 0.2
_LONGEST_MESSAGE = 4000


def serve(
    *,
    socket: Path,
    catalog: Callable[[], Catalog],
    runtimes: Sequence[Runtime],
    threads: int,
    stop: threading.Event,
    verdicts: Path | None = None,
    chosen: Choose = lambda _entry, _runtime: NetworkFiles(),
) -> None:
    """Load all models that are ready, then answer until told to stop; a request that runs is answered first.

    Args:
        socket: Made once the models are there; its directory becomes private to this user.
        catalog: Returns the models of this machine as they are now.
        runtimes: What may run them, in the site's order.
        threads: For each network.
        stop: Ends it.
        verdicts: JSON file in which golden verdicts are kept from one start to the next.
        chosen: Says which files of a model a runtime loads, and in which precision.
    """
    shelf = Shelf(catalog, runtimes, threads, verdicts, chosen)
    shelf.fill()
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
        _log.info("model host serves", models=shelf.resident)
        listener.settimeout(_LOOK_EVERY_S)
        _answer_until(stop, listener, shelf)
    socket.unlink(missing_ok=True)
    shelf.close()
    _log.info("model host stopped")


class Shelf:
    """Resident models by digest. One inference at a time: a batch of one."""

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        runtimes: Sequence[Runtime],
        threads: int,
        verdicts: Path | None = None,
        chosen: Choose = lambda _entry, _runtime: NetworkFiles(),
    ) -> None:
        """Take the models as they are now, what runs them in the site's order, and with how many threads."""
        self._catalog = catalog
        self._runtimes = runtimes
        self._verdicts = verdicts
        self._chosen = chosen
        self._threads = threads
        self._models: dict[str, LoadedModel] = {}
        self._lock = threading.Lock()

    @property
    def resident(self) -> list[str]:
        """Ids of the models that are resident."""
        return sorted(model.id for model in self._models.values())

    def fill(self) -> None:
        """Load every model that is ready; one that cannot be loaded is told and left out."""
        for entry in self._catalog():
            if entry.state is not ModelState.READY:
                _log.info("model not loaded", model=entry.card.id, cause=entry.reason)
                continue
            try:
                self._load(entry)
            except ModelError as error:
                _log.warning("model not loaded", model=entry.card.id, cause=str(error))

    def infer(self, model_id: str, digest: str, network: str, inputs: Arrays) -> tuple[str, Arrays]:
        """Run a network; return what ran it, and its answer. Raises ModelError."""
        with self._lock:
            model = self._models.get(digest) or self._fetch(model_id, digest)
            return model.runtime, model.infer(network, inputs)

    def close(self) -> None:
        """Wait for what runs, and give memory back."""
        with self._lock:
            for model in self._models.values():
                model.close()
            self._models.clear()

    def _fetch(self, model_id: str, digest: str) -> LoadedModel:
        """Load a model that came after the start, and part from those that are gone."""
        catalog = self._catalog()
        present = {entry.digest for entry in catalog}
        for old in [held for held in self._models if held not in present]:
            gone = self._models.pop(old)
            gone.close()
            _log.info("model left", model=gone.id)
        entry = catalog.entries.get(model_id)
        if entry is None or entry.digest != digest:
            raise ModelIncomplete(
                f"{model_id} with digest {digest[:12]}: this model version is no longer here; put it back, or send the "
                "study again to have the present one"
            )
        return self._load(entry)

    def _load(self, entry: CatalogEntry) -> LoadedModel:
        started = time.monotonic()

        def passed_over(runtime: str, cause: str) -> None:
            _log.warning("runtime passed over", model=entry.card.id, runtime=runtime, cause=cause)

        model = load_proven(
            entry,
            self._runtimes,
            threads=self._threads,
            passed_over=passed_over,
            kept=self._verdicts,
            chosen=self._chosen,
        )
        self._models[entry.digest] = model
        _log.info("model loaded", model=model.id, runtime=model.runtime, seconds=round(time.monotonic() - started, 2))
        return model


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
    send(connection, *_answer(question, inputs, shelf))


def _answer(question: Header, inputs: Arrays, shelf: Shelf) -> tuple[Header, Arrays]:
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
