"""One job from claim to results: what an admin is told of a job that failed, and whether it helps."""

from pathlib import Path
from shutil import copytree

from sqlalchemy import text

from models.catalog import Catalog
from tests.reading_house import MODEL, House
from worker.job import JobState, ModelVersion
from worker.ledger import Ledger
from worker.testing import write_mr_series


def test_a_job_for_a_model_that_is_another_now_is_read_by_a_retry(tmp_path: Path, ledger: Ledger) -> None:
    """The reason names the command, and the command works; a failed job cannot be cancelled or sent for again."""
    house = House(root=tmp_path, ledger=ledger)
    house.queue_files(write_mr_series(tmp_path / "spool" / "1", seed=1))
    with ledger.writing() as session:
        session.execute(text("INSERT INTO model SELECT 'older', model_id, name, version FROM model"))
        session.execute(text("UPDATE job SET model_digest = 'older'"))
    assert house.pipeline().work_one(["cpu"], "test")
    (failed,) = ledger.jobs()
    assert failed.state is JobState.FAILED
    assert f"`wetread retry {failed.id}`" in failed.reason
    entry = Catalog.scan((tmp_path / "models",)).get(MODEL)
    card = entry.card
    ledger.retry(
        failed.id,
        model=ModelVersion(model_id=card.id, model_digest=entry.digest, name=card.name, version=card.version),
    )
    assert house.pipeline().work_one(["cpu"], "test")
    assert [job.state for job in ledger.jobs()] == [JobState.READ]


def test_a_job_for_a_model_that_is_there_twice_names_both_directories(tmp_path: Path, ledger: Ledger) -> None:
    """A copy of the model's directory, made after the job was queued, is not read with, nor is what it was made of."""
    house = House(root=tmp_path, ledger=ledger)
    house.queue_files(write_mr_series(tmp_path / "spool" / "1", seed=1))
    pipeline = house.pipeline()
    copytree(tmp_path / "models" / MODEL, tmp_path / "models" / "copy")
    assert pipeline.work_one(["cpu"], "test")
    (failed,) = ledger.jobs()
    assert failed.state is JobState.FAILED
    assert f"two directories hold model {MODEL}" in failed.reason
    assert f"`wetread retry {failed.id}`" in failed.reason
