"""Storage commitment with a real archive."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import build_role

from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.commitment import CommitmentListener, ask_for_commitment
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.errors import ArchiveUnreachable
from dicom_node.settings import Peer
from dicom_node.tls_settings import NodeTlsSettings, TlsClientSettings
from tests.certificates import Authority
from tests.commitment_reports import taking
from tests.delivering import DeliveryHouse
from tests.orthanc_server import OrthancServer
from worker.delivery.committing import CommitmentPlan, Committer
from worker.delivery.delivery import Deliverer
from worker.delivery.destination import Destination
from worker.jobs.job import DeliveryState
from worker.provenance import derived_uid
from worker.settings import DeliverySettings
from worker.testing import write_mr_series

NO_SUCH_OBJECT_INSTANCE = 0x0112


def test_check_18_commitment_is_reported_on_a_new_association(
    orthanc: OrthancServer, tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """What the archive has is committed, event type 1; a UID that it has not gives event type 2, reason 0x0112."""
    files = write_mr_series(tmp_path / "study", slices=3)
    orthanc.take(files)
    port = free_port()
    orthanc.know("wetread", "WETREAD", port)
    held = [(str(head.SOPClassUID), str(head.SOPInstanceUID)) for head in map(dcmread, files)]
    bogus = (held[0][0], derived_uid("nobody has this"))
    reports: list[CommitmentReport] = []

    def take(report: CommitmentReport, address: str) -> int:
        assert address == "127.0.0.1"
        reports.append(report)
        return 0

    listener = CommitmentListener("WETREAD", "127.0.0.1", port, take)
    requestor = Requestor(peer=orthanc.peer, calling_ae_title="WETREAD")
    try:
        whole, partly = derived_uid("whole"), derived_uid("partly")
        ask_for_commitment(requestor, whole, held)
        wait_for(lambda: len(reports) == 1, what="the report of what it has")
        ask_for_commitment(requestor, partly, [held[0], bogus])
        wait_for(lambda: len(reports) == 2, what="the report of what it has not")
    finally:
        listener.close()
    uids = frozenset(uid for _, uid in held)
    assert reports == [
        CommitmentReport(transaction_uid=whole, event_type=1, committed=uids, failed={}),
        CommitmentReport(
            transaction_uid=partly,
            event_type=2,
            committed=frozenset({held[0][1]}),
            failed={bogus[1]: NO_SUCH_OBJECT_INSTANCE},
        ),
    ]


def test_reports_are_heard_inside_tls_by_the_nodes_settings(
    authority: Authority, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """From who shows a certificate of our CA; plain TCP, or no certificate, is turned away and told."""
    reports: list[CommitmentReport] = []
    turned_away: list[str] = []
    own, archive = authority.issue("node"), authority.issue("archive")
    port = free_port()
    listener = CommitmentListener(
        "WETREAD",
        "127.0.0.1",
        port,
        taking(reports),
        tls=NodeTlsSettings(certificate=own.certificate, key=own.key, ca=authority.file),
        witness=lambda caller: turned_away.append(caller.address),
    )

    def report(tls: TlsClientSettings | None) -> int:
        told = Dataset()
        told.TransactionUID, told.ReferencedSOPSequence = "1.2.3", []
        peer = Peer(ae_title="WETREAD", host="localhost", port=port, tls=tls)
        with Requestor(peer=peer, calling_ae_title="ARCHIVE", acse_timeout_s=5).associate(
            [(STORAGE_COMMITMENT, None)], roles=[build_role(STORAGE_COMMITMENT, scp_role=True)]
        ) as association:
            status, _ = association.send_n_event_report(told, 1, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1")
            return int(status.Status)

    try:
        for stranger in (None, TlsClientSettings(ca=authority.file)):
            with pytest.raises(ArchiveUnreachable):
                report(stranger)
        # The listener's thread tells when it has found out, which the caller does not wait for.
        wait_for(lambda: len(turned_away) == 2, what="what is told of the two")
        assert turned_away == ["127.0.0.1"] * 2
        shown = TlsClientSettings(ca=authority.file, certificate=archive.certificate, key=archive.key)
        assert report(shown) == 0x0000
    finally:
        listener.close()
    assert [told.transaction_uid for told in reports] == ["1.2.3"]


def test_an_archive_that_is_away_is_named(free_port: Callable[[], int]) -> None:
    """A request that cannot be made says so, and is to be made again."""
    away = Requestor(peer=Peer(ae_title="AWAY", host="127.0.0.1", port=free_port()), calling_ae_title="WETREAD")
    with pytest.raises(ArchiveUnreachable, match="AWAY"):
        ask_for_commitment(away, "1.2.3", [("1.2", "1.2.3")])


def test_row_48_what_an_archive_has_lost_is_sent_again(
    orthanc: OrthancServer, tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Orthanc takes two objects and loses one: its report says so, that one is sent again, then both are committed."""
    port = free_port()
    orthanc.know("wetread", "WETREAD", port)
    settings = DeliverySettings(first_retry_s=0.1, longest_retry_s=0.2)
    house = DeliveryHouse(tmp_path / "house", "")
    requestor = Requestor(peer=orthanc.peer, calling_ae_title="WETREAD")
    plan = CommitmentPlan(requestor=requestor, timeout_s=60.0, linger_s=0.0)
    committer = Committer(house.ledger, {"pacs": plan}, settings)
    destination = Destination(
        name="pacs", archive=DicomArchive(orthanc.peer, "WETREAD"), identity_check=False, commitment="required"
    )
    deliverer = Deliverer(
        ledger=house.ledger,
        destinations={"pacs": destination},
        spool=house.data / "spool",
        results=house.data / "results",
        settings=settings,
        committer=committer,
    )
    listener = CommitmentListener("WETREAD", "127.0.0.1", port, committer.take_report, admits=committer.admits)
    try:
        job = house.read(["pacs"])
        assert deliverer.deliver_one(destination)
        assert house.states(job) == {DeliveryState.UNCOMMITTED}
        lost = house.deliveries(job)[1].sop_instance_uid
        (found,) = orthanc.rest("/tools/lookup", body=lost.encode())
        orthanc.rest(f"/instances/{found['ID']}", method="DELETE")
        assert deliverer.step(destination)
        wait_for(
            lambda: [item.state for item in house.deliveries(job)] == [DeliveryState.COMMITTED, DeliveryState.PENDING],
            what="the report is recorded",
        )
        assert "0112, no such object instance" in house.deliveries(job)[1].reason
        wait_for(
            lambda: not deliverer.step(destination) and house.states(job) == {DeliveryState.COMMITTED},
            what="both are committed to",
        )
        assert len(orthanc.rest("/tools/lookup", body=lost.encode())) == 1
    finally:
        listener.close()
        house.close()
