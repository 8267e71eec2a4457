"""Golden inputs prove a model on this machine, and find a wrong one out."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalog import CatalogEntry, read_entry
from models.errors import CardError
from models.loaded import LoadedModel
from models.proving.checking import GoldenVerdict, check, prove
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.runtime import Runtime
from models.testing_runtimes import ConstantRuntime


def write_golden(entry: CatalogEntry, **arrays: Any) -> None:
    """Replace the golden file; dots in names are double underscores."""
    named = {name.replace("__", "."): array for name, array in arrays.items()}
    np.savez(entry.directory / "golden.npz", **named)


def test_a_right_model_passes(threshold_model: CatalogEntry) -> None:
    """The shipped test model agrees with its golden file in every voxel."""
    (verdict,) = check(threshold_model, OnnxRuntime())
    assert verdict.passed
    assert verdict.deviation == 0
    assert verdict.runtime.startswith("onnxruntime ")
    assert verdict.network == "main"


def test_another_answer_does_not_pass(threshold_model: CatalogEntry) -> None:
    """A runtime that labels other voxels is found out, with the share of them."""
    (verdict,) = check(threshold_model, ConstantRuntime())
    assert not verdict.passed
    assert 0.4 < verdict.deviation < 0.6
    assert verdict.limit == 0.001


@pytest.mark.parametrize("answer", [np.array([1.0, np.nan]), np.array([1.0, 2.1]), np.zeros(3)], ids=str)
def test_numbers_that_differ_do_not_pass(threshold_model: CatalogEntry, answer: Any) -> None:
    """Not a number, more than the relative error, another shape: none of it passes."""
    write_golden(threshold_model, input__input=np.zeros(2), expected__logits=np.array([1.0, 2.0]))
    (verdict,) = check(threshold_model, ConstantRuntime(answers={"logits": answer}))
    assert not verdict.passed


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"logits": np.zeros(3)}, "s). logits is (3,), and expected is (2,)"),
        ({"other": np.zeros(2)}, "s). The network has no output logits, or of fewer axes than the card's stride"),
    ],
)
def test_an_answer_that_cannot_be_compared_is_told_as_that(
    threshold_model: CatalogEntry, answers: dict[str, Any], told: str
) -> None:
    """An infinite deviation would not say whether the golden file is stale or the runtime wrong."""
    write_golden(threshold_model, input__input=np.zeros(2), expected__logits=np.array([1.0, 2.0]))
    (verdict,) = check(threshold_model, ConstantRuntime(answers=answers))
    assert str(verdict).endswith(told)


def test_numbers_within_the_relative_error_pass(threshold_model: CatalogEntry) -> None:
    """The error is measured against the largest expected number."""
    write_golden(threshold_model, input__input=np.zeros(2), expected__logits=np.array([0.0, 200.0]))
    (verdict,) = check(threshold_model, ConstantRuntime(answers={"logits": np.array([0.1, 200.0])}))
    assert verdict.passed
    assert verdict.deviation == pytest.approx(0.0005)


def test_a_stride_compares_only_what_was_kept(threshold_model: CatalogEntry) -> None:
    """A golden file may hold every n-th element of a large answer."""
    card = threshold_model.directory / "model.toml"
    card.write_text(card.read_text() + "stride = [1, 2]\n")
    entry = read_entry(threshold_model.directory)
    write_golden(entry, input__input=np.zeros(2), expected__logits=np.array([[0.0, 2.0, 4.0]]))
    (verdict,) = check(entry, ConstantRuntime(answers={"logits": np.array([[0.0, 99.0, 2.0, 99.0, 4.0]])}))
    assert verdict.passed


def proven(entry: CatalogEntry, runtime: Runtime, kept: Path) -> list[GoldenVerdict]:
    """Load a model and run its golden inputs, but for those that have passed."""
    with closing(LoadedModel.load(entry, runtime, threads=1)) as model:
        return prove(entry, model, kept=kept)


def test_a_verdict_is_kept_by_model_and_runtime(threshold_model: CatalogEntry, tmp_path: Path) -> None:
    """The second check of the same model and runtime runs nothing; another runtime, and a damaged file, run again."""
    kept = tmp_path / "state" / "verdicts.json"
    (first,) = proven(threshold_model, OnnxRuntime(), kept)
    (second,) = proven(threshold_model, OnnxRuntime(), kept)
    assert first.seconds > 0
    assert (second.passed, second.deviation, second.seconds) == (first.passed, first.deviation, 0)
    assert not proven(threshold_model, ConstantRuntime(answers={"labels": np.ones(2)}), kept)[0].passed
    kept.write_text("{damaged")
    assert proven(threshold_model, OnnxRuntime(), kept)[0].seconds > 0


def test_a_golden_file_that_cannot_be_read_is_named(threshold_model: CatalogEntry) -> None:
    """A damaged or empty golden file is an error of the model, not a pass."""
    write_golden(threshold_model, other=np.zeros(2))
    with pytest.raises(CardError, match=r"golden\.npz needs arrays"):
        check(threshold_model, OnnxRuntime())
    (threshold_model.directory / "golden.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(CardError, match=r"golden\.npz cannot be read"):
        check(threshold_model, OnnxRuntime())


def test_what_failed_is_run_again(threshold_model: CatalogEntry, tmp_path: Path) -> None:
    """The golden file was wrong and is mended: no verdict of before stands in the way."""
    kept = tmp_path / "verdicts.json"
    good = (threshold_model.directory / "golden.npz").read_bytes()
    write_golden(threshold_model, input__input=np.zeros((1, 1, 2, 2, 2), np.float32), expected__labels=np.zeros(2))
    assert not proven(threshold_model, OnnxRuntime(), kept)[0].passed
    (threshold_model.directory / "golden.npz").write_bytes(good)
    assert proven(threshold_model, OnnxRuntime(), kept)[0].passed


@pytest.mark.parametrize("changed", ["engine", "golden"])
def test_a_verdict_is_about_what_was_loaded_and_asked(
    threshold_model: CatalogEntry, tmp_path: Path, changed: str
) -> None:
    """Another engine with the same words, as after an update of the driver, or another golden file, proves itself."""
    kept = tmp_path / "verdicts.json"
    right = np.zeros(2, np.uint8)
    write_golden(threshold_model, input__input=np.zeros(2), expected__labels=right)
    assert proven(threshold_model, ConstantRuntime(answers={"labels": right}), kept)[0].passed
    wrong = ConstantRuntime(answers={"labels": np.ones(2, np.uint8)}, engine="new" if changed == "engine" else "")
    if changed == "golden":
        assert proven(threshold_model, wrong, kept)[0].seconds == 0  # not asked: nothing has changed
        write_golden(threshold_model, input__input=np.ones(2), expected__labels=right)
    assert not proven(threshold_model, wrong, kept)[0].passed


def test_no_label_may_differ_where_the_card_says_so(threshold_model: CatalogEntry) -> None:
    """A limit of 0 is a limit."""
    card = threshold_model.directory / "model.toml"
    card.write_text(card.read_text() + "max_label_disagreement = 0.0\n")
    entry = read_entry(threshold_model.directory)
    labels = np.zeros(1000, np.uint8)
    write_golden(entry, input__input=np.zeros(2), expected__labels=labels)
    assert check(entry, ConstantRuntime(answers={"labels": labels}))[0].passed
    one = labels.copy()
    one[7] = 1
    (verdict,) = check(entry, ConstantRuntime(answers={"labels": one}))
    assert (verdict.passed, verdict.deviation, verdict.limit) == (False, 0.001, 0.0)


def test_to_find_nothing_may_be_right(threshold_model: CatalogEntry) -> None:
    """A detector's golden answer may have no boxes."""
    nothing = np.zeros((0, 6), np.float32)
    write_golden(threshold_model, input__input=np.zeros(2), expected__boxes=nothing)
    assert check(threshold_model, ConstantRuntime(answers={"boxes": nothing}))[0].passed
    assert not check(threshold_model, ConstantRuntime(answers={"boxes": np.ones((1, 6), np.float32)}))[0].passed


