"""Which models a host holds, without its process and its socket."""

from pathlib import Path

import numpy as np
import pytest

from models.catalog import Catalog, read_entry
from models.errors import DeviceLost
from models.onnx_runtime import OnnxRuntime
from models.testing import ScarceRuntime, write_threshold_model
from worker.shelf import Shelf, ShelfSettings

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
