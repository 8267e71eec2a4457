"""Results on their way to every kind of destination: a real Orthanc by C-STORE and DICOMweb, DCMTK, and a folder."""

import base64
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.archives.dicomweb_archive import DicomWebArchive
from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.sender import OutcomeKind
from dicom_node.datasets.part10 import dataset_digest
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected
from ops.destinations import destinations_of
from ops.settings import Settings
from tests.certificates import Authority
from tests.dcmtk import dcmtk
from tests.delivering import DeliveryHouse
from tests.orthanc_server import OrthancServer
from tests.tls_proxy import tls_proxy
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import DeliveryState, JobState
from worker.testing import write_mr_series

DEADLINE_S = 60.0
USER, PASSWORD = "wetread", "a secret"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """An Orthanc that speaks DICOMweb to one user, and DIMSE to everybody."""
    server = OrthancServer(
        tmp_path_factory.mktemp("orthanc"),
        dicom_port=free_port(),
        http_port=free_port(),
        dicomweb_host="127.0.0.1",
        user=(USER, PASSWORD),
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def url(orthanc: OrthancServer, free_port: Callable[[], int], authority: Authority) -> Iterator[str]:
    """Its DICOMweb over HTTPS."""
    port = free_port()
    with tls_proxy(authority.issue("archive"), port, int(orthanc.url.rpartition(":")[2])):
        yield f"https://127.0.0.1:{port}/dicom-web"


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the password."""
    file = tmp_path_factory.mktemp("secret") / "password"
    file.write_text(f"{PASSWORD}\n")
    return file


def _right() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Scene:
    """A deliverer, the archive, and where files go."""

    def __init__(self, house: DeliveryHouse, folder: Path, dcmtk_folder: Path) -> None:
        self.house = house
        self.folder = folder
        self.dcmtk_folder = dcmtk_folder

    def delivered(self, job: JobRow) -> Callable[[], bool]:
        """Return the condition that a job is delivered."""
        return lambda: (row := self.house.ledger.job(job.id)) is not None and row.delivered

    def state(self, job: JobRow) -> JobState:
        """Return what has become of a job."""
        row = self.house.ledger.job(job.id)
        assert row is not None
        return row.state


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory,
    free_port: Callable[[], int],
    authority: Authority,
    orthanc: OrthancServer,
    url: str,
    secret: Path,
) -> Iterator[Scene]:
    """One deliverer for all tests of this file."""
    folder, dcmtk_folder = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("dcmtk")
    port, storescp_port = free_port(), free_port()
    settings = f"""
[node]
ae_title = "WETREAD"
[delivery]
first_retry_s = 0.3
longest_retry_s = 0.6
poll_s = 0.1
commitment_port = {port}
[[destinations]]
kind = "dicomweb"
name = "web"
url = "{url}"
user = "{USER}"
password = {{ file = "{secret}" }}
ca_file = "{authority.file}"
[[destinations]]
name = "dimse"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = {orthanc.dicom_port}
commitment = "required"
identity_check = false
[[destinations]]
kind = "folder"
name = "files"
path = "{folder}"
[[destinations]]
name = "dcmtk"
ae_title = "STORESCP"
host = "127.0.0.1"
port = {storescp_port}
identity_check = false
encodings = ["as-made", "implicit"]
"""
    # Of two entries with our AE title Orthanc reports to the one that is first in the alphabet.
    orthanc.know("wetread", "WETREAD", free_port())
    orthanc.know("reports-to-wetread", "WETREAD", port)
    storescp = subprocess.Popen(
        [dcmtk("storescp"), "+xi", "-od", str(dcmtk_folder), str(storescp_port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    house = DeliveryHouse(tmp_path_factory.mktemp("house"), settings)
    house.start()
    yield Scene(house, folder, dcmtk_folder)
    house.close()
    storescp.kill()
    storescp.wait()


@pytest.fixture
def web(url: str, authority: Authority, secret: Path) -> DicomWebArchive:
    """The archive over DICOMweb, as the settings lead to it."""
    settings = Settings.model_validate(
        {
            "destinations": [
                {
                    "kind": "dicomweb",
                    "name": "web",
                    "url": f"{url}/",
                    "user": USER,
                    "password": {"file": str(secret)},
                    "ca_file": str(authority.file),
                }
            ]
        }
    )
    archive = destinations_of(settings)["web"].archive
    assert isinstance(archive, DicomWebArchive)
    return archive


def test_one_job_goes_to_every_kind_of_destination(
    scene: Scene, orthanc: OrthancServer, wait_for: Callable[..., None], tmp_path: Path
) -> None:
    """By STOW-RS, by C-STORE with commitment, into a folder and to DCMTK: the same objects, each once, none changed."""
    sources = write_mr_series(scene.house.data / "spool" / "everywhere", seed=500, slices=2)
    orthanc.take(sources)
    job = scene.house.read(["web", "dimse", "files", "dcmtk"], sources=sources)
    wait_for(scene.delivered(job), what="every destination has everything", deadline_s=DEADLINE_S)
    deliveries = scene.house.deliveries(job)
    states = {item.destination: item.state for item in deliveries}
    assert states == {
        "web": DeliveryState.ACCEPTED,
        "dimse": DeliveryState.COMMITTED,
        "files": DeliveryState.ACCEPTED,
        "dcmtk": DeliveryState.ACCEPTED,
    }
    made = {item.sop_instance_uid: scene.house.data / "results" / item.file for item in deliveries}
    assert {file.name for file in scene.folder.iterdir()} == {f"{uid}.dcm" for uid in made}
    for uid, file in made.items():
        assert (scene.folder / f"{uid}.dcm").read_bytes() == file.read_bytes()
        (found,) = orthanc.rest("/tools/lookup", body=uid.encode())
        kept = tmp_path / f"{uid}.dcm"
        kept.write_bytes(orthanc.rest(f"/instances/{found['ID']}/file"))
        assert dataset_digest(kept) == dataset_digest(file)
    at_dcmtk = {str(dcmread(file).SOPInstanceUID): dcmread(file) for file in scene.dcmtk_folder.iterdir()}
    assert {uid: dcmread(file).PixelData for uid, file in made.items()} == {
        uid: head.PixelData for uid, head in at_dcmtk.items()
    }


def test_row_51_over_dicomweb_a_changed_patient_is_held_until_released(
    scene: Scene, orthanc: OrthancServer, wait_for: Callable[..., None], tmp_path: Path
) -> None:
    """QIDO-RS says that the study is somebody else's by now: nothing is sent before an admin's word, then it is."""
    orthanc.take(write_mr_series(tmp_path / "merged", seed=501, slices=2, patient_id="ANOTHER-1"))
    sources = write_mr_series(scene.house.data / "spool" / "changed", seed=501, slices=2)
    job = scene.house.read(["web"], sources=sources)
    wait_for(lambda: scene.state(job) is JobState.HELD, what="the job is held", deadline_s=DEADLINE_S)
    assert "ANOTHER-1" not in scene.house.log()
    scene.house.ledger.release(job.id)
    wait_for(scene.delivered(job), what="it is delivered after release", deadline_s=DEADLINE_S)


def test_results_wait_for_a_study_that_the_archive_gets_later(
    scene: Scene, orthanc: OrthancServer, wait_for: Callable[..., None], tmp_path: Path
) -> None:
    """The archive gets the images after us: its results wait and leave by themselves, those for a folder at once."""
    sources = write_mr_series(scene.house.data / "spool" / "later", seed=506, slices=2)
    job = scene.house.read(["web", "files"], sources=sources)

    def waits() -> bool:
        rows = scene.house.deliveries(job)
        to_web, to_files = ([row for row in rows if row.destination == name] for name in ("web", "files"))
        return all(row.reason.startswith("web has no such study yet") and row.attempts > 1 for row in to_web) and all(
            row.state is DeliveryState.ACCEPTED for row in to_files
        )

    wait_for(waits, what="only the archive without the study is waited for", deadline_s=DEADLINE_S)
    assert scene.state(job) is JobState.READ
    orthanc.take(sources)
    wait_for(scene.delivered(job), what="it is delivered once the study is there", deadline_s=DEADLINE_S)


def test_qido_says_whose_a_study_is(web: DicomWebArchive, orthanc: OrthancServer, tmp_path: Path) -> None:
    """The identity that was stored; None of a study that is not there."""
    files = write_mr_series(tmp_path / "study", seed=502, slices=1)
    head = dcmread(files[0])
    assert web.find_study(str(head.StudyInstanceUID)) is None
    orthanc.take(files)
    found = web.find_study(str(head.StudyInstanceUID))
    assert found is not None
    assert found.differs_from(StudyIdentity.of(head)) == ()
    web.probe()


def test_what_it_has_already_is_accepted_and_what_it_does_not_do_is_told(
    web: DicomWebArchive, orthanc: OrthancServer, tmp_path: Path
) -> None:
    """Storing twice gives one copy and no refusal. This plugin does not delete, and the error says so."""
    files = write_mr_series(tmp_path / "study", seed=503, slices=2)
    assert [outcome.accepted for outcome in web.store(files)] == [True, True]
    assert [outcome.accepted for outcome in web.store(files)] == [True, True]
    head = dcmread(files[0])
    assert len(orthanc.rest("/tools/lookup", body=str(head.SOPInstanceUID).encode())) == 1
    with pytest.raises(ArchiveError, match="405: does it delete"):
        web.delete(str(head.StudyInstanceUID), str(head.SeriesInstanceUID), str(head.SOPInstanceUID))


def test_an_object_that_the_archive_refuses_is_refused(
    web: DicomWebArchive, orthanc: OrthancServer, tmp_path: Path
) -> None:
    """One whose patient id is missing is no study to Orthanc: the answer says so of it, and not of the other."""
    (bad,) = write_mr_series(tmp_path / "bad", seed=504, slices=1)
    dataset = dcmread(bad)
    del dataset.SeriesInstanceUID
    dataset.save_as(bad)
    (good,) = write_mr_series(tmp_path / "good", seed=505, slices=1)
    outcomes = web.store([bad, good])
    assert outcomes[0].kind is OutcomeKind.REFUSED
    assert outcomes[1].accepted


def test_who_may_not_is_told_so(url: str, authority: Authority, tmp_path: Path) -> None:
    """A wrong password, a certificate of another CA, and nobody there are three different reasons."""
    (file,) = write_mr_series(tmp_path / "study", seed=506, slices=1)
    wrong = DicomWebArchive(url, authorise=lambda: "Basic d3Jvbmc6d3Jvbmc=", verify=str(authority.file))
    with pytest.raises(AssociationRejected, match="401"):
        wrong.store([file])
    with pytest.raises(AssociationRejected, match="401"):
        wrong.find_study("1.2.3")
    other = Authority(tmp_path / "other", name="Other CA")
    with pytest.raises(ArchiveUnreachable, match="certificate is not trusted") as raised:
        DicomWebArchive(url, verify=str(other.file)).store([file])
    assert raised.value.kept_nothing
    for nowhere in ("http://127.0.0.1:9/dicom-web", "http://nosuch.invalid/dicom-web"):
        with pytest.raises(ArchiveUnreachable, match="no connection") as raised:
            DicomWebArchive(nowhere).store([file])
        assert raised.value.kept_nothing
    with pytest.raises(ArchiveError, match="404"):
        DicomWebArchive(f"{url}/nowhere", authorise=_right, verify=str(authority.file)).store([file])
