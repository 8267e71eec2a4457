"""A folder that gets results: SOP-INSTANCE-UID.dcm, all of a file or nothing of it, and never one over another."""

import filecmp
import re
from collections.abc import Sequence
from pathlib import Path

from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.sender import OutcomeKind, StoreOutcome
from dicom_node.datasets.part10 import FileMeta, mapped, read_meta
from dicom_node.errors import ArchiveUnreachable
from dicom_node.spooling.disk import Part, sync_folder

#: Our own UIDs (PS3.5 B.2): nothing else becomes the name of a file.
_OURS = re.compile(r"2\.25\.[0-9]{1,39}")
_DUPLICATE_SOP_INSTANCE = 0x0111
_INVALID_UID = 0x0117


class FolderOutlet:
    """One folder. It is never made: a share that is away must not be mistaken for an empty folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self._folder = folder

    def probe(self) -> None:
        """Look whether it is there. Raises ArchiveUnreachable."""
        cause = ""
        try:
            if self._folder.is_dir():
                return
        except OSError as error:  # as a share that is mounted, and whose server is gone
            cause = f" ({error.strerror})"
        away = ArchiveUnreachable(f"{self._folder} is no folder{cause}; is the share mounted?")
        away.kept_nothing = True
        raise away

    def find_study(self, study_uid: str) -> StudyIdentity | None:
        """Return None: nobody there knows whose a study is."""
        del study_uid
        return None  # mypy wants it said

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """Write each under its final name once all of it is on the disk. Raises ArchiveUnreachable, NotDicom."""
        self.probe()
        return [self._store(meta) for meta in [read_meta(file) for file in files]]

    def _store(self, meta: FileMeta) -> StoreOutcome:
        uid = meta.sop_instance_uid
        if not _OURS.fullmatch(uid):
            return _outcome(uid, _INVALID_UID, OutcomeKind.REFUSED)
        target, passing = self._folder / f"{uid}.dcm", self._folder / f"{uid}.part"
        try:
            if target.exists():
                # The same UID means the same bytes; another file of this name is not ours.
                same = filecmp.cmp(meta.file, target, shallow=False)
                return _outcome(uid, _DUPLICATE_SOP_INSTANCE, OutcomeKind.DUPLICATE if same else OutcomeKind.REFUSED)
            # Left by a deliverer that died in the middle; no other one writes this destination.
            passing.unlink(missing_ok=True)
            with mapped(meta.file) as content:
                part = Part(passing)
                try:
                    part.write(content)
                    part.sync()
                    # A rename, not a link as in the spool: not every share knows links.
                    passing.rename(target)
                finally:
                    part.close()
            sync_folder(self._folder)
        except OSError as error:
            raise ArchiveUnreachable(
                f"{self._folder} does not take a file ({error.strerror}); is it full, or not ours to write?"
            ) from error
        return _outcome(uid, 0, OutcomeKind.ACCEPTED)

    def delete(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> None:
        """Remove a file; one that is not there is removed. Raises ArchiveUnreachable."""
        del study_uid, series_uid
        self.probe()
        if _OURS.fullmatch(sop_instance_uid):
            try:
                (self._folder / f"{sop_instance_uid}.dcm").unlink(missing_ok=True)
                sync_folder(self._folder)
            except OSError as error:
                raise ArchiveUnreachable(f"{self._folder}: a file cannot be removed ({error.strerror})") from error


def _outcome(sop_instance_uid: str, status: int, kind: OutcomeKind) -> StoreOutcome:
    return StoreOutcome(sop_instance_uid=sop_instance_uid, status=status, kind=kind, text=f"status {status:04X}")
