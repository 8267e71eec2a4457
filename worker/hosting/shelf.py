"""The resident models of a host: loaded at start or on demand, proven, warm, and evicted under a memory budget."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from dicom_node.error_place import defect_of
from models.catalog import Catalog, CatalogEntry, ModelState
from models.errors import DeviceLost, ModelError, ModelIncomplete
from models.loaded import LoadedModel, NetworkFiles
from models.proving.checking import golden_inputs
from models.proving.runtime_choice import Choose, load_proven
from models.runtimes.runtime import Runtime
from worker.hosting.array_transport import Arrays
from worker.hosting.eviction import Held, to_evict
from worker.hosting.model_queue import ModelQueue
from worker.hosting.turnstile import Turnstile

_log = structlog.get_logger()

_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ShelfSettings:
    """How models are held.

    Attributes:
        threads: For each network.
        at_once: How many networks run at the same time.
        patience_s: How long a request waits for others to share a batch with.
        budget_bytes: Of all resident models; 0 for no limit.
        verdicts: JSON file in which golden verdicts are kept from one start to the next.
    """

    threads: int
    at_once: int = 1
    patience_s: float = 0.0
    budget_bytes: int = 0
    verdicts: Path | None = None


class Shelf:
    """Resident models by digest."""

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        runtimes: Sequence[Runtime],
        settings: ShelfSettings,
        *,
        chosen: Choose = lambda _entry, _runtime: NetworkFiles(),
        on_device_lost: Callable[[DeviceLost], None] = lambda _lost: None,
    ) -> None:
        """Take the models as they are now, what runs them in the site's order, and what a lost device ends."""
        self._catalog = catalog
        self._runtimes = runtimes
        self._settings = settings
        self._chosen = chosen
        self._on_device_lost = on_device_lost
        self._turnstile = Turnstile(settings.at_once)
        self._queues: dict[str, ModelQueue] = {}
        self._sizes: dict[str, int] = {}  # of every model that was ever resident: what it will need again
        self._lock = threading.Lock()  # of what is resident: held for moments only
        # A load may take minutes: who asks for a model that is here does not wait for it, others go in their order.
        self._loading = Turnstile(1)
        self._closed = False

    @property
    def resident(self) -> list[str]:
        """Ids of the models that are resident."""
        return sorted(queue.model.id for queue in list(self._queues.values()))

    def status(self) -> list[dict[str, Any]]:
        """Return what an admin asks of each resident model, by id."""
        return sorted(
            (
                {
                    "model": queue.model.id,
                    "runtime": queue.model.runtime,
                    "mib": round(self._sizes[digest] / _MIB, 1),
                    **asdict(queue.counts),
                }
                for digest, queue in list(self._queues.items())
            ),
            key=lambda one: str(one["model"]),
        )

    def fill(self) -> None:
        """Load every model that is ready and fits; one that cannot be loaded is told and left out.

        What is asked for meanwhile comes in between.
        """
        catalog = self._catalog()
        for wrong in catalog.unreadable:
            _log.warning("model not loaded", directory=str(wrong.directory), cause=wrong.reason)
        for entry in catalog:
            if not entry.card.networks:
                continue  # it comes as code or as a program: its process is the job's own
            with self._loading:
                if self._closed:
                    return
                if entry.digest not in self._queues:
                    self._take_up(entry)

    def infer(self, model_id: str, digest: str, network: str, inputs: Arrays) -> tuple[str, Arrays]:
        """Run a network; return what ran it, and its answer. Raises ModelError."""
        queue = self._expecting(digest)
        if queue is None:
            with self._loading:
                # Another request may have brought it meanwhile, and nothing leaves while this one is inside.
                queue = self._expecting(digest)
                if queue is None:
                    queue = self._fetch(model_id, digest)
                    queue.expect()
        return queue.model.runtime, queue.infer(network, inputs)

    def close(self) -> None:
        """Wait for what runs or is loaded, and give memory back."""
        self._closed = True
        with self._loading:
            with self._lock:
                leaving = list(self._queues.values())
                self._queues.clear()
            _close(leaving)

    def _expecting(self, digest: str) -> ModelQueue | None:
        """Return the queue of a resident model, which stays resident until it has been asked; None where it is not."""
        with self._lock:
            queue = self._queues.get(digest)
            if queue is not None:
                # Under the lock, so that it is not evicted before the request stands in its queue.
                queue.last_used = time.monotonic()
                queue.expect()
            return queue

    def _take_up(self, entry: CatalogEntry) -> None:
        """Load a model at the start, or tell why not."""
        if entry.state is not ModelState.READY:
            _log.info("model not loaded", model=entry.card.id, cause=entry.reason)
            return
        if self._full(entry):
            _log.info("model not loaded", model=entry.card.id, cause="worker.model_memory_gib is used up: on demand")
            return
        try:
            self._load(entry)
        except ModelError as error:
            _log.warning("model not loaded", model=entry.card.id, cause=str(error))
        except MemoryError:
            cause = "out of memory: give the host more, or run fewer models"
            _log.error("model not loaded", model=entry.card.id, cause=cause)
        except Exception as error:  # noqa: BLE001  # the outermost frame of a model: the others must be read with
            cause = f"{defect_of(error)}: a defect of wetread; please report it"
            _log.error("model not loaded", model=entry.card.id, cause=cause)

    def _fetch(self, model_id: str, digest: str) -> ModelQueue:
        """Load a model that came after the start or was evicted, and part from those that are gone."""
        catalog = self._catalog()
        present = {entry.digest for entry in catalog}
        with self._lock:
            # One that is still asked goes the next time: its requests must not find it closed.
            gone = [held for held, queue in self._queues.items() if held not in present and not queue.busy]
            leaving = [self._queues.pop(held) for held in gone]
        _close(leaving)
        entry = catalog.entries.get(model_id)
        if entry is not None and entry.rivals:
            entry.require_ready()
        if entry is None or entry.digest != digest:
            raise ModelIncomplete(
                f"{model_id} with digest {digest[:12]}: this model version is no longer here; put it back, or send the "
                "study again to have the present one"
            )
        return self._load(entry)

    def _load(self, entry: CatalogEntry) -> ModelQueue:
        try:
            return self._proven(entry)
        except DeviceLost as lost:
            # While it proved itself or got warm: no other model of this process can use the device any more.
            self._on_device_lost(lost)
            raise

    def _proven(self, entry: CatalogEntry) -> ModelQueue:
        self._make_room(self._expected(entry))
        started, before = time.monotonic(), _resident_bytes()

        def passed_over(runtime: str, cause: str) -> None:
            _log.warning("runtime passed over", model=entry.card.id, runtime=runtime, cause=cause)

        model = load_proven(
            entry,
            self._runtimes,
            threads=self._settings.threads,
            passed_over=passed_over,
            kept=self._settings.verdicts,
            chosen=self._chosen,
            # Beside a job's inference the two together may want more memory than the device has, and this one would
            # then run on a slower runtime until the next start.
            turn=self._turnstile,
        )
        with ExitStack() as failed:
            failed.callback(model.close)
            _warm(entry, model, self._turnstile)
            failed.pop_all()
        queue = ModelQueue(
            model,
            most={name: network.max_batch for name, network in entry.card.networks.items()},
            patience_s=self._settings.patience_s,
            turnstile=self._turnstile,
            on_device_lost=self._on_device_lost,
        )
        self._sizes[entry.digest] = max(_resident_bytes() - before, _file_bytes(entry))
        self._make_room(self._sizes[entry.digest])
        with self._lock:
            self._queues[entry.digest] = queue
        _log.info(
            "model loaded",
            model=model.id,
            runtime=model.runtime,
            seconds=round(time.monotonic() - started, 2),
            mib=round(self._sizes[entry.digest] / _MIB),
        )
        return queue

    def _expected(self, entry: CatalogEntry) -> int:
        return self._sizes.get(entry.digest, _file_bytes(entry))

    def _full(self, entry: CatalogEntry) -> bool:
        used = sum(self._sizes[digest] for digest in self._queues)
        budget = self._settings.budget_bytes
        return bool(budget and self._queues) and used + self._expected(entry) > budget

    def _make_room(self, needed_bytes: int) -> None:
        with self._lock:
            held = [
                Held(digest=digest, size_bytes=self._sizes[digest], last_used=queue.last_used, busy=queue.busy)
                for digest, queue in self._queues.items()
            ]
            evicted = to_evict(held, needed_bytes=needed_bytes, budget_bytes=self._settings.budget_bytes)
            leaving = [self._queues.pop(digest) for digest in evicted]
        _close(leaving)


def _close(queues: Sequence[ModelQueue]) -> None:
    """Answer what waits in these queues, and give their memory back."""
    for queue in queues:
        queue.close()
        _log.info("model left", model=queue.model.id)


def _warm(entry: CatalogEntry, model: LoadedModel, turnstile: Turnstile) -> None:
    """Ask every network once, so that the first job does not pay for what is made at the first inference."""
    for network in entry.card.networks:
        inputs = next(golden_inputs(entry, network), None)
        if inputs is not None:
            with turnstile:
                model.infer(network, inputs)


def _file_bytes(entry: CatalogEntry) -> int:
    files = [entry.directory / network.file for network in entry.card.networks.values()]
    return sum(file.stat().st_size for file in files if file.is_file())


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
