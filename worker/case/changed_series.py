"""Where a read was made on another series than the earlier one that it supersedes: which, by their headers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import NodeError
from worker.case.series_names import NAMING, NamedSeries, describable
from worker.errors import CharactersUnknown
from worker.instances.bounded_inflating import read_header
from worker.instances.inputs_digest import by_folder
from worker.instances.sender_characters import AssumedSets, settle

_ASKED = ("SpecificCharacterSet", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", *NAMING)


@dataclass(frozen=True, kw_only=True)
class ChangedSeries:
    """A series that was read in another one's place.

    Attributes:
        now: What was read.
        before: What the earlier read was made on; None where no header of it can be read any more.
    """

    now: NamedSeries
    before: NamedSeries | None


def changed_series(now: Sequence[Path], before: Sequence[Path], assumed: AssumedSets) -> tuple[ChangedSeries, ...]:
    """Return what was read of another series than before, the first series and each channel by itself.

    Args:
        now: Files of what is read, in the spool, series after series.
        before: Likewise, of the earlier read; none where there is no such.
        assumed: Character sets of senders.
    """
    pairs = zip(by_folder(now), by_folder(before), strict=False)
    return tuple(_changes([(one, other) for one, other in pairs if one[0].parent != other[0].parent], assumed))


def _changes(pairs: Sequence[tuple[list[Path], list[Path]]], assumed: AssumedSets) -> Iterator[ChangedSeries]:
    for now, before in pairs:
        read = _named(now, assumed)
        if read is not None:
            yield ChangedSeries(now=read, before=_named(before, assumed))


def _named(files: Sequence[Path], assumed: AssumedSets) -> NamedSeries | None:
    for file in files:
        try:
            return _name_of(read_header(file, _ASKED), assumed)
        except (*PARSE_ERRORS, NodeError):
            continue  # another image of the series says the same
    return None


def _name_of(head: Any, assumed: AssumedSets) -> NamedSeries:
    number, uid = head.get("SeriesNumber"), str(head.get("SeriesInstanceUID") or "")
    named = NamedSeries(uid=uid, number="" if number is None else str(number))
    try:
        settle(head, assumed, _ASKED)
    except CharactersUnknown:
        # What it is called would be a guess, and so would be whether that names the patient.
        return named
    return replace(named, description=describable(head))
