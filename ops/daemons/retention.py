"""Removes what may go: the hand of `worker.jobs.retention`, which decides."""

import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from dicom_node.spooling.clearing import remove_study
from dicom_node.spooling.spool import Spool
from dicom_node.study import StoredInstance
from ops.assembly_line import told_of
from ops.daemons.promises import Promises
from ops.settings import Settings
from worker.delivery.destination_settings import DicomDestinationSettings
from worker.errors import LedgerAway, LedgerDamaged
from worker.jobs.job import JobState
from worker.jobs.retention import Keeping, StudyEnd, due, moments, why_unsettled
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided about a study.

    Attributes:
        study_instance_uid: (0020,000D).
        what: What goes, or would; None where all of it stays.
        why: Why it stays; empty where something goes.
        freed_bytes: On disk; 0 in a dry run.
        failed: Whether it stays because its files or rows are in trouble.
    """

    study_instance_uid: str
    what: Keeping | None
    why: str = ""
    freed_bytes: int = 0
    failed: bool = False


class Retention:
    """Clears disk and ledger. Any number may run over the same house: what is gone is gone."""

    def __init__(
        self, *, ledger: Ledger, spool: Spool, settings: Settings, now: Callable[[], datetime] = utc_now
    ) -> None:
        """Take the ledger, the spool, the settings, and the clock that days are counted by."""
        self._ledger = ledger
        self._spool = spool
        self._results = settings.results
        self._settings = settings.retention
        self._told_of: Collection[JobState] = {
            JobState.FAILED,
            *(state for told in told_of(settings).values() for state in told),
        }
        self._commits = frozenset(
            item.name
            for item in settings.each_destination
            if isinstance(item, DicomDestinationSettings) and item.commitment
        )
        self._withdraws = frozenset(item.name for item in settings.each_destination if item.superseded == "delete")
        self._promises = Promises(settings, spool.root)
        self._now = now
        self._troubles = set[Verdict]()

    def run(self, stop: threading.Event) -> None:
        """Look every few minutes until told to stop."""
        while not stop.is_set():
            try:
                for verdict in self.once():
                    if verdict.what is not None:
                        _log.info(
                            f"{verdict.what} removed",
                            study=verdict.study_instance_uid,
                            freed_bytes=verdict.freed_bytes,
                        )
                    elif verdict.failed and verdict not in self._troubles:
                        self._troubles.add(verdict)
                        _log.error(
                            "study not cleared",
                            study=verdict.study_instance_uid,
                            cause=verdict.why,
                            remedy="mend what the cause names; until then this study stays, others go",
                        )
                    if stop.is_set():
                        break
                if self._short():
                    _log.warning(
                        "disk short",
                        spool=str(self._spool.root),
                        remedy="nothing more is settled: `wetread retention` says why; free some space",
                    )
            except (LedgerAway, OSError) as error:
                _log.warning("retention waits", cause=str(error))
            stop.wait(self._settings.every_s)

    def once(self, *, dry_run: bool = False) -> Iterator[Verdict]:
        """Go through all studies that are old enough, the oldest first. Raises LedgerAway, OSError.

        One whose files cannot be removed, or whose rows cannot be read, is passed over: else the disk fills behind it.
        """
        now = self._now()
        self._promises.begin_round()
        short = self._short()
        before = moments(self._settings, now, make_room=short)
        after = None
        while before:
            page = self._ledger.ended_studies(
                before=before,
                told_of=self._told_of,
                committing=self._committing(),
                withdrawing=self._withdraws,
                after=after,
            )
            for study in page.studies:
                if short and not dry_run and not self._short():
                    short, before = False, moments(self._settings, now)
                yield from self._clear_apart(study, before, dry_run=dry_run)
            for study_id, damage in page.damaged:
                yield Verdict(
                    study_instance_uid=f"(study {study_id} of the ledger)", what=None, why=damage, failed=True
                )
            after = page.after
            if after is None:
                return

    def _clear_apart(self, study: StudyEnd, before: dict[Keeping, datetime], *, dry_run: bool) -> Iterator[Verdict]:
        try:
            yield from self._clear(study, before, dry_run=dry_run)
        except (OSError, LedgerDamaged) as error:
            yield Verdict(study_instance_uid=study.study_instance_uid, what=None, why=str(error), failed=True)

    def _clear(self, study: StudyEnd, before: dict[Keeping, datetime], *, dry_run: bool) -> Iterator[Verdict]:
        if study.folder in ("", ".", "..") or Path(study.folder).name != study.folder:
            # Below the roots of spool and results it must be: else everybody's would go.
            raise LedgerDamaged("the ledger holds a folder of a study that is none")
        going = due(study, before)
        why = why_unsettled(study) if going else ""
        if going and not why:
            why = self._promised(study, release=not dry_run)
        if why:
            yield Verdict(study_instance_uid=study.study_instance_uid, what=None, why=why)
            return
        # Of before the last look: what a later revision lists is not among them, and keeps the study.
        recorded = self._ledger.recorded_files(study.folder)
        if not dry_run and not self._still(study, going, before):
            yield Verdict(study_instance_uid=study.study_instance_uid, what=None, why="more of it has just come")
            return
        for what in going:
            freed = 0 if dry_run else self._remove(study, what, recorded)
            if freed is None:
                yield Verdict(study_instance_uid=study.study_instance_uid, what=None, why="more of it has just come")
                return
            yield Verdict(study_instance_uid=study.study_instance_uid, what=what, freed_bytes=freed)

    def _still(self, study: StudyEnd, going: tuple[Keeping, ...], before: dict[Keeping, datetime]) -> bool:
        """Say whether what was decided holds: of a page of studies the last is removed minutes after it was judged."""
        now = self._ledger.study_end(
            study.id, told_of=self._told_of, committing=self._committing(), withdrawing=self._withdraws
        )
        return now is not None and not why_unsettled(now) and due(now, before) == going

    def _remove(self, study: StudyEnd, what: Keeping, recorded: Collection[str]) -> int | None:
        """Remove it and note that, also where it is gone already; None where something has come between."""
        if what is Keeping.ROWS:
            self._ledger.forget_study(study.id)
            return 0
        if what is Keeping.IMAGES:
            removed = remove_study(self._spool, study.folder, recorded, self._made_here)
            if removed is None:
                return None
            files, freed = removed.files, removed.freed_bytes
        else:
            files, freed = _remove_tree(self._results / study.folder)
        self._ledger.note_removed(study.id, what, files=files, freed_bytes=freed)
        return freed

    def _made_here(self, instances: Sequence[StoredInstance]) -> frozenset[str]:
        ours = self._ledger.made_here([instance.sop_instance_uid for instance in instances])
        return frozenset(instance.file for instance in instances if instance.sop_instance_uid in ours)

    def _promised(self, study: StudyEnd, *, release: bool) -> str:
        """Say why a study stays of which somebody was promised instances: all of it, for without its rows it is new."""
        held = self._promises.unconfirmed(study.folder, study.study_instance_uid, release=release)
        return f"storage commitment: {held} images are promised, and no archive is known to have them" if held else ""

    def _committing(self) -> frozenset[str]:
        """Return the destinations whose acceptance alone does not settle a delivery: they are asked for more."""
        return self._commits

    def _short(self) -> bool:
        return self._spool.free_bytes() < self._settings.make_room_below_bytes


def _remove_tree(folder: Path) -> tuple[int, int]:
    """Remove a folder; return how many files it had and their bytes."""
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    if folder.is_dir():
        shutil.rmtree(folder)
    return len(sizes), sum(sizes)
