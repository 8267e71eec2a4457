"""Whatever is killed, stopped, flushed or refused while studies stream in, each ends with one valid set of results.

`make torture` has 300 studies and 200 faults; here are a few of each. WETREAD_SEED replays a schedule.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.results_in_orthanc import result_files
from tests.stack import Stack
from tests.torture.house import TorturedHouse
from tests.torture.schedule import HARMS, schedule
from tests.torture.studies import Stream
from worker.gate.found_results import found, judge
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.testing import write_mr_series

SEED = 20260101
#: SEG, SR, text SR and Secondary Capture.
OBJECTS = 4
#: More than any run has jobs: three models look at each study.
_ALL = 100_000
#: Of so many studies the gate looks at what arrived.
_JUDGED = 12


@pytest.fixture
def house(
    tmp_path: Path,
    free_port: Callable[[], int],
    redis_server: RedisServer,
    orthanc: OrthancServer,
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Callable[..., None],
) -> Iterator[TorturedHouse]:
    """Everything, started."""
    # Kills are the test here, not the study's fault.
    monkeypatch.setenv("WETREAD_WORKER__MAX_ATTEMPTS", "50")
    stack = Stack(
        tmp_path / "wetread",
        port=free_port(),
        broker_url=redis_server.url,
        archive_port=orthanc.dicom_port,
        extra=f"[web]\nport = {free_port()}\n",
    )
    write_threshold_model(stack.models, slow_rounds=100_000)
    yield TorturedHouse(stack, orthanc, redis_server, wait_for)
    stack.stop()


def test_a_seed_gives_the_same_schedule_with_every_harm() -> None:
    """Twenty faults hold each kind at least once."""
    kinds = Counter((fault.part, fault.harm) for fault in schedule(SEED, 20))
    assert set(kinds) == {(part, harm) for part, harms in HARMS.items() for harm in harms}
    assert schedule(SEED, 20) == schedule(SEED, 20) != schedule(SEED + 1, 20)


def test_a_few_studies_survive_twenty_faults(
    house: TorturedHouse, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """The short version."""
    torture(house, tmp_path, wait_for, studies=12, faults=20, every_s=5.0)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_three_hundred_studies_survive_two_hundred_faults(
    house: TorturedHouse, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """`make torture`."""
    torture(house, tmp_path, wait_for, studies=300, faults=200, every_s=2.5)


def torture(
    house: TorturedHouse, folder: Path, wait_for: Callable[..., None], *, studies: int, faults: int, every_s: float
) -> None:
    """Let studies stream in under faults; then hold that each has its one set of results."""
    seed = int(os.environ.get("WETREAD_SEED", SEED))
    print(f"seed {seed}: {studies} studies, {faults} faults")  # noqa: T201  # shown by `make torture`, and when it fails
    sent = [write_mr_series(folder / "studies" / str(number), seed=number, slices=4) for number in range(studies)]
    for study in sent:
        house.orthanc.take(study)
    house.start()
    stream = Stream(sent, house.stack.port, every_s=every_s)
    stream.start()
    try:
        for number, fault in enumerate(schedule(seed, faults)):
            print(f"{number} {fault}; {stream.answered} studies answered")  # noqa: T201
            house.suffer(fault)
        stream.wait(within_s=120 + studies * (every_s + 2))
    finally:
        stream.stop()
    assert stream.answered == studies, house.stack.diagnosis()
    wait_for(lambda: delivered(house) == studies, what="every study is delivered", deadline_s=120 + 5 * studies)
    one_valid_set_each(house, folder, studies)
    assert set(house.stack.stop().values()) == {0}


def reads(house: TorturedHouse) -> list[JobRow]:
    """Return the model's jobs."""
    ledger = house.stack.ledger()
    try:
        return [job for job in ledger.jobs(limit=_ALL) if job.model_id == "constant-answer"]
    finally:
        ledger.close()


def delivered(house: TorturedHouse) -> int:
    """Return how many studies have a delivered read."""
    return len({job.study_instance_uid for job in reads(house) if job.delivered})


def one_valid_set_each(house: TorturedHouse, folder: Path, studies: int) -> None:
    """Hold that archive and ledger agree, study by study, and that the gate finds nothing wrong with what arrived."""
    jobs = reads(house)
    standing = [job for job in jobs if job.state is not JobState.SUPERSEDED]
    assert Counter(job.state for job in standing) == {JobState.READ: studies}
    assert Counter(Counter(job.study_instance_uid for job in standing).values()) == {1: studies}
    files = result_files(house.orthanc, folder / "results")
    expected = {item.sop_instance_uid for job in jobs for item in job.deliveries}
    assert set(files) == expected, f"{len(files)} objects in the archive, {len(expected)} in the ledger"
    per_study: dict[str, list[Path]] = {}
    for study, file in files.values():
        per_study.setdefault(study, []).append(file)
    assert {len(found_files) for found_files in per_study.values()} == {OBJECTS}
    assert len(per_study) == studies
    for source in sorted((folder / "studies").iterdir())[:: max(1, studies // _JUDGED)]:
        images = [found(file) for file in sorted(source.iterdir())]
        (read,) = judge([found(file) for file in per_study[str(images[0].dataset.StudyInstanceUID)]], images)
        assert (read.together, {problem for each in read.problems for problem in each}) == ((), set())
