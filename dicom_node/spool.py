"""Where instances are kept: written aside, synced, renamed, and every directory synced, before anybody says Success.

Layout: ``h(study)/h(series)/h(instance).dcm``, where h is the first 32 hex digits of the SHA-256 of the UID, so that no
name comes from outside. The same UID with other bytes lies beside it as
``h(instance)~<first 16 hex of the dataset's SHA-256>.dcm``.
"""

import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from dicom_node.disk import Disk
from dicom_node.errors import (
    HeadUnreadable,
    InvalidUid,
    Mismatch,
    MissingUid,
    NotDicom,
    SpoolFailed,
    SpoolFull,
)
from dicom_node.head import Buffer, Head, read_head
from dicom_node.part10 import FileMeta, dataset_digest, encode_meta, read_file_head
from dicom_node.reencoding import same_when_reencoded
from dicom_node.study import Arrival, StoredInstance

_log = structlog.get_logger()

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")  # PS3.5 9.1; leading zeros are wrong there and common in hospitals
_UID_LENGTH = 64
_FOLDER = re.compile("[0-9a-f]{32}")
_FILE = re.compile("[0-9a-f]{32}(~[0-9a-f]{16,64})?[.]dcm")
_QUARANTINE = "quarantine"


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """What a C-STORE request brought.

    Attributes:
        dataset: As received, not a byte changed.
        sop_class_uid: Affected SOP Class UID of the request.
        sop_instance_uid: Affected SOP Instance UID of the request.
        transfer_syntax_uid: Of the presentation context.
        calling_ae_title: Of the sender.
        called_ae_title: Ours.
        sender_address: Host of the sender.
    """

    dataset: Buffer
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    called_ae_title: str
    sender_address: str


def name_of(uid: str) -> str:
    """Return the name under which a UID appears in the spool: 32 hex digits."""
    return hashlib.sha256(uid.encode("ascii")).hexdigest()[:32]


class Spool:
    """A directory of received instances; safe for many threads of one process."""

    def __init__(self, root: Path, *, min_free_bytes: int = 0) -> None:
        """Open the spool, creating its directory. Raises OSError."""
        self.root = root
        self._min_free_bytes = min_free_bytes
        self._disk = Disk(root)
        self._renaming = threading.Lock()

    def store(self, incoming: Incoming) -> StoredInstance:
        """Keep an instance; when this returns it survives a power cut.

        Raises SpoolFull, SpoolFailed, Mismatch, InvalidUid (nothing written), MissingUid, HeadUnreadable (quarantined).
        """
        self._require_room(len(incoming.dataset))
        try:
            head = _judge(incoming)
        except (MissingUid, HeadUnreadable) as refusal:
            self._quarantine(incoming, why=type(refusal).__name__)
            raise
        study, series, sop = head.study_instance_uid or "", head.series_instance_uid or "", incoming.sop_instance_uid
        folder = f"{name_of(study)}/{name_of(series)}"
        try:
            arrival, file, size = self._keep(incoming, folder, name_of(sop))
        except (OSError, NotDicom) as error:
            raise self._failure(error) from error
        return StoredInstance(
            study_instance_uid=study,
            series_instance_uid=series,
            sop_instance_uid=sop,
            sop_class_uid=incoming.sop_class_uid,
            transfer_syntax_uid=incoming.transfer_syntax_uid,
            file=file,
            size_bytes=size,
            arrival=arrival,
            own=head.own,
            calling_ae_title=incoming.calling_ae_title,
            sender_address=incoming.sender_address,
            received_at=datetime.now(UTC),
        )

    def remove_partials(self) -> int:
        """Remove what a crash left half-written; return how many. Only before anybody stores. Raises OSError."""
        partials = [*self.root.glob("*.part"), *self.root.glob("*/*.part"), *self.root.glob("*/*/*.part")]
        for partial in partials:
            partial.unlink(missing_ok=True)
        return len(partials)

    def study_folders(self) -> list[str]:
        """Return the names of all study folders. Raises OSError."""
        return sorted(entry.name for entry in self.root.iterdir() if _FOLDER.fullmatch(entry.name))

    def files(self, folder: str) -> list[str]:
        """Return the instances of a study folder, relative to the spool, sorted. Raises OSError."""
        return sorted(
            file.relative_to(self.root).as_posix()
            for series in (self.root / folder).iterdir()
            if _FOLDER.fullmatch(series.name)
            for file in series.iterdir()
            if _FILE.fullmatch(file.name)
        )

    def describe(self, file: str) -> StoredInstance | None:
        """Read what a kept file is; None, and the file in quarantine, if it cannot be read. Raises OSError."""
        path = self.root / file
        try:
            meta, head = read_file_head(path)
            _require_place(file, head)
        except (NotDicom, HeadUnreadable, UnicodeEncodeError) as error:
            self._disk.move(path, self._quarantine_folder() / file.replace("/", "."))
            _log.error("unreadable file moved to quarantine", file=file, cause=str(error))
            return None
        return _described(file, meta, head, received_at=datetime.fromtimestamp(path.stat().st_mtime, UTC))

    def sweep(self, recorded: Callable[[str], frozenset[str]]) -> Iterator[StoredInstance]:
        """Yield what is kept and not recorded, folder by folder, for adoption after a crash.

        Args:
            recorded: Given a study folder, the files of it that need no adoption.
        """
        for folder in self.study_folders():
            known = recorded(folder)
            for file in self.files(folder):
                instance = None if file in known else self.describe(file)
                if instance is not None:
                    yield instance

    def _require_room(self, size_bytes: int) -> None:
        try:
            self._disk.require_health()
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise self._failure(error) from error
        if free - size_bytes < self._min_free_bytes:
            raise SpoolFull(f"{self.root}: {free} bytes free, low watermark {self._min_free_bytes}; free some space")

    def _failure(self, error: OSError | NotDicom) -> SpoolFailed:
        self._disk.suspect()
        return SpoolFailed(f"{self.root}: {error}; instances are refused until the disk takes a test file again")

    def _keep(self, incoming: Incoming, folder: str, name: str) -> tuple[Arrival, str, int]:
        directory = self.root / folder
        self._disk.make_folder(directory)
        part: Path | None = None
        try:
            for candidate in _names(name, incoming.dataset):
                target = directory / candidate
                if not target.exists():
                    part = part or self._disk.write_part(directory, _meta_of(incoming), incoming.dataset)
                    if self._rename_if_new(part, target):
                        part = None
                        arrival = Arrival.VARIANT if "~" in candidate else Arrival.NEW
                        break
                if dataset_digest(target) == hashlib.sha256(incoming.dataset).hexdigest() or same_when_reencoded(
                    target, incoming.dataset, incoming.transfer_syntax_uid
                ):
                    arrival = Arrival.SAME
                    break
            else:
                raise _names_taken(directory)
        finally:
            if part is not None:
                part.unlink(missing_ok=True)
        # After the rename: without it a power cut can forget the name while the sender already has our Success.
        # For the same instance again too: whoever wrote it first may not have come to this line.
        self._disk.sync_folder(directory)
        return arrival, f"{folder}/{candidate}", target.stat().st_size

    def _rename_if_new(self, part: Path, target: Path) -> bool:
        """Rename unless another association was faster with the same UID: rename alone would overwrite its bytes."""
        with self._renaming:
            if target.exists():
                return False
            part.rename(target)
        return True

    def _quarantine_folder(self) -> Path:
        folder = self.root / _QUARANTINE
        self._disk.make_folder(folder)
        return folder

    def _quarantine(self, incoming: Incoming, *, why: str) -> None:
        name = f"{hashlib.sha256(incoming.dataset).hexdigest()[:32]}.dcm"
        try:
            folder = self._quarantine_folder()
            self._disk.write_part(folder, _meta_of(incoming), incoming.dataset).rename(folder / name)
            self._disk.sync_folder(folder)
        except OSError as error:
            raise self._failure(error) from error
        _log.warning("instance in quarantine", file=f"{_QUARANTINE}/{name}", why=why)


