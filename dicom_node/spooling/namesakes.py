"""Instances under a UID that another file has already: the same again, a variant beside it, or whole in its place."""

import hashlib
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

    Returns what it is, and its file's name. Raises NotDicom, OSError.
    """
    digest = hashlib.sha256(dataset).hexdigest()
    again = Again(dataset=dataset, transfer_syntax_uid=origin.transfer_syntax_uid)
    for file in (f"{name}.dcm", f"{name}~{digest[:16]}.dcm", f"{name}~{digest}.dcm"):
        target = directory / file
        arrival = Arrival.VARIANT if "~" in file else Arrival.NEW
        if part.named(target):
            return arrival, file
        if _same(target, digest, dataset, origin):
            return Arrival.SAME, file
        place = f"{directory.parent.name}/{directory.name}/{file}"
        if repair.damaged(place, again):
            if repair.replaced(place, part, again):
                return arrival, file
            if _same(target, digest, dataset, origin):  # another receiver was faster
                return Arrival.SAME, file
    raise _names_taken(directory)


def _same(target: Path, digest: str, dataset: memoryview, origin: Origin) -> bool:
    try:
        return dataset_digest(target) == digest or same_when_reencoded(target, dataset, origin.transfer_syntax_uid)
    except NotDicom:
        return False


def _names_taken(directory: Path) -> NotDicom:
    return NotDicom(f"{directory}: every name for this instance is taken by others; was the spool edited by hand?")
