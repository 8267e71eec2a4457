"""Where instances are kept: written aside, synced, renamed, and every directory synced, before anybody says Success.

Layout: ``h(study)/h(series)/h(instance).dcm``, where h is the first 32 hex digits of the SHA-256 of the UID, so that no
name comes from outside. The same UID with other bytes lies beside it as
``h(instance)~<first 16 hex of the dataset's SHA-256>.dcm``.
"""

import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from dicom_node.disk import HOST, Disk, Part
from dicom_node.errors import (
    HeadUnreadable,
    MissingUid,
    NotDicom,
    SpoolFailed,
    SpoolFull,
    StoreRefused,
)
from dicom_node.head import Buffer, Head
from dicom_node.held_instances import HeldInstances
from dicom_node.namesakes import named_beside
from dicom_node.origin import Origin, judge, meta_of, require_uid
from dicom_node.part10 import FileMeta, mapped, read_file_head
from dicom_node.quarantine import QUARANTINE, Quarantine
from dicom_node.settings import Fsync
from dicom_node.study import Arrival, StoredInstance
from dicom_node.unsynced import forget_unsynced, may_be_unsynced, note_unsynced
from dicom_node.wholeness import Again, require_whole

_log = structlog.get_logger()

_FOLDER = re.compile("[0-9a-f]{32}")
_FILE = re.compile("[0-9a-f]{32}(~[0-9a-f]{16,64})?[.]dcm")
#: Where the UIDs of most datasets are; the rest is looked at where they are not.
_BEGINNING_BYTES = 32 << 10
_FORSAKEN_S = 86_400.0
_REMEMBERED_NAMES = 512
_ROOM_CHECKED_EVERY = 64 << 20  # bytes of one instance
#: What is raised over a file that is not the instance which its name says.
_NO_INSTANCE = (NotDicom, HeadUnreadable, UnicodeEncodeError)


@functools.lru_cache(maxsize=_REMEMBERED_NAMES)  # a study's and its series' UIDs come with each instance
def name_of(uid: str) -> str:
    """Return the name under which a UID appears in the spool: 32 hex digits."""
    return hashlib.sha256(uid.encode("ascii")).hexdigest()[:32]


