"""The main job, end to end: a PACS routes a study to us, and SEG and SR are in the PACS."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.results_in_orthanc import modalities, results_of, texts_in
from tests.running_house import RunningHouse, uid_of
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow
from worker.testing import write_mr_series

_seeds = itertools.count(1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[RunningHouse]:
    """One house for all of these tests: each has studies of its own."""
    kept = RunningHouse(tmp_path_factory.mktemp("house"), free_port)
    yield kept
    kept.end()


@pytest.fixture
def orthanc(house: RunningHouse) -> OrthancServer:
    """The archive; it has the studies of earlier tests."""
    return house.orthanc


@pytest.fixture
def stack(house: RunningHouse, wait_for: Callable[..., None]) -> Stack:
    """All parts, running, with the test model."""
    write_threshold_model(house.stack.models)
    house.start(wait_for)
    return house.stack


@pytest.fixture
def study(tmp_path: Path) -> list[Path]:
    """A small head MR that nobody has sent before."""
    return a_study(tmp_path / "study")


def a_study(folder: Path) -> list[Path]:
    """Write a small head MR that nobody has sent before."""
    return write_mr_series(folder, slices=12, seed=next(_seeds))


def jobs(stack: Stack, study: list[Path]) -> list[JobRow]:
    """Return the jobs of a study, the newest first."""
    return [job for job in stack.jobs() if job.study_instance_uid == uid_of(study)]


def delivered(stack: Stack, study: list[Path]) -> Callable[[], bool]:
    """Return the condition that a job of the study is delivered."""
    return lambda: any(job.delivered for job in jobs(stack, study))


def of_the_model(stack: Stack, study: list[Path]) -> list[JobRow]:
    """Return the test model's jobs of a study, the newest first."""
    return [job for job in jobs(stack, study) if job.model_id == "constant-answer"]


def test_the_same_study_again_gives_no_second_results(
    stack: Stack, orthanc: OrthancServer, study: list[Path], tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """A study that is sent again, before, during or after its read, is read once, and its results are there once."""
    orthanc.take(study)
    stack.send(study)
    stack.send(study)
    wait_for(lambda: of_the_model(stack, study), what="it is to be read", deadline_s=60)
    stack.send(study)
    wait_for(delivered(stack, study), what="the results are delivered", deadline_s=90)
    before = results_of(orthanc, uid_of(study))
    (job,) = of_the_model(stack, study)
    assert job.attempts == 1
    assert before == {item.sop_instance_uid for item in job.deliveries}
    stack.send(study)
    # One more image of another study proves that what came before it has been handled.
    other = a_study(tmp_path / "other")
    orthanc.take(other)
    stack.send(other)
    wait_for(delivered(stack, other), what="the other study is delivered", deadline_s=90)
    assert results_of(orthanc, uid_of(study)) == before
    assert [len(of_the_model(stack, one)) for one in (study, other)] == [1, 1]


def test_later_images_are_read_as_a_revision(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Images that come after the read open a revision; its read supersedes the earlier one."""
    orthanc.take(study)
    stack.send(study[:10])
    wait_for(delivered(stack, study), what="the first read is delivered", deadline_s=90)
    stack.send(study[10:])
    wait_for(
        lambda: (
            [(job.revision, job.state.value) for job in of_the_model(stack, study)] == [(2, "read"), (1, "superseded")]
        ),
        what="the revision is read and supersedes the first",
        deadline_s=90,
    )
    wait_for(lambda: of_the_model(stack, study)[0].delivered, what="it is delivered too", deadline_s=90)
    second, first = of_the_model(stack, study)
    old, new = ({item.kind: item.sop_instance_uid for item in job.deliveries} for job in (first, second))
    assert results_of(orthanc, uid_of(study)) == {*old.values(), *new.values()}, (
        "what was superseded is left, unless asked otherwise"
    )
    assert "Supersedes the read of" in " ".join(texts_in(orthanc, uid_of(study)))
    for kind in ("SR", "TEXT-SR"):
        (found,) = orthanc.rest("/tools/lookup", body=new[kind].encode())
        tags = orthanc.rest(f"/instances/{found['ID']}/simplified-tags")
        (earlier,) = tags["PredecessorDocumentsSequence"]
        (series,) = earlier["ReferencedSeriesSequence"]
        assert [item["ReferencedSOPInstanceUID"] for item in series["ReferencedSOPSequence"]] == [old[kind]]
        assert "SUPERSEDES EARLIER" in tags["SeriesDescription"]


def test_later_images_may_give_an_addendum(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Where the card asks for an addendum, later images give a text SR that counts what was read; the read stands."""
    write_threshold_model(stack.models, late_images="addendum")
    orthanc.take(study)
    stack.send(study[:10])
    wait_for(delivered(stack, study), what="the read is delivered", deadline_s=90)
    before = results_of(orthanc, uid_of(study))
    stack.send(study[10:])
    wait_for(
        lambda: len(results_of(orthanc, uid_of(study))) == len(before) + 1,
        what="the addendum is delivered",
        deadline_s=90,
    )
    assert "it has read 10 of 12 images" in " ".join(texts_in(orthanc, uid_of(study)))
    assert sorted(job.state.value for job in of_the_model(stack, study)) == ["read", "skipped"]


def test_own_results_that_come_back_are_never_read(
    stack: Stack, orthanc: OrthancServer, study: list[Path], tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """A PACS that routes our own results back to us gets success, and no study is opened again."""
    orthanc.take(study)
    orthanc.route_to("WETREAD", stack.port, uid_of(study))
    wait_for(delivered(stack, study), what="the results are delivered", deadline_s=90)
    count = len(jobs(stack, study))
    there = len(list(stack.spool.rglob("*.dcm")))
    orthanc.route_to("WETREAD", stack.port, uid_of(study))  # the study with our results in it
    wait_for(lambda: len(list(stack.spool.rglob("*.dcm"))) == there + 4, what="our results are in the spool")
    other = a_study(tmp_path / "other")
    orthanc.take(other)
    stack.send(other)
    wait_for(delivered(stack, other), what="the other study is delivered", deadline_s=90)
    assert [job.revision for one in (study, other) for job in jobs(stack, one)] == [1] * (2 * count)


def test_a_routed_study_comes_back_with_results(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Orthanc gets a study, routes it to us, and holds one SEG, SR, text SR and picture of it; all stops cleanly."""
    orthanc.take(study)
    orthanc.route_to("WETREAD", stack.port, uid_of(study))
    wait_for(delivered(stack, study), what="the results are delivered", deadline_s=90)
    assert modalities(orthanc, uid_of(study)) == ["MR", "OT", "SEG", "SR", "SR"], stack.diagnosis()
    (job,) = of_the_model(stack, study)
    assert job.attempts == 1
    assert job.door_to_result_s is not None
    assert results_of(orthanc, uid_of(study)) == {item.sop_instance_uid for item in job.deliveries}
    assert set(stack.stop().values()) == {0}, stack.diagnosis()
