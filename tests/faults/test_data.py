"""Rows 16 to 27 of the faults that data brings, against a real `wetread node` process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_node.archives.sender import OutcomeKind
from dicom_node.datasets.part10 import dataset_digest, read_meta
from models.testing import write_threshold_model
from tests.faults.a_node import ANode
from tests.faults.bad_data import COMPRESSED, announced, changed, everything, jobs_of, odd_files, study_of, with_uid
from tests.faults.wire_bytes import RawPeer
from tests.reading_house import House
from tests.unit.dicom_node.instances import SOP, dataset, encode, write_file
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[ANode]:
    """One node, with a model that reads head MR, for all of these tests: each sends a study of its own."""
    node = ANode(tmp_path_factory.mktemp("data"), free_port(), quiet_time_s=1.0)
    write_threshold_model(node.data / "models", sop_classes=[MR])
    with node:
        yield node
        assert "Traceback" not in node.log()


@pytest.fixture
def node(process: ANode) -> Iterator[ANode]:
    """The node; after the test it lives, answers, and has no half-written file."""
    pid = process.pid
    yield process
    assert process.alive()
    assert process.answers()
    assert process.pid == pid
    assert [file for file in process.files() if file.suffix == ".part"] == []


@pytest.fixture
def settled(node: ANode, wait_for: Callable[..., None]) -> Callable[..., None]:
    """Return a function that waits until the revisions of a study have so many instances."""

    def wait(study: str, *instances: int) -> None:
        wait_for(lambda: node.completions(study) == list(instances), what=f"revisions of {instances} instances")

    return wait


def test_row_16_another_instance_than_announced_is_answered_with_a900(node: ANode, tmp_path: Path) -> None:
    """Instance or class, whichever differs; nothing is kept."""
    before = node.files()
    instance = announced(tmp_path / "a.dcm", encode(dataset()), sop="1.2.16.4.5")
    sop_class = announced(tmp_path / "b.dcm", encode(dataset(SOPClassUID=MR)))
    assert [outcome.status for outcome in node.send_raw(instance, sop_class)] == [0xA900, 0xA900]
    assert node.files() == before


@pytest.mark.parametrize(
    "uid", ["../../../tmp/evil", "..", ".", "", "1.2\0.3", "1" * 65, "1..2", "1.2.", "1.2/3", "1.2\r\n", "\u00e41.2"]
)
@pytest.mark.parametrize("where", ["request", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_row_17_a_uid_that_is_none_is_answered_with_cxxx_and_writes_nothing(node: ANode, uid: str, where: str) -> None:
    """Wherever it stands; the association goes on, so that the sender's other instances are taken."""
    before = everything(node.folder)
    content = dataset() if where == "request" else dataset(**{where: "1.2.17.1.000"})
    # Bytes of the same length in place of a value that pydicom would refuse to write.
    data = encode(content)
    if where != "request":
        data = with_uid(content, where, uid)
    with RawPeer(node.peer.port).associate() as peer:
        peer.store(data, sop_instance=uid if where in ("request", "SOPInstanceUID") else SOP)
        assert peer.status() >> 12 == 0xC
        peer.store(data, sop_instance=uid if where in ("request", "SOPInstanceUID") else SOP)
        assert peer.status() >> 12 == 0xC
    assert everything(node.folder) == before


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_row_18_a_missing_study_or_series_uid_is_answered_with_cxxx_and_quarantined(
    node: ANode, tmp_path: Path, missing: str
) -> None:
    """The sender learns that it is not stored; the admin finds its bytes, once however often it comes."""
    before = set(node.files())
    data = encode(dataset(**{missing: None}, SOPInstanceUID="1.2.18.1"))
    file = announced(tmp_path / "a.dcm", data, sop="1.2.18.1")
    assert [outcome.status >> 12 for outcome in node.send_raw(file, file)] == [0xC, 0xC]
    (kept,) = set(node.files()) - before
    assert kept.parent.name == "quarantine"
    assert dataset_digest(kept) == dataset_digest(file)


