"""Archives are asked beside the assembler; one that is away is left alone for a while."""

import queue
import re
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from dicom_node.assembling.asker import Asker, Counts
from dicom_node.errors import ArchiveUnreachable, QueryFailed
from dicom_node.testing import ManualClock

UNTIL_S = 60.0


class Archive:
    """An archive that answers what the test says, when it says so."""

    def __init__(self) -> None:
        self.answers: dict[str, int | None] | Exception = {"1.2": 3}
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def count_series(self, study_uid: str) -> dict[str, int | None]:
        """Answer."""
        self.asked.append(study_uid)
        assert self.may_answer.wait(UNTIL_S)
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


class House:
    """Two archives, a clock, an asker, and what it answered."""

    def __init__(self) -> None:
        self.archives = {"pacs": Archive(), "other": Archive()}
        self.clock = ManualClock()
        self.asker = Asker(self.archives, self.clock)
        self.answers: queue.SimpleQueue[tuple[str, float, Counts | None]] = queue.SimpleQueue()

    def ask(self, study: str = "1", archive: str = "pacs") -> None:
        """Ask, without waiting."""
        self.asker.ask(archive, study, lambda asked_at, counts: self.answers.put((study, asked_at, counts)))

    def answer(self) -> tuple[str, float, Counts | None]:
        """Wait for the next answer."""
        return self.answers.get(timeout=UNTIL_S)


@pytest.fixture
def house() -> Iterator[House]:
    """A house whose asker runs."""
    built = House()
    built.asker.start()
    yield built
    for archive in built.archives.values():
        archive.may_answer.set()
    built.asker.stop()


def test_a_question_is_answered_with_the_time_at_which_it_was_put(house: House, wait_for: Callable[..., None]) -> None:
    """Not the time at which it was wanted: whoever asks must know what the answer is about."""
    house.archives["pacs"].may_answer.clear()
    house.ask("1")
    house.ask("2")
    wait_for(lambda: house.archives["pacs"].asked, what="the archive is asked")
    house.clock.advance(7)
    house.archives["pacs"].may_answer.set()
    assert house.answer() == ("1", 1000.0, {"1.2": 3})
    assert house.answer() == ("2", 1007.0, {"1.2": 3})


def test_an_archive_that_is_slow_holds_no_other(house: House) -> None:
    """While one does not answer, another one does."""
    house.archives["pacs"].may_answer.clear()
    house.ask("1")
    house.ask("2", "other")
    assert house.answer()[0] == "2"


@pytest.mark.parametrize("error", [ArchiveUnreachable("away"), QueryFailed("status A700"), RuntimeError("Canary^Bird")])
def test_an_archive_that_is_away_is_left_alone(house: House, error: Exception) -> None:
    """Every question is answered; the archive is asked again after 10 s, then 20 s. It is warned of once, by cause."""
    archive = house.archives["pacs"]
    archive.answers = error
    with structlog.testing.capture_logs() as logs:
        for pause, asked in ((0, 1), (9, 1), (1, 2), (19, 2), (1, 3)):
            house.clock.advance(pause)
            house.ask()
            assert house.answer()[2] is None
            assert len(archive.asked) == asked
        archive.answers = {"1.2": 3}
        house.clock.advance(40)
        house.ask()
        assert house.answer()[2] == {"1.2": 3}
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["event"], entry["archive"]) for entry in warnings] == [("archive does not count", "pacs")]
    assert not isinstance(error, RuntimeError) or re.match(r"RuntimeError at \w+\.py:\d+ while", warnings[0]["cause"])
    assert "Canary" not in str(logs)
    assert any(entry["event"] == "archive counts again" for entry in logs)


def test_an_archive_without_counts_is_named_once(house: House) -> None:
    """Its answers are passed on: a series that is not counted is never equal."""
    house.archives["pacs"].answers = {"1.2": None}
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            house.ask()
            assert house.answer()[2] == {"1.2": None}
    assert ["(0020,1209)" in entry["cause"] for entry in logs] == [True]


def test_stopping_does_not_wait_for_an_archive(wait_for: Callable[..., None]) -> None:
    """An archive that does not answer keeps nobody from ending."""
    built = House()
    built.asker.start()
    built.archives["pacs"].may_answer.clear()
    built.ask()
    wait_for(lambda: built.archives["pacs"].asked, what="the archive is asked")
    built.asker.stop()
    built.archives["pacs"].may_answer.set()
