"""Which models a host holds, without its process and its socket."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import Any
from unittest.mock import Mock, patch

import numpy as np
import pytest
from structlog.testing import capture_logs

from models.catalog import Catalog, read_entry
from models.errors import DeviceLost, ModelTwice
from models.loaded import LoadedModel
from models.runtimes.onnx_runtime import OnnxNetwork, OnnxRuntime
from models.testing import write_threshold_model
from models.testing_runtimes import ScarceRuntime
from worker.hosting.shelf import Shelf, ShelfSettings

_CUBE = np.ones((1, 1, 16, 16, 16), np.float32)


def test_a_device_that_is_lost_while_a_model_proves_itself_is_told(tmp_path: Path) -> None:
    """Nothing on it can be trusted any more, so it ends the process at the start and at a first request alike."""
    entry = read_entry(write_threshold_model(tmp_path / "models"))
    lost = tmp_path / "lost"
    lost.touch()
    told: list[str] = []
    shelf = Shelf(
        lambda: Catalog.scan((tmp_path / "models",)),
        [ScarceRuntime(lost=lost), OnnxRuntime()],
        ShelfSettings(threads=1),
        on_device_lost=lambda error: told.append(str(error)),
    )
    shelf.fill()
    assert told == ["the device was lost on purpose"]
    with pytest.raises(DeviceLost):
        shelf.infer(entry.card.id, entry.digest, "main", {"input": _CUBE})
    assert len(told) == 2
    lost.unlink()
    runtime, answer = shelf.infer(entry.card.id, entry.digest, "main", {"input": _CUBE})
    assert runtime == "scarce 1 cpu"
    assert answer["labels"].all()
    shelf.close()


def test_a_model_that_is_there_twice_is_neither_held_nor_run(tmp_path: Path) -> None:
    """Whichever of the two a request means: it is told of both directories."""
    entry = read_entry(write_threshold_model(tmp_path / "models"))
    copytree(entry.directory, entry.directory.with_name("copy"))
    shelf = Shelf(lambda: Catalog.scan((tmp_path / "models",)), [OnnxRuntime()], ShelfSettings(threads=1))
    shelf.fill()
    assert shelf.resident == []
    with pytest.raises(ModelTwice, match="two directories hold"):
        shelf.infer(entry.card.id, entry.digest, "main", {"input": _CUBE})
    shelf.close()


def test_a_card_that_cannot_be_read_is_told_at_the_start(tmp_path: Path) -> None:
    """The log names the directory and the mistake; the other models are held."""
    write_threshold_model(tmp_path / "models", id="right")
    wrong = write_threshold_model(tmp_path / "models", id="wrong") / "model.toml"
    wrong.write_text("licens = 1\n" + wrong.read_text())
    shelf = Shelf(lambda: Catalog.scan((tmp_path / "models",)), [OnnxRuntime()], ShelfSettings(threads=1))
    with capture_logs() as logs:
        shelf.fill()
    (told,) = [line for line in logs if line["event"] == "model not loaded"]
    assert told["directory"] == str(wrong.parent)
    assert "licens: unknown key" in told["cause"]
    assert shelf.resident == ["right"]
    shelf.close()


def test_verdicts_that_cannot_be_kept_cost_time_and_no_model(tmp_path: Path) -> None:
    """Where the disk refuses the file of verdicts, a model that has proven itself is held all the same."""
    entry = read_entry(write_threshold_model(tmp_path / "models"))
    (tmp_path / "file").touch()
    shelf = Shelf(
        lambda: Catalog.scan((tmp_path / "models",)),
        [OnnxRuntime()],
        ShelfSettings(threads=1, verdicts=tmp_path / "file" / "verdicts.json"),
    )
    shelf.fill()
    assert shelf.resident == [entry.card.id]
    shelf.close()


def test_a_model_that_fails_unforeseen_while_it_gets_warm_leaves_nothing_behind(tmp_path: Path) -> None:
    """Its networks are closed, the request is told, and the shelf goes on."""
    entry = read_entry(write_threshold_model(tmp_path / "models"))
    network = Mock(runtime="flawed 1 cpu", fingerprint="")
    network.infer.side_effect = ValueError("unforeseen")
    flawed = Mock(load=Mock(return_value=network))
    flawed.name = "flawed"
    catalog = Catalog.scan((tmp_path / "models",))
    # As if it was proven at an earlier start: getting warm is its first inference.
    with patch(
        "worker.hosting.shelf.load_proven", lambda entry, runtimes, **_: LoadedModel.load(entry, runtimes[0], 1)
    ):
        shelf = Shelf(lambda: catalog, [flawed], ShelfSettings(threads=1))
        with pytest.raises(ValueError, match="unforeseen"):
            shelf.infer(entry.card.id, entry.digest, "main", {"input": _CUBE})
        assert network.close.call_count == 1
        network.infer.side_effect = None
        network.infer.return_value = {"labels": np.ones(1)}
        assert shelf.infer(entry.card.id, entry.digest, "main", {"input": _CUBE})[0] == "flawed 1 cpu"
        shelf.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "out of memory: give the host more, or run fewer models"),
        (KeyError("unforeseen"), r"KeyError at test_shelf\.py:\d+: a defect of wetread; please report it"),
    ],
)
def test_why_a_model_is_not_held_is_told(tmp_path: Path, error: Exception, told: str) -> None:
    """Too little memory is no defect, and of a defect it is told where it is; the host starts all the same."""
    write_threshold_model(tmp_path / "models")

    def failing(*_arguments: object, **_named: object) -> LoadedModel:
        raise error

    with patch("worker.hosting.shelf.load_proven", failing), capture_logs() as logs:
        shelf = Shelf(lambda: Catalog.scan((tmp_path / "models",)), [], ShelfSettings(threads=1))
        shelf.fill()
        shelf.close()
    (cause,) = [entry["cause"] for entry in logs if entry["event"] == "model not loaded"]
    assert re.fullmatch(told, cause)


class OneAtATime(OnnxRuntime):
    """ONNX Runtime, which takes its time for one model: until it is told to go on."""

    def __init__(self, slow: str) -> None:
        """Take the id of that model."""
        self.slow = slow
        self.begun, self.go_on = threading.Event(), threading.Event()

    def load(self, file: Path, **how: Any) -> OnnxNetwork:
        """Load it, sooner or later."""
        if file.parent.name == self.slow:
            self.begun.set()
            self.go_on.wait(30)
        return super().load(file, **how)


def test_who_asks_for_a_resident_model_does_not_wait_for_the_load_of_another(tmp_path: Path) -> None:
    """An engine may be built for minutes; who asks for it waits, and gets its answer then."""
    quick = read_entry(write_threshold_model(tmp_path / "models", id="quick"))
    runtime = OneAtATime("slow")
    shelf = Shelf(lambda: Catalog.scan((tmp_path / "models",)), [runtime], ShelfSettings(threads=1))
    shelf.fill()
    slow = read_entry(write_threshold_model(tmp_path / "models", id="slow"))
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(shelf.infer, "slow", slow.digest, "main", {"input": _CUBE})
        assert runtime.begun.wait(30)
        answered = pool.submit(shelf.infer, "quick", quick.digest, "main", {"input": _CUBE})
        try:
            assert answered.result(timeout=10)[1]["labels"].all()
            assert not asked.done()
        finally:
            runtime.go_on.set()
        assert asked.result(timeout=30)[1]["labels"].all()
    assert shelf.resident == ["quick", "slow"]
    shelf.close()


class CountedRuntime(OnnxRuntime):
    """ONNX Runtime, which takes its time for each answer and notes how many it is asked for at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self.lock, self.running, self.most = threading.Lock(), 0, 0

    def load(self, file: Path, **how: Any) -> OnnxNetwork:
        """Load a network whose inferences are counted."""
        network = super().load(file, **how)
        infer = network.infer

        def counted(inputs: Any) -> Any:
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
            time.sleep(0.05)
            with self.lock:
                self.running -= 1
            return infer(inputs)

        setattr(network, "infer", counted)  # noqa: B010  # a method, which mypy lets nobody replace
        return network


