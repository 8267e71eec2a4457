"""Which preparation, strategy and interpretation go together: others would fail with the first study. Pure."""

from collections.abc import Mapping

_MASKS = ("labels", "classes", "probability", "multi-label", "regions")
_ABOUT_ALL = ("classification", "numbers")
#: Of each preparation, and each strategy that reads what it prepares, the interpretations of what is answered.
_TOGETHER: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "volume": {
        "whole": (*_MASKS, "boxes", *_ABOUT_ALL),
        "locate-then-read": _MASKS,
        # Label numbers of overlapping windows have no mean.
        "sliding-window": (*(kind for kind in _MASKS if kind != "labels"), "boxes"),
        "slices": _MASKS,
    },
    "image": {"whole": (*_MASKS, "boxes", *_ABOUT_ALL)},
    "waveform": {"window": ("ecg",)},
    "signals": {"whole": _ABOUT_ALL},
    "none": {"entry-point": (*_MASKS, *_ABOUT_ALL), "command": (*_MASKS, *_ABOUT_ALL)},
}


def kinds_problem(preparation: str, strategy: str, interpretation: str) -> str:
    """Return the key of a card whose kinds do not go together, and what is allowed there; empty where they do."""
    strategies = _TOGETHER[preparation]
    if strategy not in strategies:
        return (
            f"inference.strategy: {strategy} does not go with preparation.kind = {preparation}; allowed are "
            f"{', '.join(strategies)}"
        )
    if interpretation not in strategies[strategy]:
        return (
            f"interpretation.kind: {interpretation} does not go with preparation.kind = {preparation} and "
            f"inference.strategy = {strategy}; allowed are {', '.join(strategies[strategy])}"
        )
    return ""
