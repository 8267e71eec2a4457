"""The files that a spool keeps: what each is, and what becomes of one that a power cut, or a disk, has damaged."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from dicom_node.datasets.head import Head
from dicom_node.datasets.part10 import FileMeta, read_file_head
from dicom_node.datasets.wholeness import Again, require_whole
from dicom_node.errors import HeadUnreadable, NotDicom
from dicom_node.spooling.disk import Disk, Part
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.quarantine import QUARANTINE, Quarantine
from dicom_node.spooling.spool_layout import SpoolFolders, name_of
from dicom_node.spooling.unsynced import may_be_unsynced
from dicom_node.study import Arrival, StoredInstance

_log = structlog.get_logger()

#: What is raised over a file that is not the instance which its name says.
_NO_INSTANCE = (NotDicom, HeadUnreadable, UnicodeEncodeError)


class KeptFiles(SpoolFolders):
    """The instances of a spool; safe for many threads and processes."""

    def __init__(self, root: Path, disk: Disk) -> None:
        """Take the spool's directory and its disk. Raises OSError."""
        super().__init__(root)
        self._quarantine = Quarantine(root, disk)
        self._held = HeldInstances(root)
        self._may_be_cut = may_be_unsynced(root)

    def quarantined(self) -> list[Path]:
        """Return what lies in quarantine. Raises OSError."""
        return self._entries(self.root / QUARANTINE)

    def put_cut_aside(self, folder: str, recorded: Callable[[str], frozenset[str]]) -> None:
        """Move to quarantine what a power cut has left of a folder's files that no sync had reached. Raises OSError.

        Only of what was there before this process is a file that is cut short the cut's work: what arrives is kept as
        its sender sent it.

        Args:
            folder: Of a study.
            recorded: Given a study folder, the files of it that are left out.
        """
        if self._may_be_cut:
            known = recorded(folder)
            for file in self.files(folder):
                if file not in known:
                    self.describe(file, whole=True)

    def describe(self, file: str, *, whole: bool = False) -> StoredInstance | None:
        """Read what a kept file is; None, and the file in quarantine, if it cannot be read. Raises OSError.

        One that we have taken responsibility for stays where it is. With `whole` one that is cut short cannot be read.
        """
        require = require_whole if whole else _anything
        try:
            return self._read(file, require=require)
        except _NO_INSTANCE:
            pass
        # Once more, where nobody else takes a file's place (`replaced`): it may be a whole one by now.
        with self._held.removing_from(file.partition("/")[0]) as held:
            try:
                return self._read(file, require=require)
            except _NO_INSTANCE as error:
                if file in held:
                    _log.error("committed instance cannot be read", file=file, cause=str(error), remedy="restore it")
                else:
                    self._quarantine.take(file, why=str(error))
                return None

    def damaged(self, file: str, again: Again) -> bool:
        """Say whether a kept file is no instance that belongs there, or a torso of the one that has come again.

        Raises OSError.
        """
        try:
            self._read(file, require=again.require_no_torso)
        except _NO_INSTANCE:
            return True
        return False

    def replaced(self, file: str, part: Part, again: Again) -> bool:
        """Put a damaged file in quarantine and name what was written aside in its place. Raises OSError.

        Also one that we have taken responsibility for: it is what was promised that comes again, and it is held by its
        name. False, and nothing done, where the file is damaged no longer: another receiver was faster.
        """
        with self._held.removing_from(file.partition("/")[0]):
            if not self.damaged(file, again):
                return False
            self._quarantine.take_for(file, part)
            return True

    def mended(self, files: Iterable[str]) -> frozenset[str]:
        """Return those of the files that were damaged and came again, until `store_knows`. Raises OSError."""
        return self._quarantine.mended(files)

    def store_knows(self, mended: Iterable[str]) -> None:
        """Hear that the store has been told of files that came again. Raises OSError."""
        self._quarantine.store_knows(mended)

    def _read(self, file: str, *, require: Callable[[str, Path, FileMeta], None]) -> StoredInstance:
        path = self.root / file
        meta, head = read_file_head(path)
        require_place(file, head)
        require(file, path, meta)
        return _described(file, meta, head, received_at=datetime.fromtimestamp(path.stat().st_mtime, UTC))

    def sweep(self, recorded: Callable[[str], frozenset[str]]) -> Iterator[StoredInstance]:
        """Yield what is kept and not recorded, folder by folder, for adoption after a crash.

        Args:
            recorded: Given a study folder, the files of it that need no adoption.
        """
        for folder in self.study_folders():
            self.put_cut_aside(folder, recorded)
            known = recorded(folder)
            for file in self.files(folder):
                instance = None if file in known else self.describe(file)
                if instance is not None:
                    yield instance


def require_place(file: str, head: Head) -> None:
    """Raise HeadUnreadable for a file that does not lie where its UIDs say."""
    uids = (head.study_instance_uid or "", head.series_instance_uid or "")
    if [name_of(uid) for uid in uids] != file.split("/")[:2]:
        raise HeadUnreadable(f"{file}: its UIDs are not the ones that it lies under; was it moved here?")


def _anything(_file: str, _path: Path, _meta: FileMeta) -> None:
    """Be content with a head."""


def _described(file: str, meta: FileMeta, head: Head, *, received_at: datetime) -> StoredInstance:
    return StoredInstance(
        study_instance_uid=head.study_instance_uid or "",
        series_instance_uid=head.series_instance_uid or "",
        sop_instance_uid=meta.sop_instance_uid,
        sop_class_uid=meta.sop_class_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        file=file,
        size_bytes=meta.size_bytes,
        arrival=Arrival.VARIANT if "~" in file else Arrival.NEW,
        own=head.own,
        calling_ae_title=meta.source_ae_title,
        sender_address="",
        received_at=received_at,
        called_ae_title=meta.receiving_ae_title,
        requested=meta.requested,
    )
