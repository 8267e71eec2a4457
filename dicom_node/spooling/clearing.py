"""A study's files are removed from the spool: all of them that are known, or none."""

import errno
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node.spooling.disk import sync_folder
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool import Spool
from dicom_node.study import StoredInstance


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was removed of a study."""

    files: int
    freed_bytes: int


def remove_study(
    spool: Spool,
    folder: str,
    recorded: Collection[str],
    made_here: Callable[[Sequence[StoredInstance]], Collection[str]],
) -> Removed | None:
    """Remove a study's files, if each is recorded or a result of our own; None, and nothing gone, if not.

    None too while one of them is held (`dicom_node.spooling.held_instances`): somebody was promised that it stays.

    Args:
        spool: Where they are.
        folder: Of the study.
        recorded: Files that may go, relative to the spool.
        made_here: Returns the files of those instances that are results of our own.

    Raises OSError.
    """
    with HeldInstances(spool.root).removing_from(folder) as held:
        study = spool.root / folder
        files = spool.files(folder)
        if held or _strangers(spool, [file for file in files if file not in recorded], made_here):
            return None
        freed = 0
        for file in files:
            freed += (spool.root / file).stat().st_size
            (spool.root / file).unlink()
        for series in {(spool.root / file).parent for file in files}:
            _remove_folder(series)
        if study.is_dir():
            _remove_folder(study)
        return Removed(files=len(files), freed_bytes=freed)


def _strangers(
    spool: Spool, files: Sequence[str], made_here: Callable[[Sequence[StoredInstance]], Collection[str]]
) -> bool:
    described = [spool.describe(file) for file in files]
    others = [instance for instance in described if instance is not None and not instance.own]
    return len(made_here(others)) < len(others)


def _remove_folder(folder: Path) -> None:
    """Remove it, unless something has come into it meanwhile; durably, for nobody looks for its files again."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        sync_folder(folder)
    else:
        sync_folder(folder.parent)
