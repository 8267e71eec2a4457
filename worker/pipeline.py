"""One job, from the files of a series to results on disk: load, read, encode, check, write, record."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog

from dicom_node.error_place import defect_of
from models.card.card_interpretation import LabelMapInterpretation
from models.catalog import Catalog, CatalogEntry
from models.durable_file import write_durably
from models.errors import ModelError, ModelIncomplete, ModelTwice, RuntimeFailed
from models.findings import Reading
from models.interpreting.critical import critical_reasons
from models.runtimes.runtime import Infer
from models.volume import Volume
from worker import results
from worker.attempt_words import told_of, too_long
from worker.case.case import Case
from worker.case.changed_series import changed_series
from worker.case.site_filter import for_site
from worker.case.superseded import superseded_by
from worker.delivery.destination_settings import Superseded
from worker.errors import (
    CharactersUnknown,
    LeaseLost,
    LedgerAway,
    LedgerRefused,
    ModelHostLost,
    StandingChanged,
    WorkerError,
)
from worker.gate import output_gate
from worker.heartbeat import Heartbeat
from worker.hosting.reading_series import read_series
from worker.instances.inputs_digest import by_folder
from worker.instances.pydicom_errors import panics_as_errors
from worker.instances.sender_characters import AssumedSets, settle
from worker.instances.source_repairs import frame_of_reference_of
from worker.jobs.job_records import Claim
from worker.jobs.notification_records import CriticalRead
from worker.jobs.routing import Conditions, Facts, routed
from worker.jobs.superseded_read import Standing, SupersededRead
from worker.ledger.ledger import Ledger
from worker.object_kinds import REJECTION, Kind
from worker.outlasting import outlasting
from worker.pictures import picture
from worker.priors.priors import Comparison, Priors
from worker.provenance import Provenance
from worker.recipe import superseding
from worker.recorded_file import picture_beside
from worker.result_files import write_result
from worker.selecting.repeated_images import repeated_images
from worker.selecting.selection import images_read
from worker.selecting.selection_rules import rules_of
from worker.series.channel_series import load_channels
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings, WorkerSettings
from worker.time_limit import TookTooLong
from worker.unread import UnreadNotes

_log = structlog.get_logger()

#: Raised by what may be gone at the next attempt. Everything else of ours says that this input or model cannot work.
_PASSING = (ModelHostLost, RuntimeFailed, StandingChanged, OSError, MemoryError)
#: Each time more of the earlier reads has gone out, and they are few.
_TELLINGS = 5


class Host(Protocol):
    """What a pipeline needs of the model host's client."""

    def infer_for(self, model_id: str, model_digest: str) -> Infer:
        """Return the function that asks this very model's networks."""

    @property
    def runtime(self) -> str:
        """What ran the last network that was asked."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Works jobs of the ledger, one at a time.

    Attributes:
        ledger: Opened in this process.
        catalog: Returns the models of this machine as they are now.
        host: Asks the model host.
        spool: Root of the spool.
        results: Root of the results.
        destinations: Kinds of object that each destination gets, by its name.
        report: How results speak.
        settings: Leases, attempts, limits.
        notes: Writes what is told of jobs that ended without a read; None where nobody is told.
        priors: Finds earlier reads to compare with; None where nothing is compared.
        assumed: Character sets of senders whose objects declare none, or a wrong one.
        conditions: Which reads each destination gets, by its name; left out: all.
        superseded: What becomes of an earlier read's objects at each destination, by its name; left out: nothing.
    """

    ledger: Ledger
    catalog: Callable[[], Catalog]
    host: Host
    spool: Path
    results: Path
    destinations: Mapping[str, Collection[Kind]]
    report: ReportSettings
    settings: WorkerSettings
    notes: UnreadNotes | None = None
    priors: Priors | None = None
    assumed: AssumedSets = field(default_factory=dict)
    conditions: Mapping[str, Conditions] = field(default_factory=dict)
    superseded: Mapping[str, Superseded] = field(default_factory=dict)

    def work_one(self, queues: Sequence[str], worker: str) -> bool:
        """Claim the best job of these queues and do it, else write a note that is due; return whether there was one."""
        claim = self.ledger.claim(queues, worker=worker, lease_s=self.settings.lease_s)
        if claim is None:
            return self.notes is not None and self.notes.write_one(queues)
        self._work(claim)
        return True

    def _work(self, claim: Claim) -> None:
        """Do a claimed job; whatever happens is recorded."""
        log = _log.bind(job=claim.job_id, model=claim.model_id, study=claim.study_instance_uid, attempt=claim.attempt)
        log.info("job claimed", files=len(claim.files))
        try:
            with self._heartbeat(claim), panics_as_errors():
                self._do(claim)
            log.info("job read")
        except LeaseLost as lost:
            log.warning("results not recorded", cause=str(lost))
        except CharactersUnknown as unknown:
            self.ledger.hold_unread(claim, reason=str(unknown))
            log.warning("job held", reason=str(unknown))
        except LedgerRefused as error:
            self._failed(claim, f"{type(error).__name__}: {error}", permanent=True)
        except LedgerAway:  # nothing is wrong with the study
            self._hand_back(claim, "the ledger was away")
        except (WorkerError, ModelError, OSError, MemoryError) as error:
            self._failed(claim, told_of(error, self.settings), permanent=not isinstance(error, _PASSING))
        except TookTooLong:
            self._failed(claim, too_long(self.settings), permanent=False)
        except Exception as error:  # noqa: BLE001  # the outermost frame of a job: one study must not end the worker
            # The message of a foreign exception may hold a patient's data: only its type and place are told.
            self._failed(claim, f"{defect_of(error)}: a defect of wetread; please report it", permanent=False)
        except BaseException:  # it is not the study's fault
            self._hand_back(claim, "the worker was stopped")
            raise

    def _heartbeat(self, claim: Claim) -> Heartbeat:
        lease_s = self.settings.lease_s
        return Heartbeat(lambda: self.ledger.renew(claim, lease_s=lease_s), lease_s, job_id=claim.job_id)

    def _do(self, claim: Claim) -> None:
        case, notes = self._read(claim)
        facts = Facts(
            sender=claim.calling_ae_title, model_id=claim.model_id, modality=str(case.head.get("Modality", ""))
        )
        wanted = routed(self.destinations, self.conditions, facts)
        for _ in range(_TELLINGS):
            standing = outlasting(lambda: self.ledger.standing_before(claim))
            superseded = superseded_by(
                standing, lambda earlier, kind: self._telling(claim, case, earlier).provenance.uid(kind, "instance")
            )
            try:
                self._record(claim, self._telling(claim, case, superseded), standing, wanted, notes)
            except StandingChanged as changed:
                _log.info("results told anew", job=claim.job_id, cause=str(changed))
            else:
                return
        raise StandingChanged("more of earlier reads goes out each time that this one is written; it is tried again")

    def _telling(self, claim: Claim, case: Case, superseded: SupersededRead | None) -> Case:
        now = [self.spool / file for file in claim.files]
        before = [self.spool / file for file in (superseded.files if superseded is not None else ())]
        return superseding(case, superseded, changed_series(now, before, self.assumed))

    def _read(self, claim: Claim) -> tuple[Case, tuple[str, ...]]:
        """Read a job's series; return the case, and notes of what was mended and noticed on the way."""
        entry = self._entry(claim)
        paths = [self.spool / file for file in claim.files]
        series = load_channels(
            by_folder(paths),
            max_voxels=self.settings.max_voxels,
            same_frame_of_reference=rules_of(entry.card).same_frame_of_reference,
            images=images_read(entry.card),
        )
        outlasting(lambda: self.ledger.note_inputs(claim, series.inputs_digest))
        settle(series.datasets[0], self.assumed)
        if isinstance(series.source, Volume) and isinstance(entry.card.interpretation, LabelMapInterpretation):
            # Not only when something was found: else what says that nothing is there came through, and that alone.
            frame_of_reference_of(series.datasets[0])
        found = read_series(entry.card, series.source, paths, self.host.infer_for(claim.model_id, claim.model_digest))
        reading = for_site(found, self.report, series.source)
        # A number that the site does not show is judged all the same; what is too uncertain for it is not there.
        judged = for_site(found, self.report.model_copy(update={"measurements": ()}), series.source)
        compared = outlasting(lambda: self._compared(claim, entry, series, reading))
        provenance = Provenance(
            card=entry.card,
            model_digest=claim.model_digest,
            inputs_digest=series.inputs_digest,
            recipe_digest="",
            # In the site's own zone: that is how a radiologist reads a time.
            read_at=claim.queued_at.astimezone(self.report.zone),
            runtime=found.runtime or self.host.runtime,
        )
        case = replace(
            Case.of(series, reading, provenance, self.report),
            critical=critical_reasons(entry.card.critical, judged),
            late_after_s=outlasting(lambda: self.ledger.settle_deadline(claim)),
            prior=compared.prior,
            others=claim.others,
            repeated=repeated_images(paths),
        )
        return case, (*case.repeated, *series.repairs, *reading.warnings, *compared.notes)

    def _record(
        self,
        claim: Claim,
        case: Case,
        standing: Standing,
        wanted: Mapping[str, Collection[Kind]],
        notes: Sequence[str],
    ) -> None:
        """Write a case's objects and record them. Raises StandingChanged where they name too little."""
        destinations = {name: (*kinds, *self._rejection(name, case.superseded)) for name, kinds in wanted.items()}
        # Every reading has a text SR, also where no destination gets it.
        objects = results.build(case, {"TEXT-SR", *(kind for kinds in destinations.values() for kind in kinds)})
        output_gate.check(objects, case)
        folder = f"{claim.study_folder}/{claim.job_id}"
        files = [write_result(self.results, folder, made) for made in objects]
        told = next(file.file for file in files if file.kind == "TEXT-SR")
        write_durably(self.results / picture_beside(told), picture.render(case))
        reasons = case.critical
        outlasting(
            lambda: self.ledger.finish(
                claim,
                results=files,
                destinations=destinations,
                runtime=case.provenance.runtime,
                inputs_digest=case.provenance.inputs_digest,
                recipe_digest=case.provenance.recipe_digest,
                notes=notes,
                critical=CriticalRead(reasons=reasons, research=case.provenance.card.research) if reasons else None,
                # Where this read does not go, nothing takes the earlier one's place.
                withdraw_from=[name for name in wanted if self.superseded.get(name) == "delete"],
                standing=standing,
            )
        )

    def _entry(self, claim: Claim) -> CatalogEntry:
        entry = self.catalog().get(claim.model_id)
        if entry.rivals:
            raise ModelTwice(f"{entry.reason}. Then `wetread retry {claim.job_id}`")
        if entry.digest != claim.model_digest:
            raise ModelIncomplete(
                f"{claim.model_id} with digest {claim.model_digest[:12]}, for which this job was queued, is no longer "
                f"on this machine. `wetread retry {claim.job_id}` reads it with the version that is here now"
            )
        return entry

    def _compared(self, claim: Claim, entry: CatalogEntry, series: LoadedSeries, reading: Reading) -> Comparison:
        if self.priors is None:
            return Comparison()
        return self.priors.compared(claim, entry.card, series, reading, self.report.thresholds)

    def _rejection(self, destination: str, superseded: SupersededRead | None) -> tuple[Kind, ...]:
        """Return the note that a destination gets about an earlier read that it has, where it is to reject that."""
        rejects = self.superseded.get(destination) == "reject"
        return (REJECTION,) if rejects and superseded is not None and destination in superseded.destinations else ()

    def _hand_back(self, claim: Claim, reason: str) -> None:
        try:
            outlasting(lambda: self.ledger.hand_back(claim, reason=reason))
        except LeaseLost as lost:
            _log.warning("job not handed back", job=claim.job_id, cause=str(lost))
        else:
            _log.info("job handed back", job=claim.job_id, reason=reason)

    def _failed(self, claim: Claim, reason: str, *, permanent: bool) -> None:
        try:
            state = outlasting(
                lambda: self.ledger.fail(
                    claim,
                    reason=reason,
                    max_attempts=self.settings.max_attempts,
                    retry_delay_s=self.settings.retry_delay_s,
                    permanent=permanent,
                )
            )
        except LeaseLost as lost:
            _log.warning("failure not recorded", job=claim.job_id, cause=str(lost), reason=reason)
            return
        _log.warning("attempt failed", job=claim.job_id, model=claim.model_id, state=str(state), reason=reason)
