"""The one who asks archives how much they hold: a thread an archive, so that none of them keeps anybody waiting.

An archive that is away is left alone for a while; whoever asks about it meanwhile hears that at once.
"""

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import structlog

from dicom_node.clock import MONOTONIC, Clock
from dicom_node.error_place import defect_of
from dicom_node.errors import ArchiveError

_log = structlog.get_logger()

_FIRST_REST_S = 10.0
_LONGEST_REST_S = 300.0
#: A query in flight may last longer; its thread ends with the process.
_STOP_WITHIN_S = 2.0

Counts: TypeAlias = Mapping[str, int | None]
"""Instances by Series Instance UID; None where the archive does not say how many."""

Answer: TypeAlias = Callable[[float, Counts | None], None]
"""Called, in the asker's thread, with the time at which the archive was asked, and its counts; None: it is away."""


class CountingArchive(Protocol):
    """An archive that can be asked within a bounded time; `dicom_node.archives.archive.DicomArchive` is one."""

    def count_series(self, study_uid: str) -> dict[str, int | None]:
        """Return how many instances it has of each series of a study. Raises ArchiveError."""


class Ask(Protocol):
    """Puts a question and returns at once."""

    def ask(self, archive: str, study_uid: str, answer: Answer) -> None:
        """Have the archive of this name asked about a study."""


class Asker:
    """Asks each archive one question at a time, in the order in which they came."""

    def __init__(self, archives: Mapping[str, CountingArchive], clock: Clock = MONOTONIC) -> None:
        """Take the archives by the names under which they are asked, and the clock of whoever asks."""
        self._lines = {name: _Line(name, archive, clock) for name, archive in archives.items()}

    def start(self) -> None:
        """Start the threads."""
        for line in self._lines.values():
            line.thread.start()

    def stop(self) -> None:
        """Let the threads end; questions that wait are not answered any more."""
        for line in self._lines.values():
            line.stop.set()
            line.questions.put(None)
        for line in self._lines.values():
            line.thread.join(_STOP_WITHIN_S)

    def ask(self, archive: str, study_uid: str, answer: Answer) -> None:
        """Have the archive of this name asked; `answer` is called once, unless the asker is stopped before."""
        self._lines[archive].questions.put(_Question(study_uid=study_uid, answer=answer))


@dataclass(frozen=True, kw_only=True)
class _Question:
    study_uid: str
    answer: Answer


class _Line:
    """One archive, its questions and what is known of it."""

    def __init__(self, name: str, archive: CountingArchive, clock: Clock) -> None:
        self.questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"asker-{name}", daemon=True)
        self._name = name
        self._archive = archive
        self._clock = clock
        self._rest_s = 0.0
        self._resting_until = 0.0
        self._uncounted = False

    def _run(self) -> None:
        while (question := self.questions.get()) is not None and not self.stop.is_set():
            asked_at = self._clock.now()
            question.answer(asked_at, None if asked_at < self._resting_until else self._counts(question.study_uid))

    def _counts(self, study_uid: str) -> Counts | None:
        try:
            counts = self._archive.count_series(study_uid)
        except ArchiveError as error:
            self._leave_alone(str(error))
            return None
        except Exception as error:  # noqa: BLE001 - the outermost frame: a foreign library and a foreign archive
            # Its words could quote an answer, and that a patient.
            self._leave_alone(f"{defect_of(error)} while it was asked")
            return None
        if self._rest_s:
            _log.info("archive counts again", archive=self._name)
        self._rest_s = 0.0
        self._note_uncounted(counts)
        return counts

    def _leave_alone(self, cause: str) -> None:
        if not self._rest_s:
            _log.warning(
                "archive does not count",
                archive=self._name,
                cause=cause,
                remedy="is it up, and may we query it (C-FIND)? Until then studies are complete after their quiet time",
            )
        self._rest_s = min(self._rest_s * 2, _LONGEST_REST_S) if self._rest_s else _FIRST_REST_S
        self._resting_until = self._clock.now() + self._rest_s

    def _note_uncounted(self, counts: Counts) -> None:
        if counts and all(count is None for count in counts.values()) and not self._uncounted:
            self._uncounted = True
            _log.warning(
                "archive does not count",
                archive=self._name,
                cause="its answers lack Number of Series Related Instances (0020,1209)",
                remedy="none where it has none: take `counts_from` away; studies are complete after their quiet time",
            )
