"""Instances under a UID that another file has already: the same again, or a variant beside it."""

import hashlib
from pathlib import Path

from dicom_node.disk import Part
from dicom_node.errors import NotDicom
from dicom_node.origin import Origin
from dicom_node.part10 import dataset_digest
from dicom_node.reencoding import same_when_reencoded
from dicom_node.study import Arrival


def named_beside(origin: Origin, dataset: memoryview, part: Part, directory: Path, name: str) -> tuple[Arrival, str]:
    """Name an instance whose UID another file has already, or find that it is the same again.

    Returns what it is, and its file's name. Raises NotDicom, OSError.
    """
    digest = hashlib.sha256(dataset).hexdigest()
    for file in (f"{name}.dcm", f"{name}~{digest[:16]}.dcm", f"{name}~{digest}.dcm"):
        target = directory / file
        if part.named(target):
            return Arrival.VARIANT if "~" in file else Arrival.NEW, file
        if dataset_digest(target) == digest or same_when_reencoded(target, dataset, origin.transfer_syntax_uid):
            return Arrival.SAME, file
    raise _names_taken(directory)


def _names_taken(directory: Path) -> NotDicom:
    return NotDicom(f"{directory}: every name for this instance is taken by others; was the spool edited by hand?")
