"""Retention in the running house: images go when their results have arrived, and what comes later is not misread."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dicom_node.assembling.stocktaking import take_stock
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool import Spool
from dicom_node.spooling.spool_layout import name_of
from dicom_node.study import Completion
from models.testing import write_threshold_model
from ops.daemons.retention import Retention
from ops.settings import Settings
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.results_in_orthanc import results_of
from tests.stack import Stack
from tests.unit.dicom_node.instances import STUDY, dataset, incoming, write_file
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.jobs.retention import Keeping
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series


@pytest.fixture
def forgetful(
    tmp_path: Path, free_port: Callable[[], int], redis_server: RedisServer, orthanc: OrthancServer
) -> Iterator[Stack]:
    """A house that removes images at once."""
    stack = Stack(
        tmp_path,
        port=free_port(),
        broker_url=redis_server.url,
        archive_port=orthanc.dicom_port,
        extra="[retention]\nimages_days = 0.000001\nevery_s = 0.2\n",
    )
    yield stack
    stack.stop()


def newest(stack: Stack) -> JobRow:
    """Return the newest job of the model."""
    return next(job for job in stack.jobs() if job.model_id == "constant-answer")


def test_images_go_once_they_are_read_and_a_late_one_is_held(
    forgetful: Stack, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Results arrive first; one more image alone is held; the whole study, sent again, is read as a whole."""
    write_threshold_model(forgetful.models)
    study = write_mr_series(tmp_path / "study", slices=12)
    orthanc.take(study)
    forgetful.start()
    wait_for(forgetful.listening, what="the node listens", deadline_s=60)
    forgetful.send(study[:-1])
    spool = Spool(forgetful.spool)
    wait_for(
        lambda: bool(forgetful.jobs()) and newest(forgetful).delivered and not spool.study_folders(),
        what="results are delivered and images gone",
        deadline_s=120,
    )
    first = newest(forgetful)
    assert results_of(orthanc) == {item.sop_instance_uid for item in first.deliveries}
    forgetful.send(study[-1:])
    wait_for(lambda: newest(forgetful).state is JobState.HELD, what="the late image is held", deadline_s=60)
    assert "11 images that were here before are gone" in newest(forgetful).reason
    assert len(spool.study_folders()) == 1, "what is held keeps its images"
    forgetful.send(study)
    wait_for(
        lambda: newest(forgetful).delivered and not spool.study_folders(),
        what="the whole study is read",
        deadline_s=120,
    )
    assert newest(forgetful).id != first.id


def test_promised_images_go_when_the_archive_lists_them(tmp_path: Path, orthanc: OrthancServer) -> None:
    """Storage commitment: with one of two in the archive the study stays, with both it goes."""
    settings = Settings.model_validate(
        {
            "data": tmp_path / "data",
            "retention": {"images_days": 0.000001, "make_room_below_bytes": 0},
            "destinations": [
                {"name": "orthanc", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": orthanc.dicom_port}
            ],
        }
    )
    spool, ledger = Spool(settings.spool), Ledger.open(settings.ledger_url)
    sent = [dataset(SOPInstanceUID=f"{STUDY}.{number}") for number in (1, 2)]
    kept = [spool.store(*incoming(item, sop_instance_uid=str(item.SOPInstanceUID))).file for item in sent]
    stock = take_stock(spool, name_of(STUDY), STUDY, Completion.QUIET, lambda _: frozenset())
    assert stock is not None
    ledger.close_revision(stock, {}, [])
    HeldInstances(spool.root).hold(kept, still_there=lambda _: True)
    tomorrow = utc_now() + timedelta(days=1)
    retention = Retention(ledger=ledger, spool=spool, settings=settings, now=lambda: tomorrow)
    orthanc.take([write_file(tmp_path / "1.dcm", sent[0])])
    (verdict,) = retention.once()
    assert "1 images are promised" in verdict.why
    orthanc.take([write_file(tmp_path / "2.dcm", sent[1])])
    (verdict,) = retention.once()
    assert verdict.what is Keeping.IMAGES
    assert spool.study_folders() == []
    ledger.close()
