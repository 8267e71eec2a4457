"""No patient in a log, a metric, a page, a file name or an error."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_node.archives.sender import send
from dicom_node.settings import Peer
from models.testing import write_threshold_model
from tests.audit_schema import Told
from tests.orthanc_server import OrthancServer
from tests.stack import Stack
from worker.testing import write_mr_series

CANARY = "CANARY"
PATIENT = {
    "PatientName": f"{CANARY}^NAME",
    "PatientID": f"{CANARY}-ID",
    "PatientBirthDate": "19410711",
    "AccessionNumber": f"{CANARY}-ACC",
    "OtherPatientIDs": f"{CANARY}-OTHER",
    "PatientAddress": f"{CANARY} STREET",
    "ReferringPhysicianName": f"{CANARY}^DOCTOR",
    "PatientComments": f"{CANARY} COMMENT",
    "StudyDescription": f"{CANARY} STUDY",
    "SeriesDescription": f"{CANARY} SERIES",
    "StudyID": f"{CANARY}-SID",
}


@pytest.fixture
def web(stack: Stack, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's address; the part is started with the others."""
    port = free_port()
    monkeypatch.setenv("WETREAD_WEB__PORT", str(port))
    stack.start("web")
    return f"http://127.0.0.1:{port}"


def test_a_canary_is_found_nowhere(
    stack: Stack, web: str, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Studies whose every patient field is a canary go right, wrong and on hold.

    It is in spool, results and audit trail, which are for their owner's eyes only, and nowhere else.
    """
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    good = write_mr_series(tmp_path / "good", seed=1, attributes=PATIENT)
    gap = write_mr_series(tmp_path / "gap", seed=2, attributes=PATIENT)
    merged = write_mr_series(tmp_path / "merged", seed=3, attributes=PATIENT)
    # Values that DICOM does not allow: libraries warn of them, and quote them.
    odd = write_mr_series(tmp_path / "odd", seed=5, attributes=PATIENT)
    for file in odd:
        file.write_bytes(file.read_bytes().replace(b"19410711", b"CANARY/7"))
    truncated = write_mr_series(tmp_path / "truncated", seed=4, attributes=PATIENT)
    truncated[3].write_bytes(truncated[3].read_bytes()[:-700])
    orthanc.take(good)
    orthanc.take(write_mr_series(tmp_path / "elsewhere", seed=3, attributes={**PATIENT, "PatientID": f"{CANARY}-2"}))
    stack.send(good)
    stack.send(gap[:5] + gap[6:])
    stack.send(merged)
    stack.send(odd)
    list(send(truncated, Peer(ae_title="WETREAD", host="127.0.0.1", port=stack.port), "TEST"))

    def ended() -> bool:
        states = {job.state.value for job in stack.jobs() if job.model_id == "constant-answer"}
        return {"read", "failed", "held"} <= states and any(job.delivered for job in stack.jobs())

    wait_for(ended, what="one study is delivered, one failed, one is held", deadline_s=120)
    seen = stack.diagnosis()
    seen += json.dumps([str(job) for job in stack.jobs()])
    for job in stack.jobs():
        for page in (
            "/",
            "/jobs",
            "/studies",
            "/metrics",
            "/readyz",
            f"/jobs/{job.id}",
            f"/studies/{job.study_instance_uid}",
        ):
            with urllib.request.urlopen(web + page, timeout=10) as answer:  # noqa: S310  # our own loopback page
                seen += answer.read().decode()
    for part in ("node", "deliver", "worker", "web"):
        seen += stack.log(part)
    seen += "\n".join(str(file) for file in stack.data.rglob("*"))
    seen += (stack.data / "ledger.sqlite3").read_bytes().decode("latin-1")
    wal = stack.data / "ledger.sqlite3-wal"
    seen += wal.read_bytes().decode("latin-1") if wal.exists() else ""
    assert "constant-answer" in seen
    assert CANARY not in seen
    assert PATIENT["PatientBirthDate"] not in seen
    assert_the_audit_trail_names_the_patient(stack, wait_for)


def assert_the_audit_trail_names_the_patient(stack: Stack, wait_for: Callable[..., None]) -> None:
    """Of each study that came, and of the results that went: who, whose, how many; readable by its owner only."""
    file = stack.data / "audit" / "trail.log"

    def told(event: str) -> list[Told]:
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [one for one in map(Told, lines) if one.event == event]

    wait_for(lambda: len(told("110104")) >= 6, what="five studies that came, results that went")
    came = [one for one in told("110104") if one.sides[0][1] == "TEST"]
    went = [one for one in told("110104") if one.sides[0][1] == "WETREAD"]
    assert sum(count for one in came for count in one.sop_classes.values()) >= 12 * 5 - 1
    assert {one.patient for one in came} >= {(PATIENT["PatientID"], PATIENT["PatientName"])}
    assert {one.patient for one in went} == {(PATIENT["PatientID"], PATIENT["PatientName"])}
    assert {one.sides[1][1] for one in went} == {"ORTHANC"}
    assert {one.study for one in told("110102")} == {one.study for one in went}
    assert file.stat().st_mode & 0o777 == 0o600
    assert all(part.stat().st_mode & 0o077 == 0 for part in (stack.data / "audit").rglob("*"))
