"""The records that leave this package: a stored instance, an assembled study, and where they go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import Protocol


class Arrival(Enum):
    """What a C-STORE brought, compared with what the spool already held."""

    NEW = "new"  #: the first instance with this UID
    SAME = "same"  #: the same UID and the same bytes, or the same values re-encoded; nothing was written
    VARIANT = "variant"  #: the same UID with other bytes; both are kept


class Requested(IntEnum):
    """Priority (0000,0700) of a C-STORE request (PS3.7 E.1)."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2  #: what DCMTK's storescu and pynetdicom say unless they are told otherwise

    @classmethod
    def of(cls, number: int) -> "Requested":
        """Return what a number from the wire means; what the standard does not know says nothing."""
        try:
            return cls(number)
        except ValueError:
            return cls.MEDIUM


@dataclass(frozen=True, kw_only=True)
class StoredInstance:
    """An instance that the spool holds under its final name.

    Attributes:
        study_instance_uid: (0020,000D), as sent.
        series_instance_uid: (0020,000E), as sent.
        sop_instance_uid: (0008,0018), as sent.
        sop_class_uid: (0008,0016).
        transfer_syntax_uid: (0002,0010).
        file: Path relative to the spool, ``study/series/instance.dcm``, made of hashes of the UIDs.
        size_bytes: Of the file.
        arrival: New, the same again, or a variant.
        own: Whether wetread made it, by its own header: it is kept and flagged, and never read or assembled. The store
            knows of others (`StudyStore.made_here`).
        calling_ae_title: Of the sender; empty where adopted by the sweep and not in the file.
        sender_address: Host of the sender; empty where adopted by the sweep.
        received_at: Wall clock, UTC; the file's mtime where adopted by the sweep.
        called_ae_title: Under which we were called.
        requested: Priority of the request that brought it first.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    file: str
    size_bytes: int
    arrival: Arrival
    own: bool
    calling_ae_title: str
    sender_address: str
    received_at: datetime
    called_ae_title: str = ""
    requested: Requested = Requested.MEDIUM


class Completion(Enum):
    """Why a study was taken to be complete."""

    QUIET = "quiet time"  #: nothing came for the quiet time
    HARD_CAP = "hard cap"  #: it had been open for the longest time allowed
    FORCED = "forced"  #: an admin said so
    COUNTED = "archive counts"  #: an archive has twice counted as many instances as we hold
    LISTED = "list complete"  #: an MPPS or an Instance Availability Notification lists exactly what we hold
    SERIES = "series complete"  #: only some of its series are, and the study goes on; never of a whole study


@dataclass(frozen=True, kw_only=True)
class AssembledSeries:
    """All instances of one series that have arrived so far, in the order of their file names.

    Attributes:
        series_instance_uid: (0020,000E).
        files: Paths relative to the spool. A variant's file is here beside the first one's.
    """

    series_instance_uid: str
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AssembledStudy:
    """A study at the moment it was taken to be complete: everything received so far, earlier revisions included.

    With Completion.SERIES only those of its series that are complete, while the study still arrives.

    Attributes:
        study_instance_uid: (0020,000D).
        folder: Of the study, relative to the spool.
        series: Never empty; own results left out.
        completion: Why it closed.
        calling_ae_title: Of the sender of the latest instance.
        first_received_at: UTC.
        last_received_at: UTC.
        called_ae_titles: Under which its instances came, sorted.
        calling_ae_titles: Of everybody who sent instances of it, sorted.
        requested: HIGH where any request said so, LOW where all of them did.
        mended: Files that were damaged and whose sender has sent them again since the store last took the study.
    """

    study_instance_uid: str
    folder: str
    series: tuple[AssembledSeries, ...]
    completion: Completion
    calling_ae_title: str
    first_received_at: datetime
    last_received_at: datetime
    called_ae_titles: tuple[str, ...] = ()
    calling_ae_titles: tuple[str, ...] = ()
    requested: Requested = Requested.MEDIUM
    mended: frozenset[str] = frozenset()


class SeriesWish(Enum):
    """What the models want to be told of before the whole study is complete."""

    NOTHING = "nothing"  #: every model waits for the study
    EACH = "each"  #: each series, as soon as it is complete
    TOGETHER = "together"  #: each time all that are complete: some model reads several series


class StudyStore(Protocol):
    """Where assembled studies go; `worker.intake.intake.Intake` implements it and `ops` hands it in."""

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return the files of this study folder that some revision already lists (paths relative to the spool)."""

    def study_receiving(self, instance: StoredInstance) -> bool:
        """Note that a study (or a later image of it) is arriving, so that the admin sees it. Idempotent.

        Return False where this instance is a result of our own: then nothing arrives.
        """

    def nothing_left(self, study_instance_uid: str) -> None:
        """Take back that a study is arriving: what came of it is gone, or cannot be read. Idempotent."""

    def made_here(self, instances: Sequence[StoredInstance]) -> frozenset[str]:
        """Return the files of those that are results of our own, whatever their headers say by now."""

    def series_wish(self) -> SeriesWish:
        """Say what is to be told of series that are complete before their study is."""

    def ours_among(self, sop_instance_uids: Sequence[str]) -> frozenset[str]:
        """Return those of the SOP Instance UIDs that are results of ours."""

    def series_complete(self, study: AssembledStudy) -> None:
        """Queue the jobs that do not wait for the whole study; idempotent as `close_revision`, which still follows.

        `recorded_files` does not list these files: they are to be in a revision of the study yet.
        """

    def close_revision(self, study: AssembledStudy) -> None:
        """Record a revision, choose its jobs and queue them, in one transaction.

        Idempotent: the same set of files as the latest revision changes nothing, unless what was read of them, or
        failed over them, was damaged and is mended.
        """
