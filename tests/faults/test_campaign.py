"""A longer proof, run by `make prove`: studies stream in while parts are killed and the broker is flushed."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_node.errors import NodeError
from dicom_node.sender import send
from dicom_node.settings import Peer
from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.results_in_orthanc import results_of
from tests.stack import PARTS, Stack
from worker.testing import write_mr_series

STUDIES = 20
FAULTS = 20
SEED = 20260101


@pytest.mark.campaign
@pytest.mark.timeout(1200)
def test_twenty_studies_survive_twenty_faults(
    stack: Stack,
    orthanc: OrthancServer,
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Callable[..., None],
) -> None:
    """Every study that was answered with success ends with exactly one set of results in the archive."""
    # Kills are the test here, not the study's fault.
    monkeypatch.setenv("WETREAD_WORKER__MAX_ATTEMPTS", "50")
    chance = random.Random(SEED)  # noqa: S311  # the same faults in every run
    write_threshold_model(stack.models, slow_rounds=300_000)
    studies = [write_mr_series(tmp_path / str(seed), seed=seed) for seed in range(STUDIES)]
    for study in studies:
        orthanc.take(study)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    peer = Peer(ae_title="WETREAD", host="127.0.0.1", port=stack.port)

    def answered(study: list[Path]) -> bool:
        try:
            return all(outcome.accepted for _, outcome in send(study, peer, "CAMPAIGN"))
        except NodeError:
            return False  # the node is being replaced; a PACS would send again, and so do we

    for study, fault in zip(studies, range(FAULTS), strict=True):
        wait_for(lambda study=study: answered(study), what="a study is answered with success", deadline_s=120)
        part = chance.choice([*PARTS, "redis"])
        if part == "redis":
            redis_server.flush()
        else:
            stack.kill(part)
            stack.start(part)
        print(f"fault {fault}: {part}")  # noqa: T201  # shown when it fails
    wait_for(
        lambda: sum(job.delivered for job in stack.jobs()) == STUDIES, what="every study is delivered", deadline_s=600
    )
    jobs = [job for job in stack.jobs() if job.model_id == "constant-answer"]
    assert len(jobs) == STUDIES
    assert results_of(orthanc) == {item.sop_instance_uid for job in jobs for item in job.deliveries}
