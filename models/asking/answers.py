"""What a network's answer means, of a volume or of an image: label numbers, or logits of the one label."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_parts import Label
from models.errors import CardError, ImplausibleResult

_BACKGROUND_AND_LABEL = 2
#: No float32 is closer to 1, and nothing is lost for one that is closer to 0.
_LEAST_PROBABILITY = 1e-7
#: Beyond 0 and 1 by more than rounding in the lowest precision.
_NO_PROBABILITY = 0.02
_LARGEST_LABEL = 255
#: What fp16 holds: beside an infinite logit, one that is interpolated would be NaN, and told as not found.
_LARGEST_LOGIT = 65504.0
_NO_NUMBERS = (
    "the result is not sent: the network's answer holds values that are no numbers (NaN), or infinite ones where the "
    "highest counts. In a lower precision it may overflow on such images: read them in fp32; else mend the model"
)


def logit(probability: float) -> float:
    """Return the logit of a probability between 0 and 1, both excluded."""
    return float(np.log(probability / (1.0 - probability)))


def are_probabilities(values: NDArray[Any]) -> bool:
    """Say whether all values are numbers from 0 to 1, but for rounding: in bf16 a probability of 1 comes as 1.004."""
    return not values.size or bool(values.min() >= -_NO_PROBABILITY and values.max() <= 1.0 + _NO_PROBABILITY)


def answered(
    model_id: str,
    interpretation: LabelMapInterpretation,
    answer: Mapping[str, NDArray[np.generic]],
    shape: tuple[int, ...],
    labels: Sequence[Label] = (),
) -> NDArray[Any]:
    """Return what the one output of a network says, in the input's shape without batch and channels.

    For kind ``probability`` that is float32 logits of label 1 (of two channels: its own less the background's), for the
    others uint8 label numbers.

    Args:
        model_id: For the message.
        interpretation: The card's.
        answer: The network's.
        shape: Of the input, ``(d, h, w)`` or ``(rows, columns)``.
        labels: The card's; for kinds ``multi-label`` and ``regions`` one may have a threshold of its own.

    Raises CardError when the answer is not the card's kind, ImplausibleResult where it holds what is no number.
    """
    output = np.asarray(next(iter(answer.values()))) if len(answer) == 1 else None
    if output is not None:
        _require_numbers(output)
    found = None if output is None else _READ[interpretation.kind](interpretation, output, shape, labels)
    if found is not None:
        _require_numbers(found)  # the difference of two infinite logits is none
    if found is None:
        shapes = {name: array.shape for name, array in answer.items()}
        raise CardError(
            f"{model_id}: the network answers {shapes}, which is not {interpretation.kind} for an input {shape}; mend "
            "the card"
        )
    return found


def only_output(answer: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """Return the one output of a network that is asked part by part. Raises CardError, naming them, for several."""
    if len(answer) != 1:
        shapes = {name: array.shape for name, array in answer.items()}
        raise CardError(
            f"the network answers {shapes}, and one output is read; export it again with the answer alone, without "
            "what it was only trained with"
        )
    return next(iter(answer.values()))


def _require_numbers(values: NDArray[Any]) -> None:
    """Refuse NaN: no comparison with it is true, so it would be told as "looked for and not found"."""
    # The least of values is NaN if one of them is; without an array of answers as large as the values.
    if values.size and np.issubdtype(values.dtype, np.floating) and np.isnan(values.min()):
        raise ImplausibleResult(_NO_NUMBERS)


def _labels(
    _interpretation: LabelMapInterpretation,
    output: NDArray[Any],
    shape: tuple[int, ...],
    _labels_of_card: Sequence[Label],
) -> NDArray[Any] | None:
    if output.shape not in {(1, *shape), (1, 1, *shape)}:
        return None
    if output.size and not (output.min() >= 0 and output.max() <= _LARGEST_LABEL and _is_whole(output)):
        raise CardError(
            f"the network's answer holds values that are no label numbers from 0 to {_LARGEST_LABEL}; is its kind "
            "probability, classes or multi-label?"
        )
    return output.astype(np.uint8, copy=False).reshape(shape)


def _is_whole(values: NDArray[Any]) -> bool:
    return not np.issubdtype(values.dtype, np.floating) or bool((values == np.floor(values)).all())


def _require_channels(output: NDArray[Any], wanted: int, largest: int) -> None:
    """Refuse a network that can never answer one of the card's labels: it would be told as looked for and missing.

    And one with more channels than there are label numbers: those beyond would be told as other labels.
    """
    if output.shape[1] - (wanted - largest) > _LARGEST_LABEL:
        raise CardError(
            f"the network answers {output.shape[1]} channels, and label numbers end at {_LARGEST_LABEL}: export it "
            "again with fewer, or several that are one structure as one"
        )
    if output.shape[1] < wanted:
        raise CardError(
            f"the network answers {output.shape[1]} channels, and the card has label {largest}; mend the card's labels"
        )


def _classes(
    _interpretation: LabelMapInterpretation,
    output: NDArray[Any],
    shape: tuple[int, ...],
    labels: Sequence[Label],
) -> NDArray[Any] | None:
    if not _is_channels(output, shape):
        return None
    largest = max((label.number for label in labels), default=0)
    _require_channels(output, largest + 1, largest)  # the first one is the background's
    found = np.asarray(output[0].argmax(axis=0), np.uint8)
    # Of equals the first wins, which is the background: what has overflown would be told as not found.
    if output.size and (output.max() == np.inf or bool((output[0, 0][found == 0] == -np.inf).any())):
        raise ImplausibleResult(_NO_NUMBERS)
    return found


def _probability(
    interpretation: LabelMapInterpretation,
    output: NDArray[Any],
    shape: tuple[int, ...],
    _labels_of_card: Sequence[Label],
) -> NDArray[Any] | None:
    if not _is_channels(output, shape) or output.shape[1] > _BACKGROUND_AND_LABEL:
        return None
    values = _logits(interpretation, output)
    if len(values) == 1 or interpretation.activation == "probabilities":
        # Of two probabilities the second says all.
        return _finite(values[-1])
    with np.errstate(invalid="ignore"):  # of two infinities the difference is NaN, and that is refused
        return _finite(values[1] - values[0])


def _finite(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT), np.float32)


def _multi_label(
    interpretation: LabelMapInterpretation, output: NDArray[Any], shape: tuple[int, ...], labels: Sequence[Label]
) -> NDArray[Any] | None:
    if not _is_channels(output, shape):
        return None
    best = np.full(shape, -np.inf, np.float32)
    found = np.zeros(shape, np.uint8)
    # Label by label: of those above their own threshold the likeliest; of equals the first.
    for number, (channel, cut) in enumerate(_with_cuts(interpretation, output, labels), start=1):
        wins = (channel > cut) & (channel > best)
        found[wins], best[wins] = number, channel[wins]
    return found


def _regions(
    interpretation: LabelMapInterpretation, output: NDArray[Any], shape: tuple[int, ...], labels: Sequence[Label]
) -> NDArray[Any] | None:
    if not _is_channels(output, shape):
        return None
    answers = _with_cuts(interpretation, output, labels)
    found = np.zeros(shape, np.uint8)
    for number in interpretation.order or range(1, len(answers) + 1):
        channel, cut = answers[number - 1]
        found[channel > cut] = number
    return found


def _with_cuts(
    interpretation: LabelMapInterpretation, output: NDArray[Any], labels: Sequence[Label]
) -> list[tuple[NDArray[np.float32], float]]:
    """Return of each label by itself the logits and the one that they must be above. Raises CardError."""
    largest = max((label.number for label in labels), default=0)
    _require_channels(output, largest, largest)
    own = {label.number: label.threshold for label in labels if label.threshold is not None}
    values = _logits(interpretation, output)
    return [(channel, logit(own.get(i, interpretation.threshold))) for i, channel in enumerate(values, start=1)]


_READ = {
    "labels": _labels,
    "classes": _classes,
    "probability": _probability,
    "multi-label": _multi_label,
    "regions": _regions,
}


def _is_channels(output: NDArray[Any], shape: tuple[int, ...]) -> bool:
    return output.ndim == len(shape) + 2 and output.shape[0] == 1 and output.shape[2:] == shape


def _logits(interpretation: LabelMapInterpretation, output: NDArray[Any]) -> NDArray[np.float32]:
    values = np.asarray(output[0], np.float32)
    if interpretation.activation == "logits":
        return values
    if not are_probabilities(values):
        raise CardError(
            "the network's answer holds values beyond 0 and 1, which are no probabilities: activation = logits?"
        )
    clipped = np.clip(values, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    return np.asarray(np.log(clipped / (1.0 - clipped)), np.float32)
