"""A network that reads slices is moved through a volume; each slice comes with its neighbours as channels."""

import numpy as np
from numpy.typing import NDArray

from models.asking.answers import only_output
from models.card.card_inference import Slices
from models.errors import RuntimeFailed
from models.runtimes.runtime import Infer


def ask_slices(
    infer: Infer, network: str, name: str, array: NDArray[np.float32], strategy: Slices, *, at_once: int = 1
) -> NDArray[np.generic]:
    """Return a network's answers to all slices of a volume, stacked.

    Args:
        infer: Asks the network, whose input is ``(n, channels * (2 * neighbours + 1), rows, columns)``.
        network: Its name on the card.
        name: Of its input.
        array: ``(1, channels, d, h, w)``.
        strategy: Along which axis, with how many neighbours.
        at_once: Slices that the network takes along its first axis.

    Returns ``(1, classes, d, h, w)``; ``(1, 1, d, h, w)`` where the network answers label numbers.

    Raises RuntimeFailed when the answer to n slices is neither ``(n, classes, rows, columns)`` nor
    ``(n, rows, columns)``, CardError for several outputs.
    """
    # The slices first: (slices, channels, rows, columns).
    slices = np.moveaxis(array[0], strategy.axis + 1, 0)
    count, answers = slices.shape[0], []
    reach = np.arange(-strategy.neighbours, strategy.neighbours + 1)
    for start in range(0, count, at_once):
        group = range(start, min(start + at_once, count))
        seen = [slices[np.clip(place + reach, 0, count - 1)].reshape(-1, *slices.shape[2:]) for place in group]
        answer = only_output(infer(network, {name: np.ascontiguousarray(np.stack(seen))}))
        if answer.ndim == 3:  # noqa: PLR2004
            answer = answer[:, np.newaxis]
        if answer.ndim != 4 or answer.shape[0] != len(group) or answer.shape[2:] != slices.shape[2:]:  # noqa: PLR2004
            raise RuntimeFailed(
                f"the network answers {answer.shape} to {len(group)} slices of {slices.shape[2:]}, not "
                "(slices, classes, rows, columns): mend the card's inference, or the network"
            )
        answers.append(answer)
    stacked = np.concatenate(answers)  # (slices, classes, rows, columns)
    return np.moveaxis(np.moveaxis(stacked, 1, 0), 1, strategy.axis + 1)[np.newaxis]
