"""Looks for the earlier read that today's is compared with: in the ledger, then in archives that may be asked.

A read never waits for it for long and never fails by it: where there is doubt, there is no comparison, and a note.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydicom.dataset import Dataset

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import NodeError
from models.card.manifest import Card
from models.findings import Reading
from models.volume import Image
from worker.case.prior import EarlierRead, Method, Prior
from worker.errors import IdentityUncertain, SourceRefused
from worker.instances.depicted import of_the_same
from worker.instances.source_repairs import identity_of
from worker.jobs.job_records import Claim
from worker.jobs.patient_key import PatientKey, patient_key
from worker.jobs.study_moment import is_before, studied_at, study_day
from worker.ledger.ledger import Ledger
from worker.priors.archive_priors import EarlierArchive, search
from worker.priors.earlier_report import KINDS, earlier_read
from worker.priors.prior_changes import compare
from worker.provenance import serial_number
from worker.series.series_depicted import acquired, depicted, sampling
from worker.series.series_volume import LoadedSeries

_log = structlog.get_logger()

_ELSEWHERE = "No comparison with an earlier read: it is of another side, view or part, or does not say."
_UNCERTAIN = "No comparison with an earlier read: the patient's identity is uncertain."


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What became of the search.

    Attributes:
        prior: What has changed; None where there is nothing to compare with.
        notes: Why not, for the ledger; no patient's value.
    """

    prior: Prior | None = None
    notes: tuple[str, ...] = ()


class _Likeness:
    """Whether the images of an earlier read show what today's do.

    Attributes:
        notes: That some do not; empty until one was asked for that does not.
    """

    def __init__(self, series: LoadedSeries) -> None:
        self._now = tuple(depicted(series))
        self._planar = isinstance(series.source, Image)
        self.notes: tuple[str, ...] = ()

    def holds(self, earlier: EarlierRead) -> bool:
        """Say whether its numbers may stand beside today's."""
        alike = of_the_same(self._now, earlier.depicted, planar=self._planar)
        self.notes = self.notes if alike else (_ELSEWHERE,)
        return alike


@dataclass(frozen=True, kw_only=True)
class Priors:
    """Finds earlier reads of the same patient by the same model.

    Attributes:
        ledger: Opened in this process.
        results: Root of the results.
        secret: Of this site, for patients' keys.
        archives: That may be asked, by the name of their destination.
    """

    ledger: Ledger
    results: Path
    secret: bytes
    archives: Mapping[str, EarlierArchive]

    def compared(
        self, claim: Claim, card: Card, series: LoadedSeries, reading: Reading, thresholds: tuple[str, ...] = ()
    ) -> Comparison:
        """Return today's reading compared with the latest earlier one.

        Args:
            claim: The job that reads today.
            card: Of its model.
            series: What was read.
            reading: What was found today.
            thresholds: The site's.

        Raises SourceRefused where the source cannot say whose it is, LedgerAway.
        """
        source = identity_of(series.datasets[0]).attributes
        patient, moment = patient_key(self.secret, source), studied_at(source)
        today = study_day(moment)
        if patient is None or not self.ledger.note_patient(claim, patient, moment):
            return Comparison(notes=(_UNCERTAIN,))
        if today is None:
            return Comparison(notes=("No comparison with an earlier read: the study has no date.",))
        likeness = _Likeness(series)
        earlier, notes = self._found(claim, card, source, patient, moment, likeness)
        method = Method(
            model_version=card.version, serial_number=serial_number(claim.model_digest), thresholds=thresholds
        )
        if earlier is None:
            return Comparison(notes=(*notes, *likeness.notes))
        prior = compare(
            reading,
            earlier,
            studied_on=today,
            method=method,
            sampling=sampling(series),
            acquired=acquired(series),
        )
        return Comparison(prior=prior, notes=notes)

    def _found(
        self, claim: Claim, card: Card, source: Dataset, patient: PatientKey, moment: str, likeness: "_Likeness"
    ) -> tuple[EarlierRead | None, tuple[str, ...]]:
        kept = self._in_ledger(claim, card, patient, moment, likeness)
        if kept is not None:
            return kept, ()
        notes = []
        for name, archive in self.archives.items():
            try:
                found = search(
                    archive, source, card, moment, lambda report: self._is_of(patient, report), likeness.holds
                )
            except IdentityUncertain:
                return None, (_UNCERTAIN,)
            except NodeError as error:
                _log.warning("no earlier read from an archive", destination=name, cause=str(error))
                notes.append(f"No comparison with an earlier read from {name}: it could not be asked.")
            except PARSE_ERRORS as error:
                # Foreign bytes; the words of the exception may quote them.
                _log.warning("an archive's answer cannot be read", destination=name, cause=type(error).__name__)
                notes.append(f"No comparison with an earlier read from {name}: its answer cannot be read.")
            else:
                if found is not None:
                    return found, ()
        return None, tuple(notes)

    def _in_ledger(
        self, claim: Claim, card: Card, patient: PatientKey, moment: str, likeness: "_Likeness"
    ) -> EarlierRead | None:
        for job in self.ledger.earlier_jobs(claim, patient, moment, KINDS):
            reports = [data for file, sha256 in job.files if (data := self._kept(file, sha256)) is not None]
            found = earlier_read(
                reports,
                card,
                lambda report: self._is_of(patient, report),
                study_instance_uid=job.study_instance_uid,
            )
            if found is not None and is_before(found.studied_at, moment) and likeness.holds(found):
                return found
        return None

    def _kept(self, file: str, sha256: str) -> bytes | None:
        """Return a result as it was written; None where retention has removed it or something has changed it."""
        try:
            data = (self.results / file).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def _is_of(self, patient: PatientKey, report: Dataset) -> bool:
        try:
            return patient_key(self.secret, identity_of(report).attributes) == patient
        except SourceRefused:
            return False
