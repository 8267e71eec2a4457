"""From an assembled study to jobs: selection looks at the headers, the ledger records what it decided."""

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from dicom_node.study import AssembledStudy, StoredInstance
from models.catalog import Catalog, CatalogEntry, ModelState
from worker.ledger import Ledger
from worker.ledger_intake import Planned
from worker.own_results import own_results
from worker.provenance import device_uid, uid_of_device
from worker.selection import choose, input_key, tags_of
from worker.selection_summary import StudySummary, summarise
from worker.settings import ModelsSettings

_log = structlog.get_logger()


class Intake:
    """Takes studies from the node; implements `dicom_node.study.StudyStore`."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        catalog: Callable[[], Catalog],
        spool: Path,
        settings: ModelsSettings,
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the ledger, the models as they are now, the spool's root, and what to call when jobs were queued."""
        self._ledger = ledger
        self._catalog = catalog
        self._spool = spool
        self._settings = settings
        self._on_queued = on_queued

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return the files of this study folder that some revision already lists."""
        return self._ledger.recorded_files(folder)

    def study_receiving(self, instance: StoredInstance) -> bool:
        """Note that a study is arriving, unless what comes is a result of our own."""
        if self.made_here([instance]):
            return False
        self._ledger.study_receiving(instance)
        return True

    def made_here(self, instances: Sequence[StoredInstance]) -> frozenset[str]:
        """Return the files of those that are results of our own."""
        return own_results(instances, spool=self._spool, in_ledger=self._ledger.made_here, devices=self._devices)

    def close_revision(self, study: AssembledStudy) -> None:
        """Choose models for the study and record the revision with its jobs."""
        entries = [entry for entry in self._catalog() if self._enabled(entry)]
        summary = summarise(self._spool, study, tags_of(entry.card for entry in entries))
        plan = [self._planned(entry, summary) for entry in entries]
        summaries = {series.series_instance_uid: series.for_ledger() for series in summary.series}
        number = self._ledger.close_revision(study, summaries, plan)
        _log.info(
            "study complete",
            study=study.study_instance_uid,
            revision=number,
            completion=study.completion.value,
            series=len(study.series),
            jobs=sum(planned.runs for planned in plan),
        )
        self._on_queued()

    def _devices(self) -> frozenset[str]:
        """Return the Device UIDs of the models that are here, and of those that the ledger remembers."""
        here = (device_uid(entry.card) for entry in self._catalog())
        return frozenset((*here, *(uid_of_device(*model) for model in self._ledger.known_models())))

    def _enabled(self, entry: CatalogEntry) -> bool:
        return not self._settings.enabled or entry.card.id in self._settings.enabled

    def _planned(self, entry: CatalogEntry, summary: StudySummary) -> Planned:
        card = entry.card
        choice = choose(card, summary, research=self._settings.research)
        ready = entry.state is ModelState.READY
        return Planned(
            model_id=card.id,
            model_digest=entry.digest,
            name=card.name,
            version=card.version,
            queue=card.queue,
            runs=choice.runs and ready,
            series_instance_uid=choice.series_instance_uid or "",
            files=choice.files,
            input_key=input_key(choice),
            late_images=card.late_images,
            deadline_s=card.deadline_s,
            held=choice.held,
            reason=choice.reason if ready or not choice.runs else f"the model is not ready: {entry.reason}",
        )
