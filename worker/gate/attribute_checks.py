"""What the standard's modules ask of every object: Type 1 attributes are there with a value, Type 2 are there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from pydicom.dataset import Dataset

from worker.gate.bundle import Bundle

#: An attribute by its keywords from the dataset down, and its type: "1" or "2" (PS3.5 7.4).
_Required = tuple[tuple[str, ...], str]


@cache
def _table() -> Mapping[str, tuple[_Required, ...]]:
    """Return what each SOP class requires, as PS3.3 has it (made from highdicom's tables; a test compares them)."""
    loaded = json.loads((files("worker.gate") / "required_attributes.json").read_text(encoding="utf-8"))
    return {
        uid: tuple((tuple(path.split(".")), kind) for kind in ("1", "2") for path in required[kind])
        for uid, required in loaded.items()
    }


def attributes(bundle: Bundle) -> Iterator[str]:
    """Each mandatory module's required attributes are there; conditional ones are other checks' and validators'."""
    for made in bundle.objects:
        required = _table().get(str(made.get("SOPClassUID")), ())
        missing = dict.fromkeys(".".join(path) for path, kind in required if not _all_have(made, path, kind))
        if missing:
            yield f"{made.get('Modality')} without {', '.join(missing)}"


def _all_have(dataset: Dataset, path: Sequence[str], kind: str) -> bool:
    """Say whether the attribute is in every item that the path leads to; an absent sequence has no items."""
    keyword, *below = path
    if below:
        return all(_all_have(item, below, kind) for item in dataset.get(keyword) or ())
    if keyword not in dataset:
        return False
    element = dataset[keyword]
    return kind == "2" or not element.is_empty
