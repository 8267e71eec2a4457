"""The loop that tells people: a real ledger and spool, and clients that keep what they are given."""

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.ledger.test_notifications import read
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification import ChannelRule, NoticeState, NotificationState
from worker.jobs.notification_records import Answer, Message
from worker.ledger.ledger import Ledger
from worker.notifying.notification_settings import NotifyingSettings
from worker.notifying.notifying import Channel, Notifier
from worker.settings import ReportSettings
from worker.testing import write_mr_series


class Recording:
    """A client that keeps messages and answers, or raises, what it is told to."""

    def __init__(self, answer: Answer | Exception | None = None) -> None:
        self.answer = answer or Answer()
        self.messages: list[Message] = []

    def tell(self, message: Message) -> Answer:
        """Keep it."""
        self.messages.append(message)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def channel(name: str, client: Recording, **rule: object) -> Channel:
    """Return a channel with this client."""
    return Channel(rule=ChannelRule(name=name, **rule), client=client)  # type: ignore[arg-type]


def notifier(ledger: Ledger, spool: Path, *channels: Channel) -> Notifier:
    """Return the loop over these channels."""
    return Notifier(
        ledger=ledger,
        channels={each.rule.name: each for each in channels},
        spool=spool,
        report=ReportSettings(),
        settings=NotifyingSettings(),
    )


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool with the file that the job of `critical` reads."""
    write_mr_series(tmp_path / "spool" / "s" / "a", slices=1)[0].rename(tmp_path / "spool" / "s" / "a" / "1.dcm")
    return tmp_path / "spool"


@pytest.fixture
def critical(ledger: Ledger, queue_job: Callable[..., int]) -> int:
    """A critical read that nobody has heard of yet."""
    queue_job()
    return read(ledger)


def state_of(ledger: Ledger) -> tuple[NotificationState, dict[str, NoticeState]]:
    """Return what has become of the only notification."""
    (row,) = ledger.notifications()
    return row.state, {notice.channel: notice.state for notice in row.notices}


def test_accession_number_and_patient_come_from_the_spool(ledger: Ledger, spool: Path, critical: int) -> None:
    """Read when the message is sent, since the ledger has neither; the patient only for the channel that may."""
    open_to_all, closed = Recording(), Recording()
    channels = (channel("pager", open_to_all), channel("ris", closed, patient_data=True))
    loop = notifier(ledger, spool, *channels)
    loop.decide()
    assert all(loop.tell_one(each) for each in channels)
    (first,), (second,) = open_to_all.messages, closed.messages
    assert first.accession_number == second.accession_number == "ACC0"
    assert first.patient is None
    assert second.patient is not None
    assert second.patient.patient_name == "Test^Head"
    assert not loop.tell_one(channels[0])


@pytest.mark.parametrize("content", [None, b"", b"junk" * 100], ids=["gone", "empty", "junk"])
def test_a_source_that_cannot_be_read_does_not_silence_the_message(
    ledger: Ledger, tmp_path: Path, critical: int, content: bytes | None
) -> None:
    """Without the spool's file the study UID is left to find it by."""
    if content is not None:
        (tmp_path / "s" / "a").mkdir(parents=True)
        (tmp_path / "s" / "a" / "1.dcm").write_bytes(content)
    client = Recording()
    loop = notifier(ledger, tmp_path, channel("pager", client))
    loop.decide()
    loop.tell_one(channel("pager", client))
    assert (client.messages[0].study_instance_uid, client.messages[0].accession_number) == ("1.2.3", "")


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (ChannelAway("away"), NoticeState.PENDING),
        (ChannelRefused("no"), NoticeState.LOST),
        (ValueError("CANARY"), NoticeState.PENDING),
    ],
)
def test_what_a_channel_says_is_recorded(
    ledger: Ledger, spool: Path, critical: int, problem: Exception, state: NoticeState
) -> None:
    """Away is tried again, refused is lost, a defect is tried again and its words, maybe a patient's, not kept."""
    pager = channel("pager", Recording(problem))
    loop = notifier(ledger, spool, pager)
    loop.decide()
    with structlog.testing.capture_logs() as logs:
        assert loop.tell_one(pager)
    assert state_of(ledger)[1] == {"pager": state}
    assert "CANARY" not in str(logs) + str(ledger.notifications())


