"""One resident model and the requests that wait for it: batches over jobs, and smaller ones when memory runs out."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from models.errors import DeviceLost, ModelError, OutOfDeviceMemory, RuntimeFailed
from models.loaded import LoadedModel
from models.runtimes.runtime import Arrays
from worker.hosting.batching import Asked, next_batch
from worker.hosting.turnstile import Turnstile

_log = structlog.get_logger()


@dataclass(eq=False)
class _Request:
    network: str
    inputs: Arrays
    asked: Asked
    answered: threading.Event = field(default_factory=threading.Event)
    outputs: Arrays | None = None
    error: Exception | None = None


@dataclass
class Counts:
    """What a model has done since it was loaded.

    Attributes:
        requests: Answered, or failed.
        inputs: Along the first axis of all of them.
        batches: Inferences.
        waited_s: All requests together, from coming to the begin of their inference.
    """

    requests: int = 0
    inputs: int = 0
    batches: int = 0
    waited_s: float = 0.0


class ModelQueue:
    """Answers the requests for one model in a thread of its own, which the turnstile lets run."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        most: Mapping[str, int],
        patience_s: float,
        turnstile: Turnstile,
        on_device_lost: Callable[[DeviceLost], None],
    ) -> None:
        """Take the model, how many inputs each network takes at once, and how long company is waited for."""
        self.model = model
        self.counts = Counts()
        self.last_used = time.monotonic()
        self._most = dict(most)
        # Where the card says one, the first axis need not be that of inputs, and nothing is divided along it.
        self._divided = {network for network, inputs in most.items() if inputs > 1}
        self._patience_s = patience_s
        self._turnstile = turnstile
        self._on_device_lost = on_device_lost
        self._waiting: list[_Request] = []
        self._running = 0
        self._expected = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"model-{model.id}", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether somebody waits for it, or it runs."""
        with self._changed:
            return bool(self._expected or self._waiting or self._running)

    def expect(self) -> None:
        """Note that somebody is about to ask: from now on it is busy."""
        with self._changed:
            self._expected += 1

    def infer(self, network: str, inputs: Arrays) -> Arrays:
        """Wait for the answer. Raises what the model raises, RuntimeFailed after `close`."""
        request = _Request(network, inputs, _asked(network, inputs))
        with self._changed:
            if self._closing:
                raise RuntimeFailed(f"{self.model.id} is being unloaded; ask again")
            self._expected = max(0, self._expected - 1)
            self._waiting.append(request)
            self._changed.notify()
        request.answered.wait()
        self.last_used = time.monotonic()
        if request.error is not None:
            raise request.error
        assert request.outputs is not None  # noqa: S101  # answered without an error
        return request.outputs

    def close(self) -> None:
        """Answer what waits, then give memory back."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self.model.close()

    def _run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        # A function of its own: the arrays of a batch must not live until the next one comes.
        batch = self._next()
        if batch is None:
            return False
        try:
            with self._turnstile:
                self._count(batch)
                self._answer(batch)
        finally:
            for request in batch:
                request.answered.set()
            with self._changed:
                self._running = 0
        return True

    def _next(self) -> list[_Request] | None:
        """Wait for the next batch; None when the queue is closed and empty."""
        with self._changed:
            while True:
                waiting = [request.asked for request in self._waiting]
                most = self._most.get(self._waiting[0].network, 1) if self._waiting else 1
                patience_s = 0.0 if self._closing else self._patience_s
                decision = next_batch(waiting, now=time.monotonic(), most=most, patience_s=patience_s)
                if decision.batch:
                    batch = [self._waiting[place] for place in decision.batch]
                    self._waiting = [request for request in self._waiting if request not in batch]
                    self._running = len(batch)
                    return batch
                if self._closing:
                    return None
                self._changed.wait(decision.wait_s)

    def _count(self, batch: list[_Request]) -> None:
        now = time.monotonic()
        self.counts.requests += len(batch)
        self.counts.inputs += sum(request.asked.inputs for request in batch)
        self.counts.waited_s += sum(now - request.asked.since for request in batch)

    def _answer(self, batch: list[_Request]) -> None:
        try:
            answers = self._infer(batch[0].network, [request.inputs for request in batch])
        except DeviceLost as lost:
            self._fail(batch, lost)
            self._on_device_lost(lost)
        except ModelError as error:
            if len(batch) == 1:
                self._fail(batch, error)
                return
            # One bad request must not fail the others.
            for request in batch:
                self._answer([request])
        except Exception as error:  # noqa: BLE001
            # The outermost frame of a batch: a defect costs its requests, never the thread.
            _log.exception("inference failed", model=self.model.id)
            self._fail(batch, RuntimeFailed(f"{type(error).__name__} in the model host; see its log"))
        else:
            for request, outputs in zip(batch, answers, strict=True):
                request.outputs = outputs

    def _fail(self, batch: list[_Request], error: Exception) -> None:
        for request in batch:
            request.error = error

    def _infer(self, network: str, asked: list[Arrays]) -> list[Arrays]:
        """Run requests together; where memory runs out, in halves, and remember how many fit."""
        sizes = [_inputs(inputs) for inputs in asked]
        total, divided = sum(sizes), network in self._divided
        if total <= self._most.get(network, 1) or not divided:
            try:
                return self._infer_at_once(network, asked, sizes)
            except (OutOfDeviceMemory, MemoryError) as error:
                if total == 1 or not divided:
                    raise OutOfDeviceMemory(
                        f"{self.model.id}: too little memory even for one input ({error})"
                    ) from error
            self._most[network] = total // 2
            _log.warning("batch made smaller", model=self.model.id, network=network, inputs=total // 2)
        if len(asked) > 1:
            middle = len(asked) // 2
            return [*self._infer(network, asked[:middle]), *self._infer(network, asked[middle:])]
        (inputs,), parts, start = asked, [], 0
        while start < total:
            end = start + self._most[network]  # which may become less on the way
            parts += self._infer(network, [_cut(inputs, start, end)])
            start = end
        return [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}]

    def _infer_at_once(self, network: str, asked: list[Arrays], sizes: list[int]) -> list[Arrays]:
        self.counts.batches += 1
        if len(asked) == 1:
            return [self.model.infer(network, asked[0])]
        joined = {name: np.concatenate([inputs[name] for inputs in asked]) for name in asked[0]}
        return _parted(self.model.infer(network, joined), sizes)


def _asked(network: str, inputs: Arrays) -> Asked:
    kind = tuple((name, str(array.dtype), array.shape[1:]) for name, array in sorted(inputs.items()))
    return Asked(kind=(network, *kind), inputs=_inputs(inputs), since=time.monotonic())


def _inputs(inputs: Arrays) -> int:
    return max((array.shape[0] for array in inputs.values() if array.ndim), default=1) or 1


def _cut(inputs: Arrays, start: int, end: int) -> dict[str, NDArray[Any]]:
    return {name: array[start:end] for name, array in inputs.items()}


def _parted(answer: Arrays, sizes: list[int]) -> list[Arrays]:
    """Give each request its part of a batch's answer. Raises RuntimeFailed where the first axis is no batch."""
    total = sum(sizes)
    for name, array in answer.items():
        if array.ndim == 0 or array.shape[0] != total:
            raise RuntimeFailed(
                f"the answer {name} {array.shape} to {total} inputs is no batch: its first axis must be the batch's, "
                "or the card must say max_batch = 1"
            )
    ends = np.cumsum(sizes)
    return [_cut(answer, int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)]
