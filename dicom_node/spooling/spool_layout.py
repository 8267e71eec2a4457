"""How a spool is laid out: ``h(study)/h(series)/h(instance).dcm``, and what is there. Nothing is written here.

h is the first 32 hex digits of the SHA-256 of the UID, so that no name comes from outside. The same UID with other
bytes lies beside it as ``h(instance)~<first 16 hex of the dataset's SHA-256>.dcm``.
"""

import functools
import hashlib
import os
import re
import time
from collections.abc import Container, Iterator
from pathlib import Path

_DIGITS = 32
_FOLDER = re.compile("[0-9a-f]{32}")
_FILE = re.compile("[0-9a-f]{32}(~[0-9a-f]{16,64})?[.]dcm")
_REMEMBERED_NAMES = 512


@functools.lru_cache(maxsize=_REMEMBERED_NAMES)  # a study's and its series' UIDs come with each instance
def name_of(uid: str) -> str:
    """Return the name under which a UID appears in the spool: 32 hex digits."""
    return hashlib.sha256(uid.encode("ascii")).hexdigest()[:_DIGITS]


def instance_of(file: str) -> str:
    """Return the name of the instance that a file of the spool is a version of."""
    return file.rsplit("/", 1)[1].removesuffix(".dcm").split("~", 1)[0]


def series_of(file: str) -> str:
    """Return the name of the series that a file of the spool belongs to."""
    return file.split("/")[1]


class SpoolFolders:
    """The folders and files of a spool, by their names."""

    def __init__(self, root: Path) -> None:
        """Take the spool's directory."""
        self.root = root

    def study_folders(self, *, changed_within_s: float | None = None) -> list[str]:
        """Return the names of the study folders, all or those in which files were lately named. Raises OSError."""
        folders = sorted(entry.name for entry in self.root.iterdir() if _FOLDER.fullmatch(entry.name))
        if changed_within_s is None:
            return folders
        since = time.time() - changed_within_s
        return [folder for folder in folders if self._changed_at(folder) >= since]

    def _changed_at(self, folder: str) -> float:
        study = self.root / folder
        try:
            return max(path.stat().st_mtime for path in (study, *study.iterdir()))
        except FileNotFoundError:
            return time.time()  # retention removes it just now; whoever looks into it finds nothing

    def files(self, folder: str) -> list[str]:
        """Return the instances of a study folder, relative to the spool, sorted; none if it is gone. Raises OSError."""
        return sorted(
            file.relative_to(self.root).as_posix()
            for series in self._entries(self.root / folder)
            if _FOLDER.fullmatch(series.name)
            for file in self._entries(series)
            if _FILE.fullmatch(file.name)
        )

    def files_named(self, instances: Container[str]) -> Iterator[str]:
        """Yield the files of all studies, relative to the spool, whose instances have these names. Raises OSError."""
        for folder in self.study_folders():
            for series in self._entries(self.root / folder):
                # Names alone: a spool has millions of them.
                for file in self._names(series) if _FOLDER.fullmatch(series.name) else ():
                    if file[:_DIGITS] in instances and _FILE.fullmatch(file):
                        yield f"{folder}/{series.name}/{file}"

    def _names(self, folder: Path) -> list[str]:
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - names are enough
        except FileNotFoundError:
            return []

    def _entries(self, folder: Path) -> list[Path]:
        try:
            return list(folder.iterdir())
        except FileNotFoundError:
            # Retention, or an admin, has removed it; not so where the whole spool is away, and comes back.
            if not self.root.is_dir():
                raise
            return []