def test_row_19_the_same_bytes_again_are_a_success_and_no_new_job(
    node: ANode, tmp_path: Path, settled: Callable[..., None]
) -> None:
    """A study that is sent again, whole and in part, is kept once and read once."""
    files = write_mr_series(tmp_path / "in", seed=19)
    study = study_of(files)
    assert {outcome.kind for outcome in node.send(*files)} == {OutcomeKind.ACCEPTED}
    settled(study, 12)
    kept = node.files()
    assert {outcome.kind for outcome in node.send(*files, *files[:3])} == {OutcomeKind.ACCEPTED}
    other = write_file(tmp_path / "other.dcm", dataset(StudyInstanceUID="1.2.19.7", SOPInstanceUID="1.2.19.7.1"))
    node.send(other)
    settled("1.2.19.7", 1)
    settled(study, 12)
    assert len(node.files()) == len(kept) + 1
    assert [job.state for job in jobs_of(node, study)] == [JobState.QUEUED]


def test_row_20_a_corrected_header_is_kept_and_read_and_makes_no_new_job(
    node: ANode, tmp_path: Path, settled: Callable[..., None]
) -> None:
    """Both versions are in the spool; the job that waits reads the newest header, and there is no other."""
    files = write_mr_series(tmp_path / "in", seed=20)
    study = study_of(files)
    node.send(*files)
    settled(study, 12)
    before = set(node.files())

    def rename(content: Dataset) -> None:
        content.PatientName = "Corrected^Name"

    corrected = changed(files, tmp_path / "corrected", rename)
    assert {outcome.status for outcome in node.send(*corrected)} == {0}
    settled(study, 12, 12)
    newest = set(node.files()) - before
    assert sorted(map(dataset_digest, newest)) == sorted(map(dataset_digest, corrected))
    assert [job.state for job in jobs_of(node, study)] == [JobState.QUEUED]
    assert node.input_of(study) == newest


@pytest.mark.parametrize("what", ["pixels", "place"])
def test_row_20_other_pixels_or_another_place_hold_the_job(
    node: ANode, tmp_path: Path, settled: Callable[..., None], what: str
) -> None:
    """Both versions are in the spool, and nothing is read before an admin has looked."""
    files = write_mr_series(tmp_path / "in", seed=201 if what == "pixels" else 202)
    study = study_of(files)
    node.send(*files)
    settled(study, 12)

    def alter(content: Dataset) -> None:
        if what == "pixels":
            content.PixelData = content.PixelData[:-2] + b"\x07\x07"
        else:
            content.PixelSpacing = [9.0, 9.0]

    other = changed(files[3:4], tmp_path / "other", alter)
    assert {outcome.status for outcome in node.send(*other)} == {0}
    settled(study, 12, 12)
    first, second = jobs_of(node, study)
    assert (first.state, second.state) == (JobState.SUPERSEDED, JobState.HELD)
    assert "which one is right?" in second.reason
    # The same once more is no other contradiction.
    node.send(*files[:3], *other, *files[4:])
    node.send(write_file(tmp_path / "last.dcm", dataset(StudyInstanceUID=f"1.2.20.{len(what)}", SOPInstanceUID="1.3")))
    settled(f"1.2.20.{len(what)}", 1)
    assert len(jobs_of(node, study)) == 2
    # Its sender goes back to the first: that is the newest now, and still somebody must look.
    node.send(*files)
    settled(study, 12, 12, 12)
    *_, second, third = jobs_of(node, study)
    assert (second.state, third.state) == (JobState.SUPERSEDED, JobState.HELD)
    assert "which one is right?" in third.reason
    assert third.reason != second.reason


def test_row_21_the_same_sop_uid_under_another_study_is_kept_apart(
    node: ANode, tmp_path: Path, settled: Callable[..., None]
) -> None:
    """Neither study gets the other's image: each is complete with its own, and read by itself."""
    files = write_mr_series(tmp_path / "in", seed=21)
    moved = [pydicom.dcmread(file) for file in files]
    for number, content in enumerate(moved):
        content.StudyInstanceUID, content.SeriesInstanceUID, content.PatientID = "1.2.21.2", "1.2.21.2.1", "OTHER-1"
        content.save_as(tmp_path / f"{number}.dcm")
    node.send(*files)
    node.send(*(tmp_path / f"{number}.dcm" for number in range(len(moved))))
    settled(study_of(files), 12)
    settled("1.2.21.2", 12)
    for study in (study_of(files), "1.2.21.2"):
        assert [job.state for job in jobs_of(node, study)] == [JobState.QUEUED]
    sent = sorted(map(dataset_digest, [*files, *(tmp_path / f"{number}.dcm" for number in range(len(moved)))]))
    assert [digest for digest in node.digests() if digest in set(sent)] == sent


