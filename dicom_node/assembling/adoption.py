"""What a crash, or a failure of the disk, left in the spool and nobody was told of: taken as if it had just come."""

from collections.abc import Callable, Iterable
from functools import partial

import structlog

from dicom_node.assembling.handover import Errand, Handover
from dicom_node.assembling.open_study import OpenStudy
from dicom_node.spooling.spool import Spool
from dicom_node.spooling.spool_layout import instance_of, series_of
from dicom_node.study import StoredInstance, StudyStore

_log = structlog.get_logger()

#: What a receiving process leaves, it leaves in its last moment; a day, since clocks may jump.
_LATELY_S = 86_400.0
#: After the last instance of a closed study that was sent once more: one look for all of them.
_LOOK_AGAIN_S = 5.0


class Adoption:
    """Looks through study folders for the assembler, in its thread; each look waits for the store, as an errand."""

    def __init__(
        self,
        spool: Spool,
        store: StudyStore,
        handover: Handover,
        take: Callable[[StoredInstance], None],
        all_recorded: Callable[[str], None],
        open_in: Callable[[str], OpenStudy | None],
    ) -> None:
        """Take the spool, who knows what is recorded, where errands wait, and who hears of what is found, or of none.

        `all_recorded` is given the UID of a study that was there at the start and of which nothing is new; `open_in`
        returns the study of a folder, where it still collects.
        """
        self._open_in = open_in
        self._all_recorded = all_recorded
        self._spool = spool
        self._store = store
        self._handover = handover
        self._take = take
        self._from_before: set[str] = set()  # study folders that were there at the start, until looked through
        self._to_tell: set[str] = set()  # of these, until it is told where nothing is new

    def begin(self) -> None:
        """Remove half-written files and look at every folder; before anybody stores here. Raises OSError."""
        removed = self._spool.remove_partials()
        folders = self._spool.study_folders()
        self._from_before.update(folders)
        self._to_tell.update(folders)
        self._look_at(folders)
        self._note_looked_through()
        _log.info("assembler started", partials_removed=removed, study_folders=len(folders))

    def clear_up(self, pid: int) -> None:
        """Remove what a receiving process, which is gone, left half-written, and look at what it may have named."""
        try:
            removed = self._spool.remove_partials(of=pid)
            folders = self._spool.study_folders(changed_within_s=_LATELY_S)
        except OSError as error:
            _log.error(
                "spool not looked through", cause=str(error), remedy="is its disk there? It is at the next start"
            )
            return
        self._look_at(folders)
        _log.info("after a receiving process", partials_removed=removed, study_folders=len(folders))

    def look_again(self, folder: str) -> None:
        """Look at a folder once its sender has gone on.

        Mostly what came is in a revision. But where the disk failed just after the file had its name, its sender was
        refused, nobody was told, and this is the sender's second try.
        """
        self._handover.add(Errand.ADOPT, folder, partial(self._adopt, folder), after_s=_LOOK_AGAIN_S)

    def put_cut_aside(self, folder: str) -> None:
        """Before anything of a folder that a crash may have left is told to anybody."""
        if folder in self._from_before:
            self._spool.put_cut_aside(folder, self._store.recorded_files)
            self._from_before.discard(folder)
            self._note_looked_through()

    def _look_at(self, folders: Iterable[str]) -> None:
        for folder in folders:
            self._handover.add(Errand.ADOPT, folder, partial(self._adopt, folder))

    def _adopt(self, folder: str) -> None:
        self.put_cut_aside(folder)
        files = self._not_heard_of(folder, self._spool.files(folder))
        known = self._store.recorded_files(folder) - self._spool.mended(files)
        described = [self._spool.describe(file) for file in files if file not in known]
        left = [instance for instance in described if instance is not None and not instance.own]
        own = self._store.made_here(left)
        found = [instance for instance in left if instance.file not in own]
        for instance in found:
            _log.info("instance adopted", file=instance.file)
            self._take(instance)
        if folder in self._to_tell and not found:
            # It was noted as arriving after a revision had taken all of it, and then this process ended.
            there = next(filter(None, map(self._spool.describe, files)), None)
            if there is not None:
                self._all_recorded(there.study_instance_uid)
        self._to_tell.discard(folder)

    def _not_heard_of(self, folder: str, files: Iterable[str]) -> list[str]:
        """Leave out what was told already of a study that still collects; of versions of an instance nobody knows."""
        study = self._open_in(folder)
        return [
            file
            for file in files
            if study is None or "~" in file or not study.heard_of(series_of(file), instance_of(file))
        ]

    def _note_looked_through(self) -> None:
        if not self._from_before:
            self._spool.all_looked_through()
