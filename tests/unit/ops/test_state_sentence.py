"""The sentence at the top of the page."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dicom_node.tls.certificate_file import WARN_BELOW_DAYS, Left
from ops.certificates import Expiry, Kind
from ops.dashboard.state_sentence import Level, state_sentence
from worker.jobs.admin_rows import HoldRow
from worker.jobs.job import JobState, Priority
from worker.jobs.notification import NotificationState
from worker.jobs.overview import Alerts, Answering, Overview, Waiting

EMPTY = Overview(
    at=datetime(2026, 3, 1, tzinfo=UTC),
    jobs=dict.fromkeys(JobState, 0),
    studies_receiving=0,
    studies_waiting=0,
    oldest_queued_s=None,
    deliveries={},
    waiting=(),
    failed_lately=0,
    lost_lately=0,
    failures=(),
    door_to_result=None,
)
NOBODY, UNANSWERED, OPEN = (
    ("critical", state) for state in (NotificationState.NOBODY, NotificationState.UNANSWERED, NotificationState.OPEN)
)
HELD = {**EMPTY.jobs, JobState.HELD: 2}
FRESH = Waiting(destination="archive", count=3, oldest_s=20, tried=0)
STUCK = Waiting(destination="archive", count=1, oldest_s=4000, tried=1)


@pytest.mark.parametrize(
    ("overview", "level", "text"),
    [
        (EMPTY, Level.WELL, "All is well: nothing waits."),
        (
            replace(EMPTY, studies_waiting=3, oldest_queued_s=240.0),
            Level.BUSY,
            "3 studies wait; the oldest for 4 min.",
        ),
        (replace(EMPTY, studies_waiting=1, oldest_queued_s=12.0), Level.BUSY, "1 study waits for 12 s."),
        (replace(EMPTY, studies_waiting=2), Level.BUSY, "2 studies are being read; no other waits."),
        (replace(EMPTY, studies_receiving=1), Level.BUSY, "1 study is arriving."),
        (
            replace(EMPTY, studies_receiving=2, studies_waiting=1, waiting=(FRESH,)),
            Level.BUSY,
            "1 study is being read; no other waits; 2 studies are arriving; 3 results are on the way.",
        ),
        (
            # In its first minutes nobody need act; but what waits for it is not on its way.
            replace(
                EMPTY,
                waiting=(FRESH, replace(FRESH, destination="web", count=1, tried=1)),
                destinations={"web": Answering(answering=False, reason="away", since=EMPTY.at)},
            ),
            Level.BUSY,
            "1 result waits for web, which does not answer; 3 results are on the way.",
        ),
        (
            replace(EMPTY, held=(HoldRow(kind="queue", name="gpu", since=EMPTY.at, by="anna"),)),
            Level.ATTENTION,
            "Attention: queue gpu is held by an admin.",
        ),
        (replace(EMPTY, failed_lately=1), Level.ATTENTION, "Attention: 1 job failed in the last 24 h."),
        (
            replace(EMPTY, jobs=HELD, lost_lately=1, studies_waiting=1, oldest_queued_s=1.0),
            Level.ATTENTION,
            "Attention: 2 jobs are held until somebody looks; 1 result not taken by the archive in the last 24 h.",
        ),
        (
            replace(
                EMPTY,
                studies_waiting=2,
                oldest_queued_s=3900.0,
                queued={("gpu", Priority.ROUTINE): 1, ("gpu", Priority.STAT): 1, ("cpu", Priority.STAT): 0},
            ),
            Level.ATTENTION,
            "Attention: the oldest job has waited for 1 h 5 min (is a worker running that takes from gpu?).",
        ),
        (
            replace(EMPTY, waiting=(STUCK,)),
            Level.ATTENTION,
            "Attention: 1 result waits for archive, the oldest for 1 h 6 min (is it reachable?).",
        ),
        (
            replace(EMPTY, failed_lately=1, alerts=Alerts(counts={NOBODY: 1, UNANSWERED: 2}, lost=1)),
            Level.ATTENTION,
            (
                "Attention: 1 critical finding has nobody to tell (no [[notifications]]); 2 critical "
                "findings acknowledged by nobody who was told; 1 notification not taken by a channel; "
                "1 job failed in the last 24 h."
            ),
        ),
        (
            replace(EMPTY, alerts=Alerts(counts={OPEN: 1, ("overdue", NotificationState.OPEN): 4})),
            Level.BUSY,
            "1 critical finding waits for an acknowledgement.",
        ),
    ],
)
def test_one_sentence_says_how_the_house_is(overview: Overview, level: Level, text: str) -> None:
    """What needs a person comes first; what waits as it should is only told; else all is well."""
    sentence = state_sentence(overview)
    assert (sentence.level, sentence.text) == (level, text)


def test_what_stops_all_reading_is_told_before_what_it_stops() -> None:
    """Without the broker jobs are queued and nobody takes them: said at once, not when the oldest is old."""
    waiting = replace(EMPTY, studies_waiting=2, oldest_queued_s=20.0, failed_lately=1)
    sentence = state_sentence(waiting, away=("broker",))
    assert sentence.level is Level.ATTENTION
    assert sentence.text == (
        "Attention: the broker does not do its part, so work waits (/readyz says why); 1 job failed in the last 24 h."
    )


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [
        (31.2, Level.WELL, "All is well: nothing waits."),
        (29.2, Level.ATTENTION, "Attention: the certificate of node expires in 30 days."),
        (0.4, Level.ATTENTION, "Attention: the certificate of node expires in 1 day."),
        (-3.0, Level.ATTENTION, "Attention: the certificate of node has expired."),
        (None, Level.ATTENTION, "Attention: the certificate of node cannot be read."),
    ],
)
def test_a_certificate_that_expires_soon_is_told(days: float | None, level: Level, words: str) -> None:
    """Thirty days before it does, so that there is time to renew it."""
    left = None if days is None else Left(days=days, soon=days < WARN_BELOW_DAYS)
    sentence = state_sentence(EMPTY, [Expiry(kind=Kind.CERTIFICATE, use="node", left=left)])
    assert (sentence.level, sentence.text) == (level, words)


def test_results_that_were_never_tried_do_not_accuse_the_archive() -> None:
    """A deliverer that is late is no proof that an archive is away."""
    late = Waiting(destination="archive", count=1, oldest_s=4000, tried=0)
    assert state_sentence(replace(EMPTY, waiting=(late,))).level is Level.BUSY


def test_a_queue_that_is_no_text_hides_no_sentence() -> None:
    """A damaged row of the ledger, until a claim puts it aside."""
    damaged: Any = {(b"\xff", Priority.STAT): 1, (5, Priority.STAT): 1, ("cpu", Priority.STAT): 1}
    told = state_sentence(replace(EMPTY, oldest_queued_s=3900.0, queued=damaged))
    assert "takes from 5 and b'\\xff' and cpu?" in told.text