def test_a_model_proves_itself_and_gets_warm_between_the_answers_of_others(tmp_path: Path) -> None:
    """Beside them the device could be too small for both, and the model would run on a slower runtime from then on."""
    quick = read_entry(write_threshold_model(tmp_path / "models", id="quick"))
    runtime = CountedRuntime()
    shelf = Shelf(lambda: Catalog.scan((tmp_path / "models",)), [runtime], ShelfSettings(threads=1))
    shelf.fill()
    other = read_entry(write_threshold_model(tmp_path / "models", id="other"))
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(shelf.infer, "other", other.digest, "main", {"input": _CUBE})
        while not asked.done():
            shelf.infer("quick", quick.digest, "main", {"input": _CUBE})
        assert asked.result(timeout=30)[1]["labels"].all()
    assert runtime.most == 1
    shelf.close()


def test_what_is_asked_for_comes_in_between_while_the_shelf_is_filled(tmp_path: Path) -> None:
    """And is not loaded a second time when its turn comes."""
    for model_id in ("a-slow-one", "b", "c"):
        write_threshold_model(tmp_path / "models", id=model_id)
    wanted = read_entry(tmp_path / "models" / "c")
    runtime = OneAtATime("a-slow-one")
    shelf = Shelf(lambda: Catalog.scan((tmp_path / "models",)), [runtime], ShelfSettings(threads=1))
    with capture_logs() as logs, ThreadPoolExecutor(2) as pool:
        filling = pool.submit(shelf.fill)
        assert runtime.begun.wait(30)
        asked = pool.submit(shelf.infer, "c", wanted.digest, "main", {"input": _CUBE})
        time.sleep(0.2)
        runtime.go_on.set()
        assert asked.result(timeout=30)[1]["labels"].all()
        filling.result(timeout=30)
    loaded = [line["model"] for line in logs if line["event"] == "model loaded"]
    assert loaded == ["a-slow-one", "c", "b"]
    shelf.close()
