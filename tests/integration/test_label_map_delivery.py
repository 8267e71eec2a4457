"""Acceptance check 17: an archive that refuses Label Map Segmentation gets the BINARY one, over the wire."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_node.archives.archive import DicomArchive
from tests.orthanc_server import OrthancServer
from tests.readings import a_card, a_reading, case_of, load
from tests.unit.worker.conftest import assembled, planned
from worker.delivery.delivery import Deliverer
from worker.delivery.destination import Destination
from worker.gate import output_gate
from worker.jobs.job import DeliveryState
from worker.ledger.ledger import Ledger
from worker.objects.labelmap import LABEL_MAP_STORAGE
from worker.result_files import write_result
from worker.results import build
from worker.settings import DeliverySettings
from worker.testing import write_mr_series

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
OBJECTS = ("LABELMAP", "SR", "TEXT-SR")


@pytest.fixture(params=[True, False], ids=["takes every class", "refuses what it does not know"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """An Orthanc that takes SOP classes it does not know, then one that does not."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    server = OrthancServer(
        folder, dicom_port=free_port(), http_port=free_port(), unknown_sop_classes=bool(request.param)
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield opened
    opened.close()


def read_a_study(ledger: Ledger, root: Path) -> tuple[int, list[Path]]:
    """Read a study for an archive that asked for a label map; return the job and the files of the source."""
    sources = write_mr_series(root / "spool" / "s", oblique=True)
    series = load(root / "spool" / "s")
    case = case_of(series, a_reading(series), a_card())
    objects = build(case, OBJECTS)
    output_gate.check(objects, case)
    uid = str(series.datasets[0].StudyInstanceUID)
    ledger.close_revision(assembled(uid), {}, [planned(files=(f"s/{sources[0].name}",))])
    claim = ledger.claim(["cpu"], worker="w", lease_s=60)
    assert claim is not None
    files = [write_result(root / "results", "f", made) for made in objects]
    ledger.finish(
        claim, results=files, destinations={"pacs": OBJECTS}, runtime="r", inputs_digest="i", recipe_digest="c"
    )
    return claim.job_id, sources


def classes_in(archive: OrthancServer) -> set[str]:
    """Return the SOP class of every segmentation in the archive."""
    names = [f"/instances/{name}/metadata/SopClassUid" for name in archive.rest("/instances")]
    return {archive.rest(name).decode() for name in names} & {LABEL_MAP_STORAGE, SEGMENTATION_STORAGE}


def test_check_17_an_archive_has_one_of_the_two_and_never_both(
    archive: OrthancServer, ledger: Ledger, tmp_path: Path
) -> None:
    """Where the label map is taken it is the only segmentation; where not, the SEG is, and the job is delivered."""
    job_id, sources = read_a_study(ledger, tmp_path)
    archive.take(sources)
    destination = Destination(name="pacs", archive=DicomArchive(archive.peer, "WETREAD"))
    deliverer = Deliverer(
        ledger=ledger,
        destinations={"pacs": destination},
        spool=tmp_path / "spool",
        results=tmp_path / "results",
        settings=DeliverySettings(),
    )
    while deliverer.deliver_one(destination):
        pass
    job = ledger.job(job_id)
    assert job is not None
    assert job.delivered, [(row.kind, row.state, row.reason) for row in job.deliveries]
    states = {row.kind: row.state for row in job.deliveries}
    if classes_in(archive) == {LABEL_MAP_STORAGE}:
        assert states == dict.fromkeys(("LABELMAP", "SR", "TEXT-SR"), DeliveryState.ACCEPTED)
    else:
        assert classes_in(archive) == {SEGMENTATION_STORAGE}
        assert states.pop("LABELMAP") is DeliveryState.REPLACED
        assert states == dict.fromkeys(("SEG", "SR", "TEXT-SR"), DeliveryState.ACCEPTED)
        (reason,) = [row.reason for row in job.deliveries if row.kind == "LABELMAP"]
        assert reason == f"the peer takes no SOP class {LABEL_MAP_STORAGE} in transfer syntax 1.2.840.10008.1.2.5"
