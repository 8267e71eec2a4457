"""One resident model and the requests that wait for it, without a host's process."""

from typing import Any

import numpy as np
import pytest

from models.errors import OutOfDeviceMemory
from models.loaded import LoadedModel
from models.runtimes.runtime import Arrays
from worker.hosting.model_queue import ModelQueue
from worker.hosting.turnstile import Turnstile


class Cramped:
    """A network whose memory holds so many inputs; it answers twice its input."""

    runtime = "cramped 1 cpu"
    fingerprint = ""

    def __init__(self, fits: int) -> None:
        """Take how many fit."""
        self.fits = fits
        self.asked: list[int] = []

    def infer(self, inputs: Arrays) -> dict[str, Any]:
        """Answer, or run out of memory."""
        self.asked.append(len(inputs["input"]))
        if len(inputs["input"]) > self.fits:
            raise OutOfDeviceMemory("so many do not fit")
        return {"answer": 2 * np.asarray(inputs["input"], np.float32)}

    def close(self) -> None:
        """Do nothing."""


def _queue(network: Cramped, most: int) -> ModelQueue:
    model = LoadedModel(id="cramped", digest="0", networks={"main": network})
    return ModelQueue(
        model, most={"main": most}, patience_s=0.0, turnstile=Turnstile(1), on_device_lost=lambda _lost: None
    )


@pytest.mark.parametrize("fits", [1, 2, 3, 5])
def test_a_request_is_answered_in_as_many_parts_as_memory_demands(fits: int) -> None:
    """Whatever fits, down to one by one; later requests begin with what has fitted."""
    network = Cramped(fits)
    queue = _queue(network, most=8)
    windows = np.arange(8, dtype=np.float32)[:, np.newaxis]
    np.testing.assert_array_equal(queue.infer("main", {"input": windows})["answer"], 2 * windows)
    network.asked.clear()
    np.testing.assert_array_equal(queue.infer("main", {"input": windows})["answer"], 2 * windows)
    assert max(network.asked) <= fits
    queue.close()


def test_one_input_that_does_not_fit_is_told() -> None:
    """Nothing is left to divide."""
    queue = _queue(Cramped(0), most=8)
    with pytest.raises(OutOfDeviceMemory, match="even for one input"):
        queue.infer("main", {"input": np.zeros((4, 1), np.float32)})
    queue.close()


def test_what_takes_one_input_is_never_divided() -> None:
    """The first axis of such a network need not be that of inputs."""
    network = Cramped(1)
    queue = _queue(network, most=1)
    with pytest.raises(OutOfDeviceMemory):
        queue.infer("main", {"input": np.zeros((4, 1), np.float32)})
    assert network.asked == [4]
    queue.close()
