"""Where instances are kept: written aside, synced, linked, and every directory synced, before anybody says Success.

What it is called there, `spool_layout` says; what is there by now, `kept_files`.
"""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.datasets.elements import Buffer
from dicom_node.datasets.head import Head
from dicom_node.datasets.origin import Origin, judge, meta_of, require_uid
from dicom_node.datasets.part10 import mapped
from dicom_node.errors import (
    HeadUnreadable,
    MissingUid,
    NotDicom,
    SpoolFailed,
    SpoolFull,
    StoreRefused,
)
from dicom_node.settings import Fsync
from dicom_node.spooling.disk import HOST, Disk, Part
from dicom_node.spooling.kept_files import KeptFiles
from dicom_node.spooling.namesakes import named_beside
from dicom_node.spooling.spool_layout import name_of
from dicom_node.spooling.unsynced import forget_unsynced, note_unsynced
from dicom_node.study import Arrival, StoredInstance

#: Where the UIDs of most datasets are; the rest is looked at where they are not.
_BEGINNING_BYTES = 32 << 10
_FORSAKEN_S = 86_400.0
_ROOM_CHECKED_EVERY = 64 << 20  # bytes of one instance


class Spool(KeptFiles):
    """A directory of received instances; safe for many threads of one process."""

    def __init__(self, root: Path, *, min_free_bytes: int = 0, fsync: Fsync = "instance") -> None:
        """Open the spool, creating its directory. Raises OSError."""
        self._min_free_bytes = min_free_bytes
        self._fsync = fsync
        self._not_synced: set[str] = set()  # study folders, where a study is synced as a whole
        self._disk = Disk(root, syncing=fsync == "instance")
        if fsync != "instance":
            note_unsynced(root)
        super().__init__(root, self._disk)

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

    def keep(self, origin: Origin, part: Part, head: Head | None) -> StoredInstance:
        """Bring what was written aside to its place; for `Arriving`, which read the head of what came first."""
        head = head or self._judged_whole(origin, part)
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

    def all_looked_through(self) -> None:
        """Hear that every folder which was there before this process has been. Raises OSError."""
        if self._fsync == "instance":
            forget_unsynced(self.root)

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

    def require_fitness(self) -> None:
        """Raise SpoolUnfit where the file system cannot keep instances as this spool does."""
        self._disk.require_fitness()

    def sync_study(self, folder: str) -> None:
        """Bring a study to the disk, where that was put off until it is complete. Raises SpoolFailed."""
        if self._fsync == "study":
            try:
                self._disk.require_health()
                self._disk.sync_tree(self.root / folder)
            except OSError as error:
                self._not_synced.add(folder)
                raise self.failure(error) from error
            self._not_synced.discard(folder)

    def trusted(self) -> bool:
        """Say whether every study could be synced that was to be, and the disk is well; after a failure it is tried.

        Whoever only looks through the spool, or promises to keep what is there, begins no instance that would try it.
        """
        try:
            self._disk.require_health()
        except OSError:
            return False
        return not self._not_synced

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
        # After the link: without it a power cut can forget the name while the sender already has our Success.
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
        self._head: Head | None = None

    def write(self, piece: Buffer) -> None:
        """Write the next bytes of the dataset. Raises SpoolFull, SpoolFailed."""
        if self._part.size == self._part.start:
            # Now, not at the end: while the sender is sending, nobody waits for it.
            with contextlib.suppress(StoreRefused):  # these may be too few of its bytes
                self._head = judge(self._origin, memoryview(piece)[:_BEGINNING_BYTES])
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
            return self._spool.keep(self._origin, self._part, self._head)
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
