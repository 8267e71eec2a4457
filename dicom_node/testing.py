"""Fakes of this package's boundaries, held to the same contract as the real things by tests/."""

from collections.abc import Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.archives.found import FoundSeries, FoundStudy
from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.sender import OutcomeKind, StoreOutcome, outcome_of
from dicom_node.datasets.part10 import dataset_digest, read_file_head, read_meta
from dicom_node.errors import ArchiveUnreachable
from dicom_node.study import AssembledStudy, SeriesWish, StoredInstance


class ManualClock:
    """A clock that moves only when told."""

    def __init__(self, now: float = 1000.0) -> None:
        """Start somewhere."""
        self._now = now

    def now(self) -> float:
        """Return seconds since some moment."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class StoreAway(Exception):
    """The fake store was told to be away."""


class ListStudyStore:
    """A `dicom_node.study.StudyStore` that keeps everything in lists.

    Attributes:
        away: While True every method raises StoreAway.
        wish: What `series_wish` answers.
        own: What `ours_among` knows as ours.
        early: What `series_complete` was told, in order, without repetitions of the latest of a study.
        receiving: What `study_receiving` was told, in order.
        revisions: What `close_revision` was told, in order, without repetitions of the latest of a study.
        made: SOP Instance UIDs of results of our own.
        taken_back: What `nothing_left` was told, in order.
    """

    def __init__(self) -> None:
        """Start empty and present."""
        self.away = False
        self.wish = SeriesWish.NOTHING
        self.own: set[str] = set()
        self.early: list[AssembledStudy] = []
        self.receiving: list[StoredInstance] = []
        self.taken_back: list[str] = []
        self.revisions: list[AssembledStudy] = []
        self.made: set[str] = set()

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return the files of this study folder that some revision lists."""
        self._require_presence()
        return frozenset(
            file
            for study in self.revisions
            if study.folder == folder
            for series in study.series
            for file in series.files
        )

    def study_receiving(self, instance: StoredInstance) -> bool:
        """Note that a study is arriving."""
        self._require_presence()
        if instance.sop_instance_uid in self.made:
            return False
        self.receiving.append(instance)
        return True

    def nothing_left(self, study_instance_uid: str) -> None:
        """Note that nothing of a study is arriving any more."""
        self._require_presence()
        self.taken_back.append(study_instance_uid)

    def made_here(self, instances: Sequence[StoredInstance]) -> frozenset[str]:
        """Return the files of those whose SOP Instance UIDs are in `made`."""
        self._require_presence()
        return frozenset(instance.file for instance in instances if instance.sop_instance_uid in self.made)

    def series_wish(self) -> SeriesWish:
        """Say what the test wants."""
        self._require_presence()
        return self.wish

    def ours_among(self, sop_instance_uids: Sequence[str]) -> frozenset[str]:
        """Return those that are ours."""
        self._require_presence()
        return frozenset(self.own & set(sop_instance_uids))

    def series_complete(self, study: AssembledStudy) -> None:
        """Record what is complete of a study, unless it is the same as the latest of that."""
        self._require_presence()
        _add_if_new(self.early, study)

    def close_revision(self, study: AssembledStudy) -> None:
        """Record a revision unless it is the same as the study's latest."""
        self._require_presence()
        _add_if_new(self.revisions, study)

    def _require_presence(self) -> None:
        if self.away:
            raise StoreAway("the fake store is away; set `away = False`")


def _add_if_new(studies: list[AssembledStudy], study: AssembledStudy) -> None:
    earlier = [item for item in studies if item.study_instance_uid == study.study_instance_uid]
    if not earlier or earlier[-1].series != study.series or study.mended:
        studies.append(study)


class InMemoryArchive:
    """A `dicom_node.archives.archive.ArchiveClient` without a wire.

    Attributes:
        away: While True every method raises ArchiveUnreachable.
        refuse_with: SOP Instance UID to the status that it is answered with.
        identities: Study Instance UID to whose it is; set one to change it.
        stored: SOP Instance UID to the digest of the dataset that was accepted.
        files: SOP Instance UID to the file that was accepted.
    """

    def __init__(self) -> None:
        """Start empty and present."""
        self.away = False
        self.refuse_with: dict[str, int] = {}
        self.identities: dict[str, StudyIdentity] = {}
        self.stored: dict[str, str] = {}
        self.files: dict[str, Path] = {}

    def echo(self) -> None:
        """Prove that the archive answers."""
        if self.away:
            away = ArchiveUnreachable("the in-memory archive is away; set `away = False`")
            away.kept_nothing = True
            raise away

    def probe(self) -> None:
        """Prove that the archive answers."""
        self.echo()

    def find_study(self, study_uid: str) -> StudyIdentity | None:
        """Return whose study this is."""
        self.echo()
        return self.identities.get(study_uid)

    def find_studies(self, patient_id: str) -> list[FoundStudy]:
        """Return the studies of what is stored under this patient id."""
        self.echo()
        studies = {
            str(head.StudyInstanceUID): FoundStudy(
                study_instance_uid=str(head.StudyInstanceUID),
                study_date=str(head.get("StudyDate") or ""),
                study_time=str(head.get("StudyTime") or ""),
                identity=StudyIdentity.of(head),
            )
            for head in self._heads()
            if str(head.get("PatientID") or "") == patient_id
        }
        return list(studies.values()) if patient_id else []

    def find_series(self, study_uid: str, modality: str) -> list[FoundSeries]:
        """Return the series of what is stored."""
        self.echo()
        series = {
            str(head.SeriesInstanceUID): str(head.get("SeriesDescription") or "")
            for head in self._heads()
            if head.StudyInstanceUID == study_uid and head.get("Modality") == modality
        }
        return [FoundSeries(series_instance_uid=uid, series_description=text) for uid, text in series.items()]

    def count_series(self, study_uid: str) -> dict[str, int | None]:
        """Return how many instances of each series of a study are stored."""
        self.echo()
        series = [str(head.SeriesInstanceUID) for head in self._heads() if head.StudyInstanceUID == study_uid]
        return {uid: series.count(uid) for uid in series}

    def get_series(self, study_uid: str, series_uid: str, sop_classes: Sequence[str]) -> list[bytes]:
        """Return the files of what is stored."""
        self.echo()
        return [
            self.files[str(head.SOPInstanceUID)].read_bytes()
            for head in self._heads()
            if (head.StudyInstanceUID, head.SeriesInstanceUID) == (study_uid, series_uid)
            and head.SOPClassUID in sop_classes
        ]

    def _heads(self) -> list[Dataset]:
        return [dcmread(file, stop_before_pixels=True) for file in self.files.values()]

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """Take files; a study that arrives for the first time gets an empty identity."""
        self.echo()
        metas = [read_meta(file) for file in files]
        return [self._store(meta.file, meta.sop_instance_uid) for meta in metas]

    def _store(self, file: Path, sop_instance_uid: str) -> StoreOutcome:
        response = Dataset()
        response.Status = self.refuse_with.get(sop_instance_uid, 0)
        outcome = outcome_of(sop_instance_uid, response)
        if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.WARNING):
            _, head = read_file_head(file)
            self.stored[sop_instance_uid] = dataset_digest(file)
            self.files[sop_instance_uid] = file
            self.identities.setdefault(head.study_instance_uid or "", StudyIdentity())
        return outcome
