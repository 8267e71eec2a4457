"""The ledger's read side against real tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.filled_ledger import (
    PICTURE_STUDY,
    add_event,
    add_job,
    add_result,
    add_study,
    fill_a_day,
    job_id_in,
    open_views,
)
from tests.unit.worker.reads import job_of
from worker.errors import LedgerAway
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.overview import StudyState
from worker.ledger.views import LedgerViews

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[LedgerViews]:
    """A new ledger."""
    views = LedgerViews.open(ledger_url)
    yield views
    views.close()


def test_an_empty_ledger_has_an_overview(ledger: LedgerViews) -> None:
    """Before the first study every state is counted as none and nothing is made up."""
    overview = ledger.overview()
    assert overview.jobs == dict.fromkeys(JobState, 0)
    assert (overview.backlog, overview.oldest_queued_s, overview.door_to_result) == (0, None, None)
    assert (overview.waiting, overview.failures, overview.deliveries) == ((), (), {})
    assert (ledger.jobs(), ledger.studies(), ledger.timeline("1.2"), ledger.job(1), ledger.study("1.2")) == (
        [], [], [], None, None,
    )  # fmt: skip


def test_jobs_come_newest_first_and_by_state(ledger: LedgerViews) -> None:
    """The list runs backwards in time, filters by state, and goes further back from a job."""
    fill_a_day(ledger)
    ids = [job.id for job in ledger.jobs()]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 8
    assert {job.state for job in ledger.jobs("failed")} == {JobState.FAILED}
    assert [job.id for job in ledger.jobs(limit=2)] == ids[:2]
    assert [job.id for job in ledger.jobs(limit=2, before=ids[1])] == ids[2:4]


def test_a_job_is_delivered_when_all_of_its_results_have_arrived(ledger: LedgerViews) -> None:
    """One result that has not arrived keeps a job from being delivered; the last one ends the door-to-result time."""
    with ledger.writing() as session:
        _, (revision,) = add_study(session, "1.2.3", received_at=NOW)
        job = add_job(session, revision, JobState.READ, queued_at=NOW)
        add_result(session, job, "SEG", {"a": DeliveryState.COMMITTED}, at=NOW + timedelta(seconds=40))
        add_result(session, job, "SR", {"a": DeliveryState.ACCEPTED}, at=NOW + timedelta(seconds=60))
    row = job_of(ledger, job.id)
    assert (row.delivered, row.door_to_result_s) == (True, 60.0)
    assert [(d.kind, d.state) for d in row.deliveries] == [
        ("SEG", DeliveryState.COMMITTED),
        ("SR", DeliveryState.ACCEPTED),
    ]
    with ledger.writing() as session:
        add_result(session, job, "TEXT-SR", {"a": DeliveryState.SENDING}, at=NOW + timedelta(seconds=61))
    row = job_of(ledger, job.id)
    assert (row.delivered, row.door_to_result_s) == (False, None)
    assert ledger.overview().door_to_result is None


def test_a_read_job_without_deliveries_is_not_called_delivered(ledger: LedgerViews) -> None:
    """Results that nobody was to get have not arrived anywhere."""
    with ledger.writing() as session:
        _, (revision,) = add_study(session, "1.2.3", received_at=NOW)
        job = add_job(session, revision, JobState.READ, queued_at=NOW)
    row = job_of(ledger, job.id)
    assert not row.delivered


def test_the_overview_tells_the_day(ledger: LedgerViews) -> None:
    """Counts, ages, failures and times of a filled house are those that the tables hold."""
    fill_a_day(ledger)
    overview = ledger.overview()
    assert (overview.backlog, overview.studies_waiting, overview.studies_receiving) == (2, 2, 1)
    assert overview.oldest_queued_s == pytest.approx(240, abs=60)
    assert (overview.failed_lately, overview.lost_lately, overview.jobs[JobState.HELD]) == (1, 1, 1)
    assert [(failure.what, failure.destination) for failure in overview.failures] == [
        ("refused", "archive"),
        ("held", ""),
        ("failed", ""),
    ]
    assert "0xA900" in overview.failures[0].reason
    assert overview.deliveries["archive", DeliveryState.ACCEPTED] == 3
    (waiting,) = overview.waiting
    assert (waiting.destination, waiting.count, waiting.tried) == ("archive", 2, 1)
    assert waiting.oldest_s == pytest.approx(720, abs=60)
    assert overview.door_to_result is not None
    assert (overview.door_to_result.count, overview.door_to_result.p50_s) == (1, 120.0)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.SKIPPED])
def test_a_note_that_is_on_its_way_is_a_result_that_waits(ledger: LedgerViews, state: JobState) -> None:
    """What tells an archive that a study was not read must get there as well; of a held job nothing leaves."""
    with ledger.writing() as session:
        for number, ended in enumerate((state, JobState.HELD)):
            _, (revision,) = add_study(session, f"1.2.{number}", received_at=NOW)
            job = add_job(session, revision, ended, queued_at=NOW, finished_at=NOW)
            add_result(session, job, "TEXT-SR", {"archive": DeliveryState.PENDING}, at=NOW)
    assert [(waiting.destination, waiting.count) for waiting in ledger.overview().waiting] == [("archive", 1)]


def test_an_old_failure_is_listed_but_not_counted_as_new(ledger: LedgerViews) -> None:
    """A failure of last week does not keep the page alarmed for ever."""
    with ledger.writing() as session:
        _, (revision,) = add_study(session, "1.2.3", received_at=NOW)
        add_job(session, revision, JobState.FAILED, queued_at=NOW, finished_at=datetime.now(UTC) - timedelta(days=7))
    overview = ledger.overview()
    assert (overview.failed_lately, len(overview.failures)) == (0, 1)


def test_a_timeline_has_the_events_of_the_study_and_of_its_jobs(ledger: LedgerViews) -> None:
    """An event that names only the job belongs to the study's timeline too, and other studies' events do not."""
    with ledger.writing() as session:
        study, (revision,) = add_study(session, "1.2.3", received_at=NOW)
        other, _ = add_study(session, "1.2.4", received_at=NOW)
        job = add_job(session, revision, JobState.QUEUED, queued_at=NOW)
        add_event(session, "study arriving", at=NOW, study=study)
        add_event(session, "study arriving", at=NOW, study=other)
        add_event(session, "job queued", at=NOW, study=study, job=job, model="m")
    events = ledger.timeline("1.2.3")
    assert [(event.kind, event.job_id) for event in events] == [("study arriving", None), ("job queued", job.id)]
    assert events[1].detail == {"model": "m"}
    assert [event.kind for event in ledger.timeline("1.2.3", limit=1)] == ["job queued"]


def test_studies_show_their_derived_state_and_jobs(ledger: LedgerViews) -> None:
    """Each study comes with its jobs and the state that follows from them, the latest to receive first."""
    fill_a_day(ledger)
    rows = ledger.studies()
    assert [row.state for row in rows] == [
        StudyState.RECEIVING,
        StudyState.READING,
        StudyState.READING,
        StudyState.ATTENTION,
        StudyState.DELIVERING,
        StudyState.ATTENTION,
        StudyState.ATTENTION,
        StudyState.DELIVERED,
    ]
    row = ledger.study(PICTURE_STUDY)
    assert row == rows[-1]
    assert row is not None
    assert (row.revisions, [job.model_id for job in row.jobs]) == (1, ["ecg-rhythm", "brain-structures"])


def test_the_number_of_queries_does_not_grow_with_the_ledger(ledger: LedgerViews) -> None:
    """Lists and overview ask as often for twenty studies as for one."""
    asked: list[str] = []
    event.listen(ledger._engine, "before_cursor_execute", lambda _c, _k, statement, *_: asked.append(statement))

    def queries() -> tuple[int, ...]:
        counts = []
        for view in (ledger.jobs, ledger.studies, ledger.overview):
            asked.clear()
            view()
            counts.append(len(asked))
        return tuple(counts)

    def add(number: int) -> None:
        with ledger.writing() as session:
            _, (revision,) = add_study(session, f"1.2.{number}", received_at=NOW)
            job = add_job(session, revision, JobState.READ, queued_at=NOW)
            add_result(session, job, "SEG", {"a": DeliveryState.ACCEPTED}, at=NOW)

    add(0)
    few = queries()
    for number in range(1, 20):
        add(number)
    assert queries() == few


def test_the_text_sr_of_a_job_is_known_by_the_job(ledger: LedgerViews) -> None:
    """Whoever needs what lies beside it asks by the job's id alone; of a job that was not read there is none."""
    fill_a_day(ledger)
    job_id = job_id_in(ledger, JobState.READ)
    assert ledger.text_report(job_id) == f"folder/{job_id}/text-sr.dcm"
    assert ledger.text_report(job_id_in(ledger, JobState.QUEUED)) is None
    assert ledger.text_report(10_000) is None


def test_a_database_that_cannot_be_opened_is_a_ledger_that_is_away(tmp_path: Path) -> None:
    """The driver's exception does not come through; ping tells it as every view does."""
    ledger = open_views(tmp_path)
    ledger.ping()
    ledger.close()
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "ledger.sqlite3").mkdir()
    with pytest.raises(LedgerAway, match="unable to open database file"):
        ledger.ping()
    with pytest.raises(LedgerAway):
        ledger.overview()
