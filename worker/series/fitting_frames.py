"""Which frames of a multi-frame image a card reads."""

from collections.abc import Set as AbstractSet
from typing import Any

from worker.errors import SeriesRefused
from worker.instances.frame_values import values_by_keyword, values_of_frames
from worker.instances.plain_values import value_of
from worker.instances.pydicom_errors import told_as_unreadable
from worker.selecting.tag_rules import TagRule


def fitting_frames(dataset: Any, name: str, rule: TagRule | None) -> AbstractSet[int]:
    """Return the numbers, from 1, of the frames for which a rule holds; all where there is none.

    Where no functional groups tell frames apart they are one: it holds for the image, as the card's selection has
    seen. Raises SeriesRefused where it holds for none, SeriesUnreadable.
    """
    with told_as_unreadable(name):
        every = range(1, int(value_of(dataset, "NumberOfFrames") or 1) + 1)
        if rule is None or not dataset.get("PerFrameFunctionalGroupsSequence"):
            return frozenset(every)
        of_each = values_of_frames(dataset, frozenset(rule.tags))
    fitting = {number for number, values in enumerate(of_each, start=1) if rule.holds(values_by_keyword([values]))}
    if not fitting:
        raise SeriesRefused(f"no images: {name} has no frame with {rule}")
    return fitting