def test_an_answer_with_fewer_axes_than_the_stride_does_not_pass(threshold_model: CatalogEntry) -> None:
    """It is no answer to compare."""
    card = threshold_model.directory / "model.toml"
    card.write_text(card.read_text() + "stride = [1, 2]\n")
    entry = read_entry(threshold_model.directory)
    write_golden(entry, input__input=np.zeros(2), expected__logits=np.array([[0.0, 2.0]]))
    assert not check(entry, ConstantRuntime(answers={"logits": np.zeros(3)}))[0].passed


@pytest.mark.parametrize(
    "change",
    [
        lambda one: [one | {"of_a_later_release": 1}],
        lambda one: [{key: value for key, value in one.items() if key != "limit"}],
        lambda one: [one | {"passed": False}],
        lambda one: [one, one],
        lambda _: [],
        lambda _: [5],
        lambda _: None,
    ],
)
def test_a_kept_verdict_of_another_kind_is_none(
    threshold_model: CatalogEntry, tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    """Another release's or a damaged one proves nothing and costs no model: the golden input is run again."""
    kept = tmp_path / "verdicts.json"
    proven(threshold_model, OnnxRuntime(), kept)
    verdicts = json.loads(kept.read_text())
    kept.write_text(json.dumps({key: change(*told) for key, told in verdicts.items()}))
    (verdict,) = proven(threshold_model, OnnxRuntime(), kept)
    assert verdict.passed
    assert verdict.seconds > 0
