"""From an assembled study to jobs: selection looks at the headers, the ledger records what it decided."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

import structlog

from dicom_node.errors import NodeError
from dicom_node.study import AssembledStudy, Completion, SeriesWish, StoredInstance
from models.catalog import Catalog, CatalogEntry, ModelState
from models.errors import ModelError
from worker.instances.inputs_digest import digest_of_files
from worker.intake.own_results import own_results
from worker.jobs.priority import Decision, Evidence, SitePriorities, decide
from worker.ledger.ledger import Ledger
from worker.ledger.planned_read import Planned
from worker.provenance import device_uid, uid_of_device
from worker.selecting.selection import channel_names, choose, input_key
from worker.selecting.selection_rules import tags_of
from worker.selecting.selection_summary import StudySummary, summarise
from worker.settings import ModelsSettings

_log = structlog.get_logger()

#: The digest of an input of which a file cannot be read, which is that of nothing that was.
_UNKNOWN = "unknown"


class Intake:
    """Takes studies from the node; implements `dicom_node.study.StudyStore`."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        catalog: Callable[[], Catalog],
        spool: Path,
        settings: ModelsSettings,
        named: Collection[str] = (),
        priorities: SitePriorities | None = None,
        zone: tzinfo | None = None,
        on_queued: Callable[[], None] = lambda: None,
        on_complete: Callable[[AssembledStudy], None] = lambda _study: None,
    ) -> None:
        """Take what decides, and who is to hear of it.

        Args:
            ledger: Opened in this process.
            catalog: Returns the models as they are now.
            spool: Its root.
            settings: Which models run.
            named: Ids that some setting names, of which it is told where no such model is here.
            priorities: How urgent studies are; left out, only the sender's request counts.
            zone: The site's, for rules on hours; left out, the machine's.
            on_queued: Called when jobs were queued.
            on_complete: Called with each study that was recorded; must return at once.
        """
        self._ledger = ledger
        self._catalog = catalog
        self._spool = spool
        self._settings = settings
        self._named = sorted(named)
        self._priorities = priorities or SitePriorities(called={}, senders={})
        self._zone = zone
        self._on_queued = on_queued
        self._on_complete = on_complete
        self._absent = set[str]()

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return the files of this study folder that some revision already lists."""
        return self._ledger.recorded_files(folder)

    def study_receiving(self, instance: StoredInstance) -> bool:
        """Note that a study is arriving, unless what comes is a result of our own."""
        if self.made_here([instance]):
            return False
        self._ledger.study_receiving(instance)
        return True

    def nothing_left(self, study_instance_uid: str) -> None:
        """Note that a study is not arriving any more, and is not there."""
        self._ledger.nothing_left(study_instance_uid)

    def made_here(self, instances: Sequence[StoredInstance]) -> frozenset[str]:
        """Return the files of those that are results of our own."""
        return own_results(instances, spool=self._spool, in_ledger=self._ledger.made_here, devices=self._devices)

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
        plan, summaries, _ = self._plan(self._of_series(), study)
        number = self._ledger.series_complete(study, summaries, plan)
        if number is not None:
            _log.info("series complete", study=study.study_instance_uid, revision=number, series=len(study.series))
            self._on_queued()

    def close_revision(self, study: AssembledStudy) -> None:
        """Choose models for the study and record the revision with its jobs."""
        plan, summaries, decision = self._plan(self._entries(), study)
        number = self._ledger.close_revision(study, summaries, plan)
        _log.info(
            "study complete",
            study=study.study_instance_uid,
            revision=number,
            completion=study.completion.value,
            series=len(study.series),
            jobs=sum(planned.runs for planned in plan),
            priority=decision.priority.name.lower(),
        )
        self._on_queued()
        self._on_complete(study)

    def _evidence(self, study: AssembledStudy, summary: StudySummary) -> Evidence:
        return Evidence(
            senders=study.calling_ae_titles,
            called=study.called_ae_titles,
            requested=study.requested,
            arrived_at=study.last_received_at.astimezone(self._zone),
            series=summary.series,
        )

    def tell_models(self) -> None:
        """Say which models do not run that somebody may take for running, as far as that is not told yet.

        Of what they would have read nothing else says anything: no job is made for them.
        """
        self._tell_models(self._catalog())

    def _tell_models(self, catalog: Catalog) -> None:
        absent = {wrong.reason for wrong in catalog.unreadable}
        for model_id in self._named:
            try:
                catalog.get(model_id)
            except ModelError as error:
                absent.add(str(error))
        for cause in sorted(absent - self._absent):
            _log.error(
                "model does not run",
                cause=cause,
                remedy="`wetread models list` has what is here, and what the settings name in vain",
            )
        self._absent = absent

    def _entries(self) -> list[CatalogEntry]:
        catalog = self._catalog()
        self._tell_models(catalog)
        return [entry for entry in catalog if self._enabled(entry)]

    def _of_series(self) -> list[CatalogEntry]:
        return [entry for entry in self._entries() if entry.card.trigger == "series"]

    def _plan(
        self, entries: Sequence[CatalogEntry], study: AssembledStudy
    ) -> tuple[list[Planned], dict[str, dict[str, Any]], Decision]:
        """Return what each model is to do, what selection saw of each series, and how urgent the study is."""
        tags = tags_of(entry.card for entry in entries) | self._priorities.tags
        summary = summarise(self._spool, study, tags)
        decision = decide(self._evidence(study, summary), self._priorities)
        summaries = {series.series_instance_uid: series.for_ledger() for series in summary.series}
        gone = self._gone(study)
        before = self._ledger.read_before(study.study_instance_uid)
        plan = [self._planned(entry, summary, decision, gone, study.mended, before) for entry in entries]
        return plan, summaries, decision

    def _gone(self, study: AssembledStudy) -> str:
        """Say why an admin must look first: a model must not read what is left of a study as if it were all of it."""
        here = {file for series in study.series for file in series.files}
        missing = [file for file in self._ledger.recorded_files(study.folder) - here if not self._keeps(file)]
        if study.completion is Completion.SERIES:
            folders = {Path(file).parent for file in here}
            missing = [file for file in missing if Path(file).parent in folders]
        if not missing:
            return ""
        return (
            f"{len(missing)} images that were here before are gone, by retention or by hand: `wetread pull` the study, "
            "which is then read as a whole, or `wetread retry` reads what is here"
        )

    def _keeps(self, file: str) -> bool:
        return (self._spool / file).exists()

    def _devices(self) -> frozenset[str]:
        """Return the Device UIDs of the models that are here, and of those that the ledger remembers."""
        here = (device_uid(entry.card) for entry in self._catalog())
        return frozenset((*here, *(uid_of_device(*model) for model in self._ledger.known_models())))

    def _enabled(self, entry: CatalogEntry) -> bool:
        return not self._settings.enabled or entry.card.id in self._settings.enabled

    def _planned(
        self,
        entry: CatalogEntry,
        summary: StudySummary,
        decision: Decision,
        gone: str,
        mended: frozenset[str],
        before: Mapping[str, tuple[str, ...]],
    ) -> Planned:
        card = entry.card
        choice = choose(card, summary, research=self._settings.research, read_before=before.get(card.id, ()))
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
            held=choice.held or gone,
            others=choice.others,
            priority=decision.priority,
            because=decision.because,
            reason=choice.reason if ready or not choice.runs else f"the model is not ready: {entry.reason}",
            mended_digest=self._digest_now(choice.files) if mended.intersection(choice.files) else "",
        )

    def _digest_now(self, files: Sequence[str]) -> str:
        try:
            return digest_of_files([self._spool / file for file in files])
        except NodeError:
            return _UNKNOWN
