"""What a model's files call its channels, as a card may call series."""

import re
from collections.abc import Mapping
from typing import Any

from models.errors import WeightsRefused


def channel_names(numbered: Mapping[Any, Any], file: str) -> list[str]:
    """Return the channels in the network's order, as a card may call them: T1w CE becomes t1w-ce.

    Args:
        numbered: Names by numbers.
        file: Where they stand, for errors.

    Raises WeightsRefused where they are not numbered from 0 on, or are called alike.
    """
    said = {int(number): str(name) for number, name in numbered.items()}
    if sorted(said) != list(range(len(said))) or not said:
        raise WeightsRefused(f"the channels' numbers {sorted(said)} are not 0, 1, 2, ...")
    names = [
        re.sub("[^a-z0-9]+", "-", said[number].lower()).strip("-")[:40].strip("-") or f"channel-{number}"
        for number in sorted(said)
    ]
    if len(set(names)) < len(names):
        raise WeightsRefused(f"two channels are called alike ({', '.join(names)}); rename one in {file}")
    return names
