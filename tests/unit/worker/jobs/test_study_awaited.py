"""How long results wait for a study that is not there yet."""

from datetime import UTC, datetime, timedelta

from worker.jobs.study_awaited import EarlierLooks, waits_until, why_waiting

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_wait_counts_from_the_first_look() -> None:
    """Not from each of them, and it ends."""
    assert waits_until(EarlierLooks(), NOW, 3600) == NOW + timedelta(hours=1)
    earlier = EarlierLooks(absent_since=NOW - timedelta(minutes=59))
    assert waits_until(earlier, NOW, 3600) == NOW + timedelta(minutes=1)
    assert waits_until(EarlierLooks(absent_since=NOW - timedelta(hours=1)), NOW, 3600) is None


def test_nothing_is_waited_for_where_the_site_says_so() -> None:
    """With 0 seconds the first look is the last."""
    assert waits_until(EarlierLooks(), NOW, 0) is None


def test_what_was_there_and_is_gone_is_not_waited_for() -> None:
    """It was moved, merged or deleted: somebody must look."""
    assert waits_until(EarlierLooks(was_there=True), NOW, 3600) is None
    assert waits_until(EarlierLooks(was_there=True, absent_since=NOW), NOW, 3600) is None


def test_the_job_says_what_is_waited_for_and_until_when() -> None:
    """In words for its page."""
    assert why_waiting("pacs", NOW) == (
        "pacs has no such study yet: it is asked again, and what has not left by 2026-01-02 03:04 UTC is held"
    )
