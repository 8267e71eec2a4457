"""Rows 24 and 26 through one real node, worker, deliverer and archive: odd series, and our own results coming back."""

import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_node.archives.sender import send
from dicom_node.settings import Peer
from models.testing import write_threshold_model
from tests.faults.bad_data import study_of
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.results_in_orthanc import texts_in
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.testing import write_mr_series

MODEL = "constant-answer"
Change = Callable[[Sequence[Dataset]], Sequence[Dataset]]
_DEADLINE_S = 240.0


def missing_pixel_spacing(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """One image does not say how large its pixels are."""
    del series[5].PixelSpacing
    return series


def missing_slices(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """Two images in the middle never came."""
    return [*series[:5], *series[7:]]


def duplicate_slices(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """An image is there twice, with other pixels."""
    twin = _again(series[5], "1.2.24.1")
    twin.PixelData = bytes(len(twin.PixelData))
    return [*series, twin]


def gantry_tilt(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """Each image lies a millimetre further back than the one before: the way between them is not their normal."""
    for number, dataset in enumerate(series):
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + number, z]
    return series


def mixed_orientations(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """Half of the images are sagittal."""
    for dataset in series[6:]:
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    return series


def two_acquisitions(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """The same slices once more, in another acquisition."""
    again = [_again(dataset, f"1.2.24.2.{number}") for number, dataset in enumerate(series)]
    for acquisition, images in enumerate((series, again), start=1):
        for dataset in images:
            dataset.AcquisitionNumber = acquisition
    return [*series, *again]


def localiser(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """A localiser of another size lies among the slices."""
    scout = _again(series[0], "1.2.24.3")
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    scout.Rows, scout.Columns = 64, 64
    scout.PixelData = np.zeros((64, 64), np.uint16).tobytes()
    return [*series, scout]


#: What is done to a series, and the name of the rule (`worker.refusals`) by which it is refused.
REFUSED: dict[Change, str] = {
    missing_pixel_spacing: "no geometry",
    missing_slices: "missing slices: 2 of 12",
    duplicate_slices: "duplicate slices",
    gantry_tilt: "gantry tilt",
    mixed_orientations: "mixed orientation",
    two_acquisitions: "several acquisitions: images of one position differ in AcquisitionNumber",
    localiser: "mixed sizes",
}
#: Real series with the same defects.
REAL: dict[str, str] = {
    "failing/gantrytilting/001": "gantry tilt",
    "failing/sliceincrement/001": "missing slices",
    "failing/sliceorientation/001": "mixed orientation",
    "ge/dti/001": "duplicate slices",
    "philips_enhanced/dti/001": "several acquisitions",
}


def copies(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """An image is there twice under two UIDs, with the same pixels."""
    return [*series, _again(series[5], "1.2.24.4")]


def no_thickness(series: Sequence[Dataset]) -> Sequence[Dataset]:
    """No image says how thick its slice is."""
    for dataset in series:
        dataset.SliceThickness = None
    return series


#: What is done to a series, and what the ledger and the text SR say of its repair (`worker.instances.series_repairs`).
REPAIRED: dict[Change, str] = {
    copies: "1 duplicate slices with equal pixels were left out.",
    no_thickness: "Slice Thickness is missing: slices are taken as thick as they lie apart.",
}


def _again(dataset: Dataset, uid: str) -> Dataset:
    twin = pydicom.dcmread(BytesIO(_written(dataset)))
    twin.SOPInstanceUID = twin.file_meta.MediaStorageSOPInstanceUID = uid
    return twin


def _written(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def until(stack: Stack, condition: Callable[[], object], what: str) -> None:
    """Wait; tell what the stack knows where the condition does not come to hold."""
    end = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not hold within {_DEADLINE_S:g} s\n{stack.diagnosis()}")
        time.sleep(0.1)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """An archive for all of these tests."""
    server = OrthancServer(tmp_path_factory.mktemp("orthanc"), dicom_port=free_port(), http_port=free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], orthanc: OrthancServer
) -> Iterator[Stack]:
    """All parts, running, for all of these tests: each sends studies of its own."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "redis").mkdir()
    redis = RedisServer(folder / "redis", free_port())
    redis.start()
    processes = Stack(folder / "wetread", port=free_port(), broker_url=redis.url, archive_port=orthanc.dicom_port)
    write_threshold_model(processes.models)
    try:
        until(processes, redis.answers, "redis answers")
        processes.start()
        until(processes, processes.listening, "the node listens")
        yield processes
    finally:
        processes.stop()
        redis.stop()


def job_of(stack: Stack, study: str) -> JobRow | None:
    """Return the model's latest job for a study."""
    found = [job for job in stack.jobs() if (job.model_id, job.study_instance_uid) == (MODEL, study)]
    return max(found, key=lambda job: job.id, default=None)


def sent(stack: Stack, files: Sequence[Path]) -> set[int | None]:
    """Send files as they are; return the statuses."""
    peer = Peer(ae_title="WETREAD", host="127.0.0.1", port=stack.port)
    return {outcome.status for _, outcome in send(files, peer, "TEST")}


def written(folder: Path, change: Change, seed: int) -> list[Path]:
    """Write a series with a defect."""
    originals = write_mr_series(folder / "as-it-was", seed=seed)
    files = []
    for number, dataset in enumerate(change([pydicom.dcmread(file) for file in originals])):
        files.append(folder / f"{number}.dcm")
        dataset.save_as(files[-1])
    return files


def test_row_24_odd_series_are_refused_or_repaired_by_a_stated_rule(
    stack: Stack, orthanc: OrthancServer, tmp_path: Path, shared_data: Path
) -> None:
    """Each is answered with success; the ledger has the rule by which it is not read, or what was mended on the way."""
    refused: dict[str, str] = {}
    for seed, (change, words) in enumerate(REFUSED.items(), 240):
        files = written(tmp_path / change.__name__, change, seed)
        assert sent(stack, files) == {0}, change.__name__
        refused[study_of(files)] = words
    for case, words in REAL.items():
        files = [file for file in sorted((shared_data / "odd-series" / case).iterdir()) if file.is_file()]
        assert sent(stack, files) == {0}, case
        refused[study_of(files)] = words
    assert len(refused) == len(REFUSED) + len(REAL)
    repaired: dict[str, str] = {}
    for seed, (change, words) in enumerate(REPAIRED.items(), 280):
        files = written(tmp_path / change.__name__, change, seed)
        orthanc.take(files)
        assert sent(stack, files) == {0}, change.__name__
        repaired[study_of(files)] = words

    def ended() -> bool:
        jobs = [job_of(stack, study) for study in (*refused, *repaired)]
        return all(job is not None and (job.delivered or job.state is JobState.FAILED) for job in jobs)

    until(stack, ended, "the end of every job")
    for study, words in refused.items():
        job = job_of(stack, study)
        assert job is not None
        assert (job.state, job.attempts) == (JobState.FAILED, 1), words
        assert job.reason.startswith(f"SeriesRefused: {words}"), job.reason
    told = texts_in(orthanc)
    ledger = stack.ledger()
    try:
        for study, words in repaired.items():
            notes = [note for event in ledger.timeline(study) for note in event.detail.get("notes", ())]
            assert words in notes
            assert any(words in sentence for sentence in told)
    finally:
        ledger.close()


def test_row_26_our_own_results_come_back_and_change_nothing(
    stack: Stack, orthanc: OrthancServer, tmp_path: Path
) -> None:
    """As they are and with the equipment's strings and sequence replaced by the archive: stored, never assembled."""
    images = write_mr_series(tmp_path / "in", seed=26)
    study = study_of(images)
    orthanc.take(images)
    assert sent(stack, images) == {0}

    def delivered() -> bool:
        job = job_of(stack, study)
        return job is not None and job.delivered

    until(stack, delivered, "the delivery")
    ours = [content for content in _in(orthanc) if content.StudyInstanceUID == study and content.Modality != "MR"]
    assert {content.Modality for content in ours} >= {"SEG", "SR"}
    assert sent(stack, _put(ours, tmp_path / "back")) == {0}
    for number, content in enumerate(ours):
        content.Manufacturer, content.ManufacturerModelName = "PACS", "Archive 1"
        if number % 2:
            del content.ContributingEquipmentSequence
    assert sent(stack, _put(ours, tmp_path / "changed")) == {0}
    # A study behind them: when that is complete, theirs would be.
    behind = write_mr_series(tmp_path / "behind", seed=27)
    assert sent(stack, behind) == {0}
    until(stack, lambda: job_of(stack, study_of(behind)), "the job of the study behind them")
    kept = {path for path in stack.spool.rglob("*.dcm") if _sop(path) in {str(each.SOPInstanceUID) for each in ours}}
    assert len(kept) == 2 * len(ours)
    until(stack, lambda: "own results left out" in stack.log("node"), "what the node says of them")
    ledger = stack.ledger()
    try:
        revisions = [event for event in ledger.timeline(study) if event.kind == "study complete"]
    finally:
        ledger.close()
    assert [event.detail["instances"] for event in revisions] == [len(images)]
    assert [job.state for job in stack.jobs() if (job.model_id, job.study_instance_uid) == (MODEL, study)] == [
        JobState.READ
    ]


def _in(orthanc: OrthancServer) -> list[Dataset]:
    return [pydicom.dcmread(BytesIO(orthanc.rest(f"/instances/{name}/file"))) for name in orthanc.rest("/instances")]


def _put(contents: Sequence[Dataset], folder: Path) -> list[Path]:
    folder.mkdir()
    files = [folder / f"{number}.dcm" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        content.save_as(file)
    return files


def _sop(file: Path) -> str:
    return str(pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
