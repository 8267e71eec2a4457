"""Row 25: patients whose names are not written in ASCII, from the sender to the archive and back."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from dicom_node.archives.sender import send
from dicom_node.settings import Peer
from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
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
#: PS3.5 K.2, as bytes: pydicom writes it without the escape sequences.
IR_58 = (["", "ISO 2022 IR 58"], b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东")
#: What is declared of a name that is written in Latin 1 all the same.
LIES: dict[str, str] = {
    "none": "",
    "UTF-8": "ISO_IR 192",
}
LYING_NAME = "Grün^René"
LATIN_1 = LYING_NAME.encode("latin-1")
PEERS = """
[[node.peers]]
ae_title = "LATIN"
hosts = ["127.0.0.1"]
assume_character_set = "ISO_IR 100"
"""


@pytest.fixture
def orthanc(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """A running Orthanc that answers queries in UTF-8; what it is set to at first leaves out most of the world."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    server = OrthancServer(folder, dicom_port=free_port(), http_port=free_port(), encoding="Utf8")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def stack(
    tmp_path: Path, free_port: Callable[[], int], redis_server: RedisServer, orthanc: OrthancServer
) -> Iterator[Stack]:
    """Node, deliverer and worker that know what LATIN writes."""
    processes = Stack(
        tmp_path / "wetread",
        port=free_port(),
        broker_url=redis_server.url,
        archive_port=orthanc.dicom_port,
        extra=PEERS,
    )
    yield processes
    processes.stop()


def test_row_25_names_arrive_character_for_character_or_the_job_is_held(
    stack: Stack, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Results in the archive have the sender's name in UTF-8, by the declared set or the assumed; else none is sent."""
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    names: dict[str, str] = {}
    for seed, (character_set, name) in enumerate(NAMES.values(), 100):
        files = write_mr_series(tmp_path / str(seed), seed=seed, character_set=character_set, patient_name=name)
        names[study_of(files)] = name
        orthanc.take(files)
        stack.send(files)
    declared, written, name = IR_58
    files = with_name(write_mr_series(tmp_path / "ir-58", seed=58), declared, written)
    names[study_of(files)] = name
    orthanc.take(files)
    stack.send(files)
    unknown: set[str] = set()
    for seed, lie in enumerate(LIES.values(), 200):
        files = write_mr_series(tmp_path / str(seed), seed=seed, character_set="ISO_IR 192", patient_name=LYING_NAME)
        # The archive has it right: somebody has told it, or mended it there.
        orthanc.take(files)
        names[study_of(files)] = LYING_NAME
        assert sent(stack, with_name(files, lie, LATIN_1), "LATIN") == {0}
        files = write_mr_series(tmp_path / f"{seed}-unknown", seed=seed + 100, patient_name=LYING_NAME)
        unknown.add(study_of(files))
        assert sent(stack, with_name(files, lie, LATIN_1), "TEST") == {0}

    def ended() -> bool:
        jobs = jobs_in(stack)
        return len(jobs) == len(names) + len(unknown) and all(
            job.delivered or job.state in (JobState.FAILED, JobState.HELD) for job in jobs
        )

    wait_for(ended, what="every job has ended", deadline_s=300)
    told = {job.study_instance_uid: job for job in jobs_in(stack)}
    assert {(told[study].state, told[study].delivered) for study in unknown} == {(JobState.HELD, False)}
    for study in unknown:
        assert "Specific Character Set (0008,0005)" in told[study].reason
        assert "`assume_character_set`" in told[study].reason
    assert {names[study]: told[study].reason for study in names} == dict.fromkeys(names.values(), "")
    found = {(result.StudyInstanceUID, str(result.PatientName)) for result in results(orthanc)}
    assert found == set(names.items())
    assert {result.SpecificCharacterSet for result in results(orthanc)} == {"ISO_IR 192"}
    for part in ("node", "worker", "deliver"):
        assert "Grün" not in stack.log(part)


def with_name(files: list[Path], declared: str | list[str], name: bytes) -> list[Path]:
    """Let files declare a character set, and have these bytes for a name whatever that is."""
    for file in files:
        content = pydicom.dcmread(file)
        content.SpecificCharacterSet, content.PatientName = declared, "#" * len(name)
        content.save_as(file)
        file.write_bytes(file.read_bytes().replace(b"#" * len(name), name))
    return files


def sent(stack: Stack, files: list[Path], sender: str) -> set[int | None]:
    """Send files under a name; return the statuses."""
    peer = Peer(ae_title="WETREAD", host="127.0.0.1", port=stack.port)
    return {outcome.status for _, outcome in send(files, peer, sender)}


def study_of(files: list[Path]) -> str:
    """Return the study of files."""
    return str(pydicom.dcmread(files[0]).StudyInstanceUID)


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
