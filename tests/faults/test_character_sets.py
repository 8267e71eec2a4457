"""Row 25: patients whose names are not written in ASCII, from the sender to the archive and back."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.stack import Stack
from worker.job import JobRow, JobState
from worker.testing import write_mr_series

MODEL = "constant-answer"
NAMES: dict[str, tuple[str | list[str], str]] = {
    "none": ("", "Test^Head"),
    "Latin 1": ("ISO_IR 100", "Grün^µ"),
    "IR 87": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),  # PS3.5 H.3
    "IR 149": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),  # PS3.5 I.2
    "GB18030": ("GB18030", "Wang^XiaoDong=王^小东"),  # PS3.5 J.3
    "UTF-8": ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
}


@pytest.fixture
def orthanc(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """A running Orthanc that answers queries in UTF-8; what it is set to at first leaves out most of the world."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    server = OrthancServer(folder, dicom_port=free_port(), http_port=free_port(), encoding="Utf8")
    server.start()
    yield server
    server.stop()


@pytest.mark.timeout(600)
def test_row_25_names_arrive_character_for_character_and_a_lie_is_refused(
    stack: Stack, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Results in the archive have the sender's name, in UTF-8; what its declared set cannot decode has none."""
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    names: dict[str, str] = {}
    for seed, (character_set, name) in enumerate(NAMES.values(), 25):
        files = write_mr_series(tmp_path / str(seed), seed=seed, character_set=character_set, patient_name=name)
        names[str(pydicom.dcmread(files[0]).StudyInstanceUID)] = name
        orthanc.take(files)
        stack.send(files)
    lie = write_mr_series(tmp_path / "lie", seed=24, character_set="ISO_IR 192", patient_name="Gruen^Test")
    for file in lie:
        # Latin 1 in a file that says it is UTF-8.
        file.write_bytes(file.read_bytes().replace(b"Gruen^Test", b"Gr\xfcne^Test"))
    stack.send(lie)

    def ended() -> bool:
        jobs = jobs_in(stack)
        return len(jobs) == len(NAMES) + 1 and all(
            job.delivered or job.state in (JobState.FAILED, JobState.HELD) for job in jobs
        )

    wait_for(ended, what="every job has ended", deadline_s=300)
    states = {names.get(job.study_instance_uid, "lie"): (job.delivered, job.reason) for job in jobs_in(stack)}
    delivered, reason = states.pop("lie")
    assert not delivered
    assert "Specific Character Set" in reason
    assert states == dict.fromkeys(states, (True, ""))
    found = [(dataset.SpecificCharacterSet, str(dataset.PatientName)) for dataset in results(orthanc)]
    assert {name for _, name in found} == set(names.values())
    assert {character_set for character_set, _ in found} == {"ISO_IR 192"}


def jobs_in(stack: Stack) -> list[JobRow]:
    """Return the model's jobs."""
    return [job for job in stack.jobs() if job.model_id == MODEL]


def results(orthanc: OrthancServer) -> Iterator[pydicom.Dataset]:
    """Yield what wetread made, as it lies in the archive."""
    for name in orthanc.rest("/instances"):
        content = orthanc.rest(f"/instances/{name}/file")
        dataset = pydicom.dcmread(BytesIO(content))
        if dataset.get("Manufacturer") == "wetread":
            yield dataset
