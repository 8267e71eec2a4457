"""A resident model answers by the names of its networks."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from models.catalog import CatalogEntry, ModelState
from models.errors import ModelIncomplete, RuntimeFailed
from models.loaded import LoadedModel
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.runtime import LoadedNetwork


def test_networks_are_asked_by_the_cards_names(threshold_model: CatalogEntry) -> None:
    """A known name answers, an unknown one is a failure that lists the known."""
    model = LoadedModel.load(threshold_model, OnnxRuntime(), 1)
    assert (model.id, model.digest) == ("constant-answer", threshold_model.digest)
    assert model.runtime.startswith("onnxruntime ")
    array = np.zeros((1, 1, 4, 4, 4), np.float32)
    assert model.infer("main", {"input": array})["labels"].shape == (1, 4, 4, 4)
    with pytest.raises(RuntimeFailed, match="no network locator; its card names main"):
        model.infer("locator", {"input": array})


def test_after_close_it_answers_no_more(threshold_model: CatalogEntry) -> None:
    """Closing closes every network."""
    model = LoadedModel.load(threshold_model, OnnxRuntime(), 1)
    model.close()
    with pytest.raises(RuntimeFailed, match="closed"):
        model.infer("main", {"input": np.zeros((1, 1, 4, 4, 4), np.float32)})


def test_a_model_that_is_not_ready_is_not_loaded(threshold_model: CatalogEntry) -> None:
    """The catalog's reason is the error."""
    entry = replace(threshold_model, state=ModelState.INCOMPLETE, reason="run `wetread models fetch it`")
    with pytest.raises(ModelIncomplete, match="wetread models fetch it"):
        LoadedModel.load(entry, OnnxRuntime(), 1)


def test_a_network_that_cannot_be_loaded_is_a_named_failure(threshold_model: CatalogEntry) -> None:
    """A damaged file that no checksum protects ends in RuntimeFailed."""
    (threshold_model.directory / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(RuntimeFailed, match="cannot load"):
        LoadedModel.load(threshold_model, OnnxRuntime(), 1)


def test_what_was_loaded_is_closed_where_the_next_network_cannot_be(threshold_model: CatalogEntry) -> None:
    """Also after an error that nobody foresaw: what nobody holds could never be closed."""
    closed: list[str] = []

    class Flawed(OnnxRuntime):
        """Loads one network, and is told when it is closed."""

        def load(self, file: Path, **options: Any) -> LoadedNetwork:
            if file.name == "other.onnx":
                raise ValueError("unforeseen")
            network = super().load(file, **options)
            return Mock(wraps=network, close=lambda: closed.append(file.name))

    main = threshold_model.card.networks["main"]
    networks = {"main": main, "other": main.model_copy(update={"file": "other.onnx"})}
    entry = replace(threshold_model, card=threshold_model.card.model_copy(update={"networks": networks}))
    with pytest.raises(ValueError, match="unforeseen"):
        LoadedModel.load(entry, Flawed(), 1)
    assert closed == [main.file]


class Torch(OnnxRuntime):
    """Goes by torch's name, and says which networks it was asked for."""

    name = "torch"

    def __init__(self) -> None:
        self.asked: list[Path] = []

    def load(self, file: Path, **options: Any) -> Any:
        """Load the network as ONNX Runtime does."""
        self.asked.append(file)
        return super().load(file, **options)


def with_program(entry: CatalogEntry, *, pinned: bytes | None) -> CatalogEntry:
    """Return the model with a program beside its network, and a card that names the digest of these bytes."""
    (entry.directory / "model.pt2").write_bytes(b"code")
    digest = None if pinned is None else hashlib.sha256(pinned).hexdigest()
    main = entry.card.networks["main"].model_copy(update={"pt2_sha256": digest})
    return replace(entry, card=entry.card.model_copy(update={"networks": {"main": main}}))


@pytest.mark.parametrize(
    ("pinned", "words"), [(None, "no pt2_sha256 for network main"), (b"other code", "its card says")], ids=str
)
def test_a_program_that_the_card_does_not_name_is_never_loaded(
    threshold_model: CatalogEntry, pinned: bytes | None, words: str
) -> None:
    """It is code, so that torch does not even open it; the refusal says what to do."""
    runtime = Torch()
    with pytest.raises(RuntimeFailed, match=rf"torch does not run .*model\.pt2.*{words}.*import the model"):
        LoadedModel.load(with_program(threshold_model, pinned=pinned), runtime, 1)
    assert runtime.asked == []
    # Without torch nobody opens it, and the model is as good as before.
    LoadedModel.load(with_program(threshold_model, pinned=None), OnnxRuntime(), 1).close()


def test_a_program_that_the_card_names_is_loaded(threshold_model: CatalogEntry) -> None:
    """Its digest is the card's."""
    runtime = Torch()
    LoadedModel.load(with_program(threshold_model, pinned=b"code"), runtime, 1).close()
    assert runtime.asked == [threshold_model.directory / "model.onnx"]


def test_a_model_without_a_program_does_not_run_in_torch(threshold_model: CatalogEntry) -> None:
    """What was imported from ONNX or TorchScript has none, and importing it again would bring none."""
    with pytest.raises(RuntimeFailed, match=r"model\.pt2 is not there.*leave torch out of models\.runtimes"):
        LoadedModel.load(threshold_model, Torch(), 1)


def test_a_program_that_is_missing_is_a_named_failure(threshold_model: CatalogEntry) -> None:
    """The card names one that is not there."""
    entry = with_program(threshold_model, pinned=b"code")
    (entry.directory / "model.pt2").unlink()
    with pytest.raises(RuntimeFailed, match=r"cannot read .*model\.pt2"):
        LoadedModel.load(entry, Torch(), 1)
