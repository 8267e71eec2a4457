"""One job from claim to results: what an admin is told of a job that failed, and whether it helps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from sqlalchemy import text

from models.catalog import Catalog
from ops.dashboard.pictures import Pictures
from tests.reading_house import MODEL, House
from worker import pipeline as pipeline_module
from worker.case.case import Case
from worker.gate import output_gate
from worker.instances.inputs_digest import digest_of_files
from worker.jobs.job import JobState
from worker.jobs.job_records import ModelVersion
from worker.ledger.ledger import Ledger
from worker.objects.object_encoding import ResultObject
from worker.settings import ReportSettings
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


def test_a_job_says_what_it_has_read_before_it_is_inferred(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a file which is mended from then on does not have it read twice what it has read already."""
    house = House(root=tmp_path, ledger=ledger)
    files = write_mr_series(tmp_path / "spool" / "1", seed=1)
    house.queue_files(files)
    noted: list[str] = []
    infer = pipeline_module.read_series

    def look(*arguments: Any) -> Any:
        with ledger.reading() as session:
            noted.extend(session.execute(text("SELECT inputs_digest FROM job")).scalars())
        return infer(*arguments)

    monkeypatch.setattr(pipeline_module, "read_series", look)
    assert house.pipeline().work_one(["cpu"], "test")
    assert noted == [digest_of_files(files)]
    assert [job.state for job in ledger.jobs()] == [JobState.READ]


def test_a_volume_that_lies_nowhere_is_refused_before_it_is_inferred(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever would be found in it: no read's time is spent for what nobody could place."""
    house = House(root=tmp_path, ledger=ledger)
    house.queue_files(write_mr_series(tmp_path / "spool" / "1", seed=1, without=("FrameOfReferenceUID",)))
    inferred: list[Any] = []
    monkeypatch.setattr(pipeline_module, "read_series", lambda *arguments: inferred.append(arguments))
    assert house.pipeline().work_one(["cpu"], "test")
    (job,) = ledger.jobs()
    assert (job.state, inferred) == (JobState.FAILED, [])
    assert "Frame of Reference UID (0020,0052) is missing" in job.reason


def test_a_worker_that_is_stopped_hands_its_job_back(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That costs the study no attempt."""
    house = House(root=tmp_path, ledger=ledger)
    house.queue_files(write_mr_series(tmp_path / "spool" / "1", seed=1))
    pipeline = house.pipeline()

    def stop(*_arguments: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(pipeline_module, "read_series", stop)
    with pytest.raises(SystemExit):
        pipeline.work_one(["cpu"], "test")
    (job,) = ledger.jobs()
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)


def test_a_worker_that_comes_too_late_changes_no_picture(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lost its job just before it wrote; another one read it, in another language, and then it goes on."""
    house = House(root=tmp_path, ledger=ledger)
    house.queue_files(write_mr_series(tmp_path / "spool" / "1", seed=1))
    pictures = Pictures(ledger, tmp_path / "results")
    seen: list[tuple[int, Path, bytes]] = []
    check = output_gate.check

    def meanwhile(objects: Sequence[ResultObject], case: Case) -> None:
        check(objects, case)
        if case.report.language != "de":
            return
        with ledger.writing() as session:
            session.execute(text("UPDATE job SET lease_until_s = 0"))
        ledger.free_expired(max_attempts=3, retry_delay_s=0.0)
        assert house.pipeline().work_one(["cpu"], "the other")
        (job,) = ledger.jobs()
        picture = pictures.find(job.id)
        assert picture is not None
        seen.append((job.id, picture, picture.read_bytes()))

    monkeypatch.setattr(output_gate, "check", meanwhile)
    late = replace(house, report=ReportSettings(language="de"))
    assert late.pipeline().work_one(["cpu"], "late")
    ((job_id, picture, before),) = seen
    assert pictures.find(job_id) == picture
    assert picture.read_bytes() == before
    assert len(list(picture.parent.glob("*.png"))) == 2, "both were written"