def test_row_26_our_own_results_sent_back_are_kept_and_never_assembled(
    node: ANode, tmp_path: Path, settled: Callable[..., None]
) -> None:
    """Real results of a real read come back under their study: stored, and its revision and job stay as they were."""
    (tmp_path / "house").mkdir()
    ledger = Ledger.open(f"sqlite:///{tmp_path}/house/ledger.sqlite3")
    try:
        read = House(root=tmp_path / "house", ledger=ledger).read(26, slices=8)
    finally:
        ledger.close()
    images = sorted((tmp_path / "house" / "spool" / "26").iterdir())
    node.send(*images)
    study = study_of(images)
    settled(study, 16)
    before = set(node.files())
    results = list(read.files.values())
    assert {pydicom.dcmread(file).Modality for file in results} >= {"SEG", "SR"}
    assert {outcome.kind for outcome in node.send(*results)} == {OutcomeKind.ACCEPTED}
    alone = pydicom.dcmread(read.files["SR"])
    alone.StudyInstanceUID = "1.2.26.1"
    alone.save_as(tmp_path / "alone.dcm")
    node.send(tmp_path / "alone.dcm")
    other = write_file(tmp_path / "other.dcm", dataset(StudyInstanceUID="1.2.26.7", SOPInstanceUID="1.2.26.7.1"))
    node.send(other)
    settled("1.2.26.7", 1)
    assert len(set(node.files()) - before) == len(results) + 2
    settled(study, 16)
    settled("1.2.26.1")
    assert [job.state for job in jobs_of(node, study)] == [JobState.QUEUED]


def test_row_27_every_transfer_syntax_is_kept_to_the_byte(node: ANode, shared_data: Path) -> None:
    """Compressed, enhanced and multi-frame objects lie in the spool byte for byte as they were sent."""
    files = odd_files(shared_data)
    before = set(node.files())
    assert {outcome.kind for outcome in node.send(*files)} == {OutcomeKind.ACCEPTED}
    kept = set(node.files()) - before
    assert sorted(map(dataset_digest, kept)) == sorted({dataset_digest(path) for path in files})
    assert len({read_meta(path).transfer_syntax_uid for path in kept}) >= 5


def test_row_27_dcmtk_is_not_made_to_decompress(node: ANode, shared_data: Path, tmp_path: Path) -> None:
    """DCMTK's dcmsend takes the compressed syntax: it and the pixels arrive as they were in its file."""
    source = next(path for path in odd_files(shared_data) if read_meta(path).transfer_syntax_uid.startswith(COMPRESSED))
    content = pydicom.dcmread(source)
    content.StudyInstanceUID = "1.2.27.1"
    content.save_as(tmp_path / "a.dcm")
    before = set(node.files())
    assert node.dcmtk("dcmsend", tmp_path / "a.dcm").returncode == 0
    (kept,) = set(node.files()) - before
    assert read_meta(kept).transfer_syntax_uid == read_meta(source).transfer_syntax_uid
    assert pydicom.dcmread(kept).PixelData == content.PixelData


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_row_27_implicit_big_endian_and_deflated_are_kept_as_sent(node: ANode, tmp_path: Path, syntax: str) -> None:
    """Each in its own encoding, when that is all a sender has."""
    uid = f"1.2.27.{syntax.replace('.', '')}"
    file = write_file(tmp_path / "a.dcm", dataset(SOPInstanceUID=uid, StudyInstanceUID="1.2.27.2"), syntax=syntax)
    before = set(node.files())
    assert [outcome.kind for outcome in node.send(file)] == [OutcomeKind.ACCEPTED]
    (kept,) = set(node.files()) - before
    assert (dataset_digest(kept), read_meta(kept).transfer_syntax_uid) == (dataset_digest(file), syntax)


def test_row_27_private_classes_are_taken_and_skipped_with_the_reason(
    node: ANode, tmp_path: Path, settled: Callable[..., None]
) -> None:
    """An instance of a vendor's own SOP class is stored like any other; the model says why it does not read it."""
    content = dataset(SOPClassUID="1.3.12.2.1107.5.9.1", SOPInstanceUID="1.2.27.3.1", StudyInstanceUID="1.2.27.3")
    file = write_file(tmp_path / "a.dcm", content)
    before = set(node.files())
    assert [outcome.kind for outcome in node.send(file)] == [OutcomeKind.ACCEPTED]
    (kept,) = set(node.files()) - before
    assert dataset_digest(kept) == dataset_digest(file)
    settled("1.2.27.3", 1)
    (job,) = jobs_of(node, "1.2.27.3")
    assert (job.state, "another kind of object" in job.reason) == (JobState.SKIPPED, True)
