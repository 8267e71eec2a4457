"""From an assembled study to jobs: selection looks at the headers, the ledger records what it decided."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from dicom_node.study import AssembledStudy, SeriesWish, StoredInstance
from models.catalog import Catalog, CatalogEntry, ModelState
from worker.ledger import Ledger
from worker.ledger_intake import Planned
from worker.selection import channel_names, choose, input_key, tags_of
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

    def study_receiving(self, instance: StoredInstance) -> None:
        """Note that a study is arriving."""
        self._ledger.study_receiving(instance)

    def series_wish(self) -> SeriesWish:
        """Say what models with `trigger = "series"` need to be told."""
        entries = self._of_series()
        if any(channel_names(entry.card) for entry in entries):
            return SeriesWish.TOGETHER
        return SeriesWish.EACH if entries else SeriesWish.NOTHING

    def ours_among(self, sop_instance_uids: Sequence[str]) -> frozenset[str]:
        """Return those of the SOP Instance UIDs that are results of ours."""
        return self._ledger.made_here(sop_instance_uids)

    def series_complete(self, study: AssembledStudy) -> None:
        """Choose among the models that read single series, and queue what is new."""
        plan, summaries = self._plan(self._of_series(), study)
        number = self._ledger.series_complete(study, summaries, plan)
        if number is not None:
            _log.info("series complete", study=study.study_instance_uid, revision=number, series=len(study.series))
            self._on_queued()

    def close_revision(self, study: AssembledStudy) -> None:
        """Choose models for the study and record the revision with its jobs."""
        plan, summaries = self._plan(self._entries(), study)
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

    def _entries(self) -> list[CatalogEntry]:
        return [entry for entry in self._catalog() if self._enabled(entry)]

    def _of_series(self) -> list[CatalogEntry]:
        return [entry for entry in self._entries() if entry.card.trigger == "series"]

    def _plan(
        self, entries: Sequence[CatalogEntry], study: AssembledStudy
    ) -> tuple[list[Planned], dict[str, dict[str, Any]]]:
        """Return what each model is to do, and what selection saw of each series."""
        summary = summarise(self._spool, study, tags_of(entry.card for entry in entries))
        summaries = {series.series_instance_uid: series.for_ledger() for series in summary.series}
        return [self._planned(entry, summary) for entry in entries], summaries

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
