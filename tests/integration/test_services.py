"""A node that provides services beside storage, with pynetdicom and Orthanc as their users."""

import json
import os
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (
    CTImageStorage,
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)

from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.archives.sender import send
from dicom_node.spooling.spool_layout import name_of
from tests.integration.services_house import SERVICES, WELL_KNOWN, House, modality
from tests.integration.test_connect_a_pacs import block
from tests.orthanc_server import OrthancServer
from worker.testing import write_mr_series

NO_SUCH_OBJECT_INSTANCE, CLASS_INSTANCE_CONFLICT = 0x0112, 0x0119
Wait = Callable[..., None]


@pytest.fixture(scope="module")
def orthanc_port(free_port: Callable[[], int]) -> int:
    """Where Orthanc takes associations."""
    return free_port()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], orthanc_port: int) -> Iterator[House]:
    """One node for all of these tests."""
    made = House(tmp_path_factory.mktemp("commitment") / "node", free_port, orthanc_port=orthanc_port)
    with made.node:
        yield made
        assert "Traceback" not in made.node.log()
    made.close()


def stored(house: House, folder: Path, *, seed: int) -> list[tuple[str, str]]:
    """Send a new series to the node; return its references."""
    files = write_mr_series(folder, slices=3, seed=seed)
    outcomes = [outcome for _, outcome in send(files, house.node.peer, "CT1")]
    assert all(outcome.accepted for outcome in outcomes), outcomes
    return [(str(head.SOPClassUID), str(head.SOPInstanceUID)) for head in map(dcmread, files)]


def test_who_keeps_the_association_is_told_there(house: House, tmp_path: Path, wait_for: Wait) -> None:
    """Event type 1 for what is there; then the request is closed, and the instances are held."""
    references = stored(house, tmp_path, seed=1)
    with modality(house.node) as asking:
        assert asking.ask("1.2.3.1", references) == 0
        wait_for(lambda: asking.reports, what="the report on the same association", deadline_s=60)
        wait_for(lambda: not house.open_requests(), what="the request is closed")
    committed = frozenset(uid for _, uid in references)
    assert asking.reports == [CommitmentReport(transaction_uid="1.2.3.1", event_type=1, committed=committed, failed={})]
    assert {name_of(uid) for uid in committed} <= house.held()


def test_what_is_not_so_is_not_promised(house: House, tmp_path: Path, wait_for: Wait) -> None:
    """Event type 2: an instance that is not here, and one under another SOP class, which is not held either."""
    (right, other, _) = stored(house, tmp_path, seed=2)
    with modality(house.node) as asking:
        assert asking.ask("1.2.3.2", [right, (CTImageStorage, other[1]), (right[0], "1.2.3.404")]) == 0
        wait_for(lambda: asking.reports, what="the report on the same association", deadline_s=60)
    assert asking.reports == [
        CommitmentReport(
            transaction_uid="1.2.3.2",
            event_type=2,
            committed=frozenset({right[1]}),
            failed={other[1]: CLASS_INSTANCE_CONFLICT, "1.2.3.404": NO_SUCH_OBJECT_INSTANCE},
        )
    ]
    assert name_of(right[1]) in house.held()
    assert name_of(other[1]) not in house.held()


def test_who_leaves_or_refuses_is_told_on_a_new_association(house: House, tmp_path: Path, wait_for: Wait) -> None:
    """Both reports reach the address of the settings, where the node is the provider by role selection."""
    references = stored(house, tmp_path, seed=3)
    house.listen()
    try:
        with modality(house.node, takes_with=0x0110) as refusing:
            assert refusing.ask("1.2.3.3", references) == 0
            wait_for(lambda: refusing.reports, what="the report that is refused", deadline_s=60)
        with modality(house.node) as leaving:
            assert leaving.ask("1.2.3.4", references) == 0
        wait_for(lambda: len(house.reports) >= 2, what="both reports", deadline_s=60)
        wait_for(lambda: not house.open_requests(), what="both requests are closed")
    finally:
        house.close()
    assert {(report.transaction_uid, report.event_type) for report in house.reports} == {("1.2.3.3", 1), ("1.2.3.4", 1)}
    assert leaving.reports == []


