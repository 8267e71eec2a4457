"""When a study is complete, against a real Orthanc that gets the study too."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
import structlog

from dicom_node.archives.archive import DicomArchive
from dicom_node.assembling.asker import Asker
from dicom_node.assembling.assembler import Assembler
from dicom_node.settings import NodeSettings
from dicom_node.spooling.spool import Spool
from dicom_node.study import Completion
from dicom_node.testing import ListStudyStore
from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.results_in_orthanc import results_of
from tests.stack import Stack
from tests.unit.dicom_node.instances import dataset, encode, incoming, write_file
from worker.jobs.admin_rows import EventRow
from worker.jobs.job import JobState
from worker.testing import write_mr_series

SETTINGS = NodeSettings(
    quiet_time_s=600.0,
    counts_from="pacs",
    settle_s=0.5,
    ask_after_s=0.2,
    peers=({"ae_title": "HASTY", "hosts": ["192.0.2.1"], "quiet_time_s": 3.0},),
)


class Watched(DicomArchive):
    """The archive, with a word to the test before each answer is passed on."""

    counted: Callable[[int], None] = staticmethod(lambda _: None)
    questions = 0

    def count_series(self, study_uid: str) -> dict[str, int | None]:
        """Ask."""
        counts = super().count_series(study_uid)
        self.questions += 1
        self.counted(self.questions)
        return counts


class House:
    """An assembler that asks Orthanc, and a store that keeps lists; instances go to both."""

    def __init__(self, root: Path, orthanc: OrthancServer) -> None:
        self.root, self.orthanc = root, orthanc
        self.spool, self.store = Spool(root / "spool"), ListStudyStore()
        self.archive = Watched(orthanc.peer, "WETREAD", connect_timeout_s=5, acse_timeout_s=5, dimse_timeout_s=5)
        self.asker = Asker({"pacs": self.archive})
        self.assembler = Assembler(SETTINGS, self.spool, self.store, asker=self.asker)

    def archive_receives(self, study: str, number: int) -> None:
        """Let an instance arrive there."""
        content = dataset(StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=f"{study}.1.{number}")
        self.orthanc.take([write_file(self.root / "taken.dcm", content)])

    def receive(self, study: str, number: int, sender: str = "CT1") -> None:
        """Let an instance arrive here."""
        uid = f"{study}.1.{number}"
        content = encode(dataset(StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=uid))
        stored = self.spool.store(*incoming(content, sop_instance_uid=uid, calling_ae_title=sender))
        self.assembler.instance_stored(stored, "")


@pytest.fixture
def house(tmp_path: Path, orthanc: OrthancServer) -> Iterator[House]:
    """A house whose threads run."""
    built = House(tmp_path, orthanc)
    built.asker.start()
    built.assembler.start()
    yield built
    built.assembler.stop()
    built.asker.stop()


def test_orthanc_counts_a_study_that_grows_and_may_be_away(house: House, wait_for: Callable[..., None]) -> None:
    """A study that grows between two counts is closed after two more; without the archive its quiet time closes one."""

    def grow(question: int) -> None:
        if question == 2:
            house.archive_receives("1.2.7", 2)
            house.receive("1.2.7", 2)

    house.archive.counted = grow  # type: ignore[method-assign]
    house.archive_receives("1.2.7", 1)
    house.receive("1.2.7", 1)
    wait_for(lambda: house.store.revisions, what="the study is complete", deadline_s=60)
    (study,) = house.store.revisions
    assert (study.completion, len(study.series[0].files)) == (Completion.COUNTED, 2)
    assert house.archive.questions >= 4
    house.orthanc.stop()
    with structlog.testing.capture_logs() as logs:
        house.receive("1.2.8", 1, sender="HASTY")
        wait_for(lambda: len(house.store.revisions) == 2, what="the second study is complete", deadline_s=60)
    assert house.store.revisions[1].completion is Completion.QUIET
    assert [entry["archive"] for entry in logs if entry["event"] == "archive does not count"] == ["pacs"]


def test_a_series_is_read_at_once_and_the_rest_when_all_is_there(
    stack: Stack,
    orthanc: OrthancServer,
    tmp_path: Path,
    wait_for: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One result set of the series arrives while the study does; the study closes by Orthanc's counts, then by force.

    Our own results, which Orthanc holds by then, are not counted against us. The model that waits for series is asked
    once; the other one when the study is complete. An admin closes a study of which the archive has more.
    """
    for name, value in {"QUIET_TIME_S": "600", "COUNTS_FROM": "orthanc", "SETTLE_S": "1", "ASK_AFTER_S": "0.5"}.items():
        monkeypatch.setenv(f"WETREAD_NODE__{name}", value)
    write_threshold_model(stack.models, modality=["MR"], trigger="series")
    write_threshold_model(stack.models, modality=["MR"], id="whole-study")
    urgent = write_mr_series(tmp_path / "urgent")
    uid = str(pydicom.dcmread(urgent[0]).StudyInstanceUID)
    slow = write_mr_series(tmp_path / "slow", seed=1, attributes={"StudyInstanceUID": uid, "Modality": "OT"})
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    orthanc.take([*urgent, *slow])
    stack.send([*urgent, *slow[:6]])
    wait_for(lambda: delivered(stack, "constant-answer"), what="the series is read", deadline_s=90)
    early = results_of(orthanc)
    assert early
    assert delivered(stack, "whole-study") == []
    stack.send(slow[6:])
    wait_for(lambda: delivered(stack, "whole-study"), what="the study is read", deadline_s=90)
    assert [(job.revision, job.state) for job in stack.jobs() if job.model_id == "constant-answer"] == [
        (1, JobState.READ)
    ], stack.diagnosis()
    assert early < results_of(orthanc)
    assert completions(stack, uid) == ["series complete", "archive counts"]

    other = write_mr_series(tmp_path / "other", seed=5)
    uid = str(pydicom.dcmread(other[0]).StudyInstanceUID)
    orthanc.take(other)
    stack.send(other[:8])
    wait_for(lambda: happened(stack, uid), what="it arrives", deadline_s=60)
    command = [sys.executable, "-P", "-m", "ops.cli", "force-complete", uid, "--settings", str(stack.settings_file)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    wait_for(lambda: completions(stack, uid) == ["forced"], what="the study is closed", deadline_s=60)
    wait_for(lambda: len(delivered(stack, "whole-study")) == 2, what="the study is read", deadline_s=90)


def delivered(stack: Stack, model: str) -> list[str]:
    """Return the studies of which this model's read is delivered."""
    return [job.study_instance_uid for job in stack.jobs() if job.model_id == model and job.delivered]


def completions(stack: Stack, study: str) -> list[object]:
    """Return why each revision of a study was closed."""
    return [event.detail["completion"] for event in happened(stack, study) if "completion" in event.detail]


def happened(stack: Stack, study: str) -> list[EventRow]:
    """Return a study's timeline."""
    ledger = stack.ledger()
    try:
        return ledger.timeline(study)
    finally:
        ledger.close()