class Spool:
    """A directory of received instances; safe for many threads of one process."""

    def __init__(self, root: Path, *, min_free_bytes: int = 0, fsync: Fsync = "instance") -> None:
        """Open the spool, creating its directory. Raises OSError."""
        self.root = root
        self._min_free_bytes = min_free_bytes
        self._fsync = fsync
        self._disk = Disk(root, syncing=fsync == "instance")
        self._quarantine = Quarantine(root, self._disk)
        self._held = HeldInstances(root)
        if fsync != "instance":
            note_unsynced(root)
        self._may_be_cut = may_be_unsynced(root)

    def begin(self, origin: Origin) -> "Arriving":
        """Begin to write an instance aside. Raises SpoolFull, SpoolFailed, InvalidUid (nothing written)."""
        require_uid("Affected SOP Instance UID", origin.sop_instance_uid)
        require_uid("Affected SOP Class UID", origin.sop_class_uid)
        self.require_room()
        try:
            return Arriving(self, origin, self._disk.begin_part(meta_of(origin)))
        except OSError as error:
            raise self.failure(error) from error

    def store(self, origin: Origin, dataset: Buffer) -> StoredInstance:
        """Keep an instance whose bytes are all here; what is raised is what `begin` and `Arriving.keep` raise."""
        arriving = self.begin(origin)
        try:
            arriving.write(dataset)
            return arriving.keep()
        finally:
            arriving.discard()

    def sync(self, part: Part) -> None:
        """Sync what was written aside, where each instance is synced; for `Arriving`."""
        self._disk.sync(part)

    def keep(self, origin: Origin, part: Part, beginning: bytes) -> StoredInstance:
        """Bring what was written aside to its place; for `Arriving`, which kept the dataset's first bytes."""
        try:
            head = judge(origin, memoryview(beginning))
        except StoreRefused:
            # They may have been too few of them.
            head = self._judged_whole(origin, part)
        study, series, sop = head.study_instance_uid or "", head.series_instance_uid or "", origin.sop_instance_uid
        folder = f"{name_of(study)}/{name_of(series)}"
        try:
            arrival, file = self._place(origin, part, folder, name_of(sop))
        except FileNotFoundError:
            # Retention, or an admin, removed the study's folder since its last instance.
            self._disk.forget_folders()
            arrival, file = self._place(origin, part, folder, name_of(sop))
        return StoredInstance(
            study_instance_uid=study,
            series_instance_uid=series,
            sop_instance_uid=sop,
            sop_class_uid=origin.sop_class_uid,
            transfer_syntax_uid=origin.transfer_syntax_uid,
            file=file,
            size_bytes=part.size,
            arrival=arrival,
            own=head.own,
            calling_ae_title=origin.calling_ae_title,
            sender_address=origin.sender_address,
            received_at=datetime.now(UTC),
            called_ae_title=origin.called_ae_title,
            requested=origin.requested,
        )

    def remove_partials(self, *, of: int | None = None) -> int:
        """Remove what a crash left half-written; return how many. Raises OSError.

        Everybody's of this machine, which is right only before anybody stores here, or those of one process, which must
        be gone; without a process those of other machines too that share the spool, once nobody writes them any more.
        """
        name = "*.part" if of is None else f"{of}-*@{HOST}.part"
        found = [*self.root.glob(name), *self.root.glob(f"*/{name}"), *self.root.glob(f"*/*/{name}")]
        partials = [partial for partial in found if not _of_another(partial)]
        for partial in partials:
            partial.unlink(missing_ok=True)
        return len(partials)

    def study_folders(self, *, changed_within_s: float | None = None) -> list[str]:
        """Return the names of the study folders, all or those in which files were lately named. Raises OSError."""
        folders = sorted(entry.name for entry in self.root.iterdir() if _FOLDER.fullmatch(entry.name))
        if changed_within_s is None:
            return folders
        since = time.time() - changed_within_s
        return [folder for folder in folders if self._changed_at(folder) >= since]

    def latest_folders(self) -> list[str]:
        """Return the names of the study folders, those first in which files were named last. Raises OSError."""
        return sorted(self.study_folders(), key=self._changed_at, reverse=True)

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

    def quarantined(self) -> list[Path]:
        """Return what lies in quarantine. Raises OSError."""
        return self._entries(self.root / QUARANTINE)

    def _entries(self, folder: Path) -> list[Path]:
        try:
            return list(folder.iterdir())
        except FileNotFoundError:
            # Retention, or an admin, has removed it; not so where the whole spool is away, and comes back.
            if not self.root.is_dir():
                raise
            return []

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

    def all_looked_through(self) -> None:
        """Hear that every folder which was there before this process has been. Raises OSError."""
        if self._fsync == "instance":
            forget_unsynced(self.root)

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

    def mended(self, folder: str) -> frozenset[str]:
        """Return the files of a study folder that were damaged and came again, until `store_knows`. Raises OSError."""
        return self._quarantine.mended(folder)

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

    def free_bytes(self) -> int:
        """Return how much may still be written. Raises OSError."""
        return self._disk.free_bytes()

    def require_room(self) -> None:
        """Raise SpoolFull below the low watermark, SpoolFailed while the disk is not trusted."""
        try:
            self._disk.require_health()
            free = self._disk.free_bytes()
        except OSError as error:
            raise self.failure(error) from error
        if free < self._min_free_bytes:
            raise SpoolFull(f"{self.root}: {free} bytes free, low watermark {self._min_free_bytes}; free some space")

    def sync_study(self, folder: str) -> None:
        """Bring a study to the disk, where that was put off until it is complete. Raises SpoolFailed."""
        if self._fsync == "study":
            try:
                self._disk.require_health()
                self._disk.sync_tree(self.root / folder)
            except OSError as error:
                raise self.failure(error) from error

    def trusted(self) -> bool:
        """Say whether the disk has not failed here since it last took a test file."""
        return not self._disk.suspected()

    def failure(self, error: OSError | NotDicom) -> SpoolFailed:
        """Trust the disk no longer; return what is to be raised."""
        self._disk.suspect()
        return SpoolFailed(f"{self.root}: {error}; instances are refused until the disk takes a test file again")

    def _judged_whole(self, origin: Origin, part: Part) -> Head:
        with mapped(Path(part.name)) as view, view[part.start :] as dataset:
            try:
                return judge(origin, dataset)
            except (MissingUid, HeadUnreadable) as refusal:
                self._quarantine.keep(dataset, part, why=type(refusal).__name__)
                raise

    def _place(self, origin: Origin, part: Part, folder: str, name: str) -> tuple[Arrival, str]:
        directory = f"{self.root}/{folder}"
        self._disk.make_folder(directory)
        arrival, file = Arrival.NEW, f"{name}.dcm"
        if not part.named(f"{directory}/{file}"):
            with mapped(Path(part.name)) as view, view[part.start :] as dataset:
                arrival, file = named_beside(origin, dataset, part, Path(directory), name, self)
        # After the rename: without it a power cut can forget the name while the sender already has our Success.
        # For the same instance again too: whoever wrote it first may not have come to this line.
        self._disk.sync_folder(directory)
        return arrival, f"{folder}/{file}"


class Arriving:
    """An instance that is being received: written aside piece by piece, then kept or discarded."""

    def __init__(self, spool: Spool, origin: Origin, part: Part) -> None:
        """Take where it goes, whose it is, and what was begun."""
        self._spool = spool
        self._origin = origin
        self._part = part
        self._unchecked = 0
        self._beginning = b""

    def write(self, piece: Buffer) -> None:
        """Write the next bytes of the dataset. Raises SpoolFull, SpoolFailed."""
        if not self._beginning:
            self._beginning = bytes(memoryview(piece)[:_BEGINNING_BYTES])
        self._unchecked += len(piece)
        if self._unchecked > _ROOM_CHECKED_EVERY:
            self._unchecked = 0
            self._spool.require_room()
        try:
            self._part.write(piece)
        except OSError as error:
            raise self._spool.failure(error) from error

    def keep(self) -> StoredInstance:
        """Sync it and give it its name; when this returns it survives a power cut, if each instance is synced.

        Raises SpoolFailed, Mismatch, InvalidUid (nothing is left), MissingUid, HeadUnreadable (quarantined).
        """
        try:
            self._spool.sync(self._part)
            return self._spool.keep(self._origin, self._part, self._beginning)
        except (OSError, NotDicom) as error:
            raise self._spool.failure(error) from error

    def discard(self) -> None:
        """Forget what was not kept; after `keep` nothing."""
        self._part.close()


def _of_another(partial: Path) -> bool:
    """Say whether another machine may be writing this now."""
    _, _, host = partial.stem.rpartition("@")
    if "@" not in partial.name or host == HOST:
        return False
    try:
        return time.time() - partial.stat().st_mtime < _FORSAKEN_S
    except FileNotFoundError:
        return True  # it has its name by now


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
