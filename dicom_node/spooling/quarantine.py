"""Beside the study folders: what was refused, what cannot be read, and what a whole instance has taken the place of."""

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

import structlog

from dicom_node.spooling.disk import Disk, Part

_log = structlog.get_logger()

#: Its folder, in the spool.
QUARANTINE = "quarantine"
#: The end of a name whose study the store knows to be mended.
_MENDED = ".mended.dcm"


class Quarantine:
    """What an admin may look at and remove. Every method raises OSError."""

    def __init__(self, root: Path, disk: Disk) -> None:
        """Take the spool's root and its disk; nothing is made before it is needed."""
        self._root = root
        self._disk = disk

    def keep(self, dataset: memoryview, part: Part, *, why: str) -> None:
        """Keep an instance that is refused; the same bytes again are the same file."""
        name = f"{hashlib.sha256(dataset).hexdigest()[:32]}.dcm"
        folder = self._folder()
        part.named(folder / name)
        self._disk.sync_folder(folder)
        _log.warning("instance in quarantine", file=f"{QUARANTINE}/{name}", why=why)

    def take(self, file: str, *, why: str) -> None:
        """Move a kept file, relative to the spool, out of its study."""
        self._disk.move(self._root / file, self._place_of(file))
        _log.error("unreadable file moved to quarantine", file=file, cause=why)

    def take_for(self, file: str, part: Part) -> None:
        """Move a kept file out of its study, and give its name to what was written aside.

        The name always has one of the two: whatever crashes, and whoever looks meanwhile.
        """
        aside = self._place_of(file)
        aside.unlink(missing_ok=True)
        aside.hardlink_to(self._root / file)
        self._disk.sync_folder(aside.parent)
        part.takes_place_of(self._root / file)
        _log.error(
            "damaged instance replaced by what its sender sent again",
            file=file,
            remedy="the damaged one is in quarantine; is the disk sound, or was the power cut? What was read of the "
            "damaged one, or failed over it, is read again",
        )

    def mended(self, files: Iterable[str]) -> frozenset[str]:
        """Return those of the files, relative to the spool, that were damaged and came again.

        Until the store has been told (`store_knows`), whatever crashes meanwhile. Each is asked for by its name: what
        else lies here, of other studies and perhaps for years, costs nothing.
        """
        return frozenset(filter(self._came_again, files)) if (self._root / QUARANTINE).is_dir() else frozenset()

    def store_knows(self, files: Iterable[str]) -> None:
        """Hear that the store knows that these have come again; the damaged ones get names that say so."""
        for file in files:
            aside = self._place_of(file)
            with contextlib.suppress(FileNotFoundError):  # an admin has removed it
                aside.replace(aside.with_name(aside.name.removesuffix(".dcm") + _MENDED))

    def _came_again(self, file: str) -> bool:
        try:
            # A crash in the middle of `take_for` leaves the damaged one under both names.
            return not self._name_of(file).samefile(self._root / file)
        except FileNotFoundError:
            return False

    def _place_of(self, file: str) -> Path:
        self._folder()
        return self._name_of(file)

    def _name_of(self, file: str) -> Path:
        return self._root / QUARANTINE / file.replace("/", ".")

    def _folder(self) -> Path:
        folder = self._root / QUARANTINE
        self._disk.make_folder(folder)
        return folder
