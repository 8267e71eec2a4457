"""A network that reads slices answers for the whole volume."""

from typing import Any

import numpy as np
import pytest

from models.asking.slice_by_slice import ask_slices
from models.card.card_inference import Slices
from models.errors import CardError, RuntimeFailed
from models.runtimes.runtime import Arrays

ARRAY = np.random.default_rng(0).random((1, 1, 5, 6, 7), dtype=np.float32)


def strategy(**changes: Any) -> Slices:
    """Return the strategy with changes."""
    return Slices.model_validate({"strategy": "slices"} | changes)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("at_once", [1, 3, 99])
def test_answers_come_back_to_their_slices(axis: int, at_once: int) -> None:
    """Along any axis and in batches of any size, the stacked answer lies where its slice lay."""

    def infer(_network: str, inputs: Arrays) -> Arrays:
        (x,) = inputs.values()
        assert x.shape[0] <= at_once
        return {"logits": np.concatenate([x, -x], axis=1)}

    answer = ask_slices(infer, "main", "input", ARRAY, strategy(axis=axis), at_once=at_once)
    np.testing.assert_array_equal(answer, np.concatenate([ARRAY, -ARRAY], axis=1))


def test_neighbours_are_channels_and_the_ends_are_repeated() -> None:
    """Each slice comes with those before and after it, in order; before the first comes the first again."""
    seen: list[Any] = []

    def infer(_network: str, inputs: Arrays) -> Arrays:
        (x,) = inputs.values()
        seen.extend(x)
        return {"labels": x[:, 1].astype(np.uint8)}

    answer = ask_slices(infer, "main", "input", ARRAY, strategy(neighbours=1), at_once=2)
    assert answer.shape == (1, 1, 5, 6, 7)
    for place, channels in enumerate(seen):
        around = [max(place - 1, 0), place, min(place + 1, 4)]
        np.testing.assert_array_equal(channels, ARRAY[0, 0, around])


def test_another_answer_is_refused() -> None:
    """An answer that is not of the slices' size is a named failure."""
    with pytest.raises(RuntimeFailed, match=r"3 slices of \(6, 7\)"):
        ask_slices(lambda _n, _i: {"x": np.zeros((3, 2, 3, 3))}, "main", "input", ARRAY, strategy(), at_once=3)


def test_of_several_outputs_none_is_taken_for_the_answer() -> None:
    """A head that was only trained with is named, where a traceback was."""
    two = {"main_head": np.zeros((1, 2, 6, 7)), "deep": np.zeros(())}
    with pytest.raises(CardError, match=r"main_head.*deep.*one output is read"):
        ask_slices(lambda _n, _i: two, "main", "input", ARRAY, strategy())
