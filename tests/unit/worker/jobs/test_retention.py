"""What may go: held as a table of facts, for no database and no disk."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.jobs.job import DeliveryState, JobState
from worker.jobs.retention import JobEnd, Keeping, StudyEnd, due, moments, why_unsettled
from worker.settings import RetentionSettings

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def job(state: JobState = JobState.READ, *, told: bool = True, commits: bool = False, **deliveries: str) -> JobEnd:
    """Return a job whose results are in these states, by destination."""
    return JobEnd(
        id=7,
        state=state,
        told=told,
        deliveries={name: frozenset({DeliveryState(found)}) for name, found in deliveries.items()},
        wants_commitment=frozenset(deliveries) if commits else frozenset(),
    )


def study(
    *jobs: JobEnd, days: float = 100.0, receiving: bool = False, alerts: int = 0, gone: frozenset[Keeping] = frozenset()
) -> StudyEnd:
    """Return a study that has been quiet for so many days."""
    return StudyEnd(
        id=1,
        study_instance_uid="1.2.3",
        folder="f",
        receiving=receiving,
        alerts=alerts,
        jobs=jobs,
        quiet_since=NOW - timedelta(days=days),
        gone=gone,
    )


@pytest.mark.parametrize(
    "end",
    [
        study(),
        study(job(pacs="accepted"), job(JobState.SKIPPED)),
        study(job(pacs="replaced", far="committed")),
        study(job(pacs="withdrawn")),
        study(job(pacs="accepted", far="waived")),
        study(job(pacs="committed", commits=True)),
        study(job(JobState.FAILED, pacs="accepted")),
        study(job(JobState.SUPERSEDED, pacs="pending")),
        study(job(JobState.CANCELLED)),
    ],
)
def test_what_has_come_to_its_end_is_settled(end: StudyEnd) -> None:
    """Nothing is said against a study of which nothing is still to happen."""
    assert why_unsettled(end) == ""


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (study(receiving=True), "more of it arrives"),
        (study(job(pacs="accepted"), alerts=1), "people are being told of its critical finding"),
        (study(job(JobState.QUEUED)), "job 7 waits to be read"),
        (study(job(JobState.CLAIMED)), "job 7 is being read"),
        (study(job(JobState.HELD)), "job 7 is held"),
        (study(job(JobState.FAILED, told=False)), "job 7 has a note to be written"),
        (study(job(JobState.READ, far="accepted", pacs="pending")), "wait for pacs"),
        (study(job(JobState.READ, pacs="sending")), "on their way to pacs"),
        (study(job(JobState.READ, pacs="uncommitted")), "pacs has not committed to keep"),
        (study(job(JobState.READ, pacs="refused")), "pacs refused: `wetread retry` sends them again"),
        (study(job(JobState.FAILED, pacs="refused")), "pacs refused: `wetread waive` lets them be"),
        (study(job(JobState.READ, pacs="abandoned")), "given up for pacs"),
        (study(job(JobState.READ, commits=True, pacs="accepted")), "pacs has not committed to keep"),
    ],
)
def test_what_is_not_settled_says_why(end: StudyEnd, why: str) -> None:
    """Each way in which something is still to happen keeps the study, with words for the admin."""
    assert why in why_unsettled(end)


def test_each_goes_after_its_days() -> None:
    """Images first, results later, rows last."""
    settings = RetentionSettings(images_days=10, results_days=20, ledger_days=30)
    before = moments(settings, NOW)
    assert due(study(days=9), before) == ()
    assert due(study(days=11), before) == (Keeping.IMAGES,)
    assert due(study(days=21), before) == (Keeping.IMAGES, Keeping.RESULTS)
    assert due(study(days=21, gone=frozenset({Keeping.IMAGES})), before) == (Keeping.RESULTS,)
    assert due(study(days=31), before) == tuple(Keeping)


def test_a_short_disk_takes_images_and_nothing_else() -> None:
    """Images go before their days, also where they never go otherwise; results and rows keep theirs."""
    for days in (0.0, 10.0):
        settings = RetentionSettings(images_days=days, results_days=20)
        assert due(study(days=0.01), moments(settings, NOW, make_room=True)) == (Keeping.IMAGES,)


def test_nothing_goes_where_nothing_is_asked() -> None:
    """0 days is never."""
    assert moments(RetentionSettings(images_days=0, results_days=0), NOW) == {}


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 50), st.floats(0, 100), st.frozensets(st.sampled_from(Keeping)))
def test_rows_never_go_before_images_and_results(
    images: float, results: float, ledger: float, quiet: float, gone: frozenset[Keeping]
) -> None:
    """Whatever the settings: what is refused is refused, and what is taken never removes rows of what is kept."""
    try:
        settings = RetentionSettings(images_days=images, results_days=results, ledger_days=ledger)
    except ValidationError:
        assert ledger > 0
        return
    end = study(days=quiet, gone=gone)
    going = due(end, moments(settings, NOW))
    if Keeping.ROWS in going:
        assert {Keeping.IMAGES, Keeping.RESULTS} <= gone.union(going)
    assert not gone.intersection(going)