def test_unacknowledged_the_next_are_told_by_the_clock(
    ledger: Ledger, clock: ManualLedgerClock, spool: Path, critical: int
) -> None:
    """First the pager, five minutes later the chief, five later it is an admin's; both messages have one key."""
    pager, chief = Recording(), Recording()
    channels = (channel("pager", pager), channel("chief", chief, step=2))
    loop = notifier(ledger, spool, *channels)

    def look() -> tuple[int, int]:
        loop.decide()
        for each in channels:
            loop.tell_one(each)
        return len(pager.messages), len(chief.messages)

    assert look() == (1, 0)
    clock.seconds += 299
    assert look() == (1, 0)
    clock.seconds += 1
    assert look() == (1, 1)
    assert pager.messages[0].key == chief.messages[0].key
    assert (pager.messages[0].step, chief.messages[0].step) == (1, 2)
    clock.seconds += 300
    assert look() == (1, 1)
    assert state_of(ledger)[0] is NotificationState.UNANSWERED


def test_an_answer_may_acknowledge(ledger: Ledger, clock: ManualLedgerClock, spool: Path, critical: int) -> None:
    """Then nobody else is told."""
    pager, chief = (
        channel("pager", Recording(Answer(acknowledged_by="Dr. Meyer"))),
        channel("chief", Recording(), step=2),
    )
    loop = notifier(ledger, spool, pager, chief)
    loop.decide()
    loop.tell_one(pager)
    clock.seconds += 10000
    loop.decide()
    assert not loop.tell_one(chief)
    assert state_of(ledger) == (
        NotificationState.ACKNOWLEDGED,
        {"pager": NoticeState.SENT, "chief": NoticeState.NOT_NEEDED},
    )


def test_without_channels_the_log_cries(ledger: Ledger, spool: Path, critical: int) -> None:
    """Once, as an error with its remedy."""
    loop = notifier(ledger, spool)
    with structlog.testing.capture_logs() as logs:
        loop.decide()
        loop.decide()
    (cry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert "nobody to tell" in cry["event"]
    assert "[[notifications]]" in cry["remedy"]
    assert state_of(ledger)[0] is NotificationState.NOBODY


def test_it_runs_until_it_is_stopped(ledger: Ledger, spool: Path, critical: int, wait_for: Callable[..., None]) -> None:
    """One channel that is away does not hold the other back; all threads end."""
    told, away = Recording(), Recording(ChannelAway("away"))
    loop = notifier(ledger, spool, channel("away", away), channel("pager", told))
    stop = threading.Event()
    running = threading.Thread(target=loop.run, args=(stop,))
    running.start()
    wait_for(lambda: bool(told.messages and away.messages), what="both channels were asked")
    stop.set()
    running.join(timeout=10)
    assert not running.is_alive()


def test_a_notice_that_was_taken_over_ends_nothing(
    ledger: Ledger, clock: ManualLedgerClock, spool: Path, critical: int
) -> None:
    """A client that hung for longer than its lease, and then failed, costs this attempt and nothing else."""

    class Hanging(Recording):
        def tell(self, message: Message) -> Answer:
            clock.seconds += 31
            ledger.free_expired_notices()
            return super().tell(message)

    hanging = channel("pager", Hanging(ChannelAway("away")))
    loop = notifier(ledger, spool, hanging)
    loop.decide()
    assert loop.tell_one(hanging)
    told = channel("pager", Recording())
    assert loop.tell_one(told)
    assert state_of(ledger)[1]["pager"] is NoticeState.SENT


def test_a_defect_in_one_notice_does_not_silence_a_channel(
    ledger: Ledger, spool: Path, critical: int, monkeypatch: pytest.MonkeyPatch, wait_for: Callable[..., None]
) -> None:
    """Neither where notices are claimed, nor where it is decided who is told: the threads go on."""
    told = Recording()
    loop = notifier(ledger, spool, channel("pager", told))
    failures = {"claim_notice": 0, "new_notifications": 0}

    def failing(name: str) -> Callable[..., object]:
        real = getattr(ledger, name)

        def method(*arguments: object, **named: object) -> object:
            failures[name] += 1
            if failures[name] == 1:
                raise TypeError("PATIENT^NAME")
            return real(*arguments, **named)

        return method

    for name in failures:
        monkeypatch.setattr(ledger, name, failing(name))
    stop = threading.Event()
    running = threading.Thread(target=loop.run, args=(stop,))
    with structlog.testing.capture_logs() as logs:
        running.start()
        wait_for(lambda: told.messages, what="it is told all the same")
        stop.set()
        running.join(timeout=10)
    assert not running.is_alive()
    assert "PATIENT" not in str(logs)
    told_errors = [entry["error"] for entry in logs if entry["event"].startswith("a defect of wetread")]
    assert len(told_errors) == 2
    assert all(re.fullmatch(r"TypeError at test_notifying\.py:\d+", error) for error in told_errors)
