"""The main job, end to end: a PACS routes a study to us, and SEG and SR are in the PACS."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.results_in_orthanc import modalities, results_of, texts_in
from tests.stack import Stack
from worker.testing import write_mr_series


@pytest.fixture
def study(tmp_path: Path) -> list[Path]:
    """A small head MR."""
    return write_mr_series(tmp_path / "study", slices=12)


def delivered(stack: Stack, count: int = 1) -> Callable[[], bool]:
    """Return the condition that so many jobs are delivered."""
    return lambda: sum(job.delivered for job in stack.jobs()) >= count


def test_a_routed_study_comes_back_with_results(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Orthanc gets a study, routes it to us, and holds one SEG, SR, text SR and picture of it; all stops cleanly."""
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    orthanc.take(study)
    orthanc.route_to("WETREAD", stack.port)
    wait_for(delivered(stack), what="the results are delivered", deadline_s=90)
    assert modalities(orthanc) == ["MR", "OT", "SEG", "SR", "SR"], stack.diagnosis()
    (job,) = [job for job in stack.jobs() if job.model_id == "constant-answer"]
    assert job.attempts == 1
    assert job.door_to_result_s is not None
    assert results_of(orthanc) == {item.sop_instance_uid for item in job.deliveries}
    assert set(stack.stop().values()) == {0}, stack.diagnosis()


def test_the_same_study_again_gives_no_second_results(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """A study that is sent again, before, during or after its read, is read once, and its results are there once."""
    write_threshold_model(stack.models, slow_rounds=4_000_000)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    orthanc.take(study)
    stack.send(study)
    stack.send(study)
    wait_for(lambda: any(job.state == "claimed" for job in stack.jobs()), what="the job is worked", deadline_s=60)
    stack.send(study)
    wait_for(delivered(stack), what="the results are delivered", deadline_s=90)
    before = results_of(orthanc)
    (job,) = [job for job in stack.jobs() if job.model_id == "constant-answer"]
    assert job.attempts == 1
    assert before == {item.sop_instance_uid for item in job.deliveries}
    stack.send(study)
    # One more image of another study proves that what came before it has been handled.
    other = write_mr_series(study[0].parent.parent / "other", seed=5)
    orthanc.take(other)
    stack.send(other)
    wait_for(delivered(stack, 2), what="the other study is delivered", deadline_s=90)
    assert len(results_of(orthanc)) == 2 * len(before)
    assert len([job for job in stack.jobs() if job.model_id == "constant-answer"]) == 2


def test_later_images_are_read_as_a_revision(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Images that come after the read open a revision; its read supersedes the earlier one."""
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    orthanc.take(study)
    stack.send(study[:10])
    wait_for(delivered(stack), what="the first read is delivered", deadline_s=90)
    stack.send(study[10:])
    wait_for(
        lambda: (
            [(job.revision, job.state.value) for job in stack.jobs() if job.model_id == "constant-answer"]
            == [(2, "read"), (1, "superseded")]
        ),
        what="the revision is read and supersedes the first",
        deadline_s=90,
    )
    wait_for(lambda: all(job.delivered for job in stack.jobs() if job.state == "read"), what="it is delivered too")
    first, second = sorted(
        (job for job in stack.jobs() if job.model_id == "constant-answer"), key=lambda job: job.revision
    )
    old, new = ({item.kind: item.sop_instance_uid for item in job.deliveries} for job in (first, second))
    assert results_of(orthanc) == {*old.values(), *new.values()}, "what was superseded is left, unless asked otherwise"
    assert "Supersedes the read of" in " ".join(texts_in(orthanc))
    for kind in ("SR", "TEXT-SR"):
        (found,) = orthanc.rest("/tools/lookup", body=new[kind].encode())
        tags = orthanc.rest(f"/instances/{found['ID']}/simplified-tags")
        (study,) = tags["PredecessorDocumentsSequence"]
        (series,) = study["ReferencedSeriesSequence"]
        assert [item["ReferencedSOPInstanceUID"] for item in series["ReferencedSOPSequence"]] == [old[kind]]
        assert "SUPERSEDES EARLIER" in tags["SeriesDescription"]


def test_later_images_may_give_an_addendum(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Where the card asks for an addendum, later images give a text SR that counts what was read; the read stands."""
    write_threshold_model(stack.models, late_images="addendum")
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    orthanc.take(study)
    stack.send(study[:10])
    wait_for(delivered(stack), what="the read is delivered", deadline_s=90)
    before = results_of(orthanc)
    stack.send(study[10:])
    wait_for(lambda: len(results_of(orthanc)) == len(before) + 1, what="the addendum is delivered", deadline_s=90)
    assert "it has read 10 of 12 images" in " ".join(texts_in(orthanc))
    assert sorted(job.state.value for job in stack.jobs() if job.model_id == "constant-answer") == ["read", "skipped"]


def test_own_results_that_come_back_are_never_read(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """A PACS that routes our own results back to us gets success, and no study is opened again."""
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    orthanc.take(study)
    orthanc.route_to("WETREAD", stack.port)
    wait_for(delivered(stack), what="the results are delivered", deadline_s=90)
    jobs = len(stack.jobs())
    orthanc.route_to("WETREAD", stack.port)  # the study with our results in it
    wait_for(lambda: len(list(stack.spool.rglob("*.dcm"))) == len(study) + 4, what="our results are in the spool")
    other = write_mr_series(study[0].parent.parent / "other", seed=5)
    orthanc.take(other)
    stack.send(other)
    wait_for(delivered(stack, 2), what="the other study is delivered", deadline_s=90)
    revisions = [job.revision for job in stack.jobs()]
    assert revisions == [1] * (2 * jobs)