def _names_taken(directory: Path) -> NotDicom:
    return NotDicom(f"{directory}: every name for this instance is taken by others; was the spool edited by hand?")


def _names(name: str, dataset: Buffer) -> Iterator[str]:
    """Yield the file names that an instance may lie under; most need no digest."""
    yield f"{name}.dcm"
    digest = hashlib.sha256(dataset).hexdigest()
    yield f"{name}~{digest[:16]}.dcm"
    yield f"{name}~{digest}.dcm"


def _meta_of(incoming: Incoming) -> bytes:
    return encode_meta(
        sop_class_uid=incoming.sop_class_uid,
        sop_instance_uid=incoming.sop_instance_uid,
        transfer_syntax_uid=incoming.transfer_syntax_uid,
        calling_ae_title=incoming.calling_ae_title,
        called_ae_title=incoming.called_ae_title,
    )


def _judge(incoming: Incoming) -> Head:
    _require_uid("Affected SOP Instance UID", incoming.sop_instance_uid)
    _require_uid("Affected SOP Class UID", incoming.sop_class_uid)
    head = read_head(incoming.dataset, incoming.transfer_syntax_uid)
    for name, uid in (
        ("SOP Instance UID", head.sop_instance_uid),
        ("Study Instance UID", head.study_instance_uid),
        ("Series Instance UID", head.series_instance_uid),
    ):
        if uid is not None:
            _require_uid(name, uid)
    if head.sop_instance_uid != incoming.sop_instance_uid:
        raise Mismatch("Affected SOP Instance UID is not the dataset's SOP Instance UID (0008,0018)")
    if head.sop_class_uid not in (None, incoming.sop_class_uid):
        raise Mismatch("Affected SOP Class UID is not the dataset's SOP Class UID (0008,0016)")
    if head.study_instance_uid is None or head.series_instance_uid is None:
        raise MissingUid("the dataset has no Study Instance UID (0020,000D) or no Series Instance UID (0020,000E)")
    return head


def _require_uid(name: str, uid: str) -> None:
    if len(uid) > _UID_LENGTH or not _UID.fullmatch(uid):
        # The value comes from outside and may be anything, a name too: it is not repeated.
        raise InvalidUid(f"{name} is not a UID (PS3.5 9.1): {len(uid)} characters, not digits and dots in order")


def _require_place(file: str, head: Head) -> None:
    uids = (head.study_instance_uid or "", head.series_instance_uid or "")
    if [name_of(uid) for uid in uids] != file.split("/")[:2]:
        raise HeadUnreadable(f"{file}: its UIDs are not the ones that it lies under; was it moved here?")


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
    )
