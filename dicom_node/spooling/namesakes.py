"""Instances under a UID that another file has already: the same again, a variant beside it, or whole in its place."""

import hashlib
import os
from pathlib import Path
from typing import Protocol

from dicom_node.datasets.origin import Origin
from dicom_node.datasets.part10 import dataset_digest
from dicom_node.datasets.wholeness import Again
from dicom_node.errors import NotDicom
from dicom_node.spooling.disk import Part
from dicom_node.spooling.reencoding import same_when_reencoded
from dicom_node.study import Arrival


class Repair(Protocol):
    """Who knows what is wrong with a kept file. Both raise OSError."""

    def damaged(self, file: str, again: Again) -> bool:
        """Say whether a file, relative to the spool, is no instance, or a torso of the one that has come again."""

    def replaced(self, file: str, part: Part, again: Again) -> bool:
        """Put a damaged file in quarantine and give its name to another; False where it is damaged no longer."""


def named_beside(
    origin: Origin, dataset: memoryview, part: Part, directory: Path, name: str, repair: Repair
) -> tuple[Arrival, str]:
    """Name an instance whose UID another file has already, or find that it is the same again.

    What a power cut, or a disk, has made of the other file is no instance that could be another version of this one.
    What is the same as an earlier version, and not as the latest, is a version anew: its sender has gone back to it.

    Returns what it is, and its file's name. Raises NotDicom, OSError.
    """
    digest = hashlib.sha256(dataset).hexdigest()
    again = Again(dataset=dataset, transfer_syntax_uid=origin.transfer_syntax_uid)
    earlier = ""
    for file in (f"{name}.dcm", f"{name}~{digest[:16]}.dcm", f"{name}~{digest}.dcm"):
        target = directory / file
        arrival = Arrival.VARIANT if "~" in file else Arrival.NEW
        if arrival is Arrival.VARIANT:
            _put_after(directory, name, part)
        if part.named(target):
            return arrival, file
        if _same(target, digest, dataset, origin):
            if target == _latest(directory, name):
                return Arrival.SAME, file
            earlier = file
            continue
        place = f"{directory.parent.name}/{directory.name}/{file}"
        if not repair.damaged(place, again):
            continue
        if repair.replaced(place, part, again):
            return arrival, file
        if _same(target, digest, dataset, origin):  # another receiver was faster
            return Arrival.SAME, file
    if not earlier:
        raise _names_taken(directory)
    # It has no name left for a version anew, and is the newest all the same.
    _make_latest(directory / earlier, _latest(directory, name))
    return Arrival.SAME, earlier


def _put_after(directory: Path, name: str, part: Part) -> None:
    """Have a version be the latest by the time at which it came, also where the clock was set back meanwhile."""
    _make_latest(Path(part.name), _latest(directory, name))


def _make_latest(file: Path, latest: Path) -> None:
    before_ns = latest.stat().st_mtime_ns
    if file.stat().st_mtime_ns <= before_ns:
        os.utime(file, ns=(before_ns + 1, before_ns + 1))


def _latest(directory: Path, name: str) -> Path:
    """Return the version of an instance that came last."""
    # Listed each time: what a folder's own time says of it is no finer than a tick, within which many come.
    later = [file for file in os.listdir(directory) if file.startswith(f"{name}~")]  # noqa: PTH208 - names are enough
    versions = [directory / file for file in (f"{name}.dcm", *later)]
    return max(versions, key=lambda file: (file.stat().st_mtime_ns, file.name))


def _same(target: Path, digest: str, dataset: memoryview, origin: Origin) -> bool:
    try:
        return dataset_digest(target) == digest or same_when_reencoded(target, dataset, origin.transfer_syntax_uid)
    except NotDicom:
        return False


def _names_taken(directory: Path) -> NotDicom:
    return NotDicom(f"{directory}: every name for this instance is taken by others; was the spool edited by hand?")