def test_orthanc_asks_and_is_told(
    house: House, tmp_path: Path, orthanc_port: int, free_port: Callable[[], int], wait_for: Wait
) -> None:
    """By the calls in docs/connect-a-pacs.md; an instance that Orthanc has and the node has not is named."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    orthanc = OrthancServer(folder, dicom_port=orthanc_port, http_port=free_port())
    orthanc.start()
    try:
        orthanc.know("wetread", "WETREAD", house.node.peer.port)
        orthanc.take(write_mr_series(tmp_path / "study", slices=2, seed=4))
        (study,) = orthanc.rest("/studies")
        sent = documented(orthanc, 1, study)["StorageCommitmentTransactionUID"]
        orthanc.take(write_mr_series(tmp_path / "more", slices=3, seed=4)[2:])
        partly = documented(orthanc, 0, study)["ID"]
        reports = []
        for transaction in (sent, partly):
            wait_for(
                lambda uid=transaction: documented(orthanc, 2, uid)["Status"] != "Pending",
                what="the report",
                deadline_s=60,
            )
            reports.append(documented(orthanc, 2, transaction))
    finally:
        orthanc.stop()
    assert [(each["Status"], len(each["Success"]), len(each["Failures"])) for each in reports] == [
        ("Success", 2, 0),
        ("Failure", 2, 1),
    ]
    assert reports[1]["Failures"][0]["FailureReason"] == NO_SUCH_OBJECT_INSTANCE


def documented(orthanc: OrthancServer, number: int, what: str) -> Any:
    """Make one of the calls that the documentation has, for a study or a transaction; return the answer."""
    line = [line for line in block("bash").splitlines() if line.startswith("curl")][number]
    words = shlex.split(line.replace("ORTHANC-ID", what).replace("TRANSACTION", what))
    path = next(word.partition(":8042")[2] for word in words if ":8042" in word)
    return orthanc.rest(path, body=json.loads(words[words.index("-d") + 1]) if "-d" in words else None)


def test_a_report_survives_whoever_dies(house: House, tmp_path: Path, wait_for: Wait) -> None:
    """SIGKILL between answer and report, of the receiving processes, then of the whole node: both reports come."""
    references = stored(house, tmp_path, seed=6)
    # Refused, so that a slow machine, whose node says it before it dies, does not close the request.
    with modality(house.node, takes_with=0x0110) as first:
        assert first.ask("1.2.3.6", references) == 0
        for pid in house.node.receivers():
            os.kill(pid, signal.SIGKILL)
    house.listen()
    wait_for(lambda: house.reports_of("1.2.3.6"), what="the report, after the receiving processes died", deadline_s=90)
    house.close()
    wait_for(house.node.answers, what="others receive")
    with modality(house.node, takes_with=0x0110) as second:
        assert second.ask("1.2.3.7", references) == 0
        house.node.kill()
    house.listen()
    house.node.start()
    wait_for(lambda: house.reports_of("1.2.3.7"), what="the report, after the node died", deadline_s=90)
    house.close()
    assert house.reports_of("1.2.3.7")[0].event_type == 1
    assert "may delete its only copy on our word" in house.node.log()


def test_wrong_requests_are_answered_and_the_association_goes_on(house: House) -> None:
    """Each with its status of PS3.7 C."""
    asked = [("1.2.840.10008.5.1.4.1.1.4", "1.2.3")]
    changed = Dataset()
    changed.PerformedProcedureStepStatus = "COMPLETED"
    with modality(house.node) as asking:
        assert asking.ask("1.2.3.8", asked, action=2) == 0x0123
        assert asking.ask("1.2.3.8", asked, instance="1.2.3.4") == 0x0112
        assert asking.ask("1.2.3.8", []) == 0x0115
        assert asking.ask("", asked) == 0x0115
        status, _ = asking.association.send_n_get([], StorageCommitmentPushModel, WELL_KNOWN)
        assert status.Status == 0x0211
        status = asking.association.send_n_delete(ModalityPerformedProcedureStep, "1.2.3.4")
        assert status.Status == 0x0211
        status, _ = asking.association.send_n_set(changed, ModalityPerformedProcedureStep, "1.2.3.404")
        assert status.Status == 0x0112
        assert asking.association.is_established
        assert not house.open_requests()


def test_a_peer_gets_the_services_of_its_entry(house: House) -> None:
    """Announcements for everybody who is listed, storage commitment where the entry says so, nothing for others."""
    for calling, services in (("MODALITY", set(SERVICES)), ("CT1", set(SERVICES[1:])), ("STRANGER", set())):
        with modality(house.node, calling=calling) as caller:
            accepted = {str(context.abstract_syntax) for context in caller.association.accepted_contexts}
        assert accepted - {CTImageStorage} == services


def test_who_wants_commitment_and_does_not_get_it_stands_in_the_log(house: House, wait_for: Wait) -> None:
    """The caller hears of a rejected presentation context only; of each AE title the log tells it once a process."""
    for _ in range(6):
        for calling in ("MODALITY", "OUTSIDER"):
            with modality(house.node, calling=calling):
                pass
    found = "storage commitment not offered"
    wait_for(lambda: found in house.node.log(), what="a line in the log")
    lines = [line for line in house.node.log().splitlines() if found in line and "OUTSIDER" in line]
    assert 1 <= len(lines) <= 2  # two receiving processes
    assert "[[node.peers]]" in lines[0]
    assert not [line for line in house.node.log().splitlines() if found in line and "MODALITY" in line]


def test_steps_and_notifications_list_a_study(house: House, wait_for: Wait) -> None:
    """Created over one association, completed over another, maybe in another process; no patient reaches the log."""
    created, completed = Dataset(), Dataset()
    created.PerformedProcedureStepStatus = "IN PROGRESS"
    created.PatientName = "Canary^Bird"
    created.ScheduledStepAttributesSequence = [Dataset()]
    created.ScheduledStepAttributesSequence[0].StudyInstanceUID = "1.2.9.1"
    completed.PerformedProcedureStepStatus = "COMPLETED"
    series = Dataset()
    series.SeriesInstanceUID = "1.2.9.1.1"
    series.ReferencedImageSequence = [_reference(f"1.2.9.1.1.{number}") for number in range(5)]
    completed.PerformedSeriesSequence = [series]
    with modality(house.node, calling="CT1") as first, modality(house.node, calling="CT1") as second:
        kind = ModalityPerformedProcedureStep
        assert first.association.send_n_create(created, kind, "1.2.9")[0].Status == 0
        assert first.association.send_n_create(created, kind, "1.2.9")[0].Status == 0x0111
        assert second.association.send_n_set(completed, kind, "1.2.9")[0].Status == 0
        again = second.association.send_n_set(completed, kind, "1.2.9")[0]
        assert (again.Status, again.ErrorID) == (0x0110, 0xA506)
        notification = Dataset()
        notification.StudyInstanceUID = "1.2.9.2"
        series = Dataset()
        series.SeriesInstanceUID = "1.2.9.2.1"
        series.ReferencedSOPSequence = [_reference("1.2.9.2.1.1"), _reference("1.2.9.2.1.2", "UNAVAILABLE")]
        notification.ReferencedSeriesSequence = [series]
        assert first.association.send_n_create(notification, InstanceAvailabilityNotification, None)[0].Status == 0
    wait_for(lambda: house.lists() == {("1.2.9.1", 5, "MPPS"), ("1.2.9.2", 1, "IAN")}, what="both lists are heard")
    assert "Canary" not in house.node.log()


def _reference(uid: str, availability: str = "ONLINE") -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid
    item.InstanceAvailability = availability
    item.RetrieveAETitle = "ARCHIVE"
    return item
