"""A node that offers services beside storage, and pynetdicom as their user."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)

from dicom_node.archives.commitment import CommitmentListener, report_of
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.archives.requestor import connection_opened
from dicom_node.commitments.commitment_requests import CommitmentRequests
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool import Spool
from tests.commitment_reports import taking
from tests.faults.a_node import ANode

WELL_KNOWN = "1.2.840.10008.1.20.1.1"
SERVICES = (StorageCommitmentPushModel, ModalityPerformedProcedureStep, InstanceAvailabilityNotification)


def believing(ae_title: str, port: int) -> dict[str, Any]:
    """Return the entry of a peer that may ask for storage commitment, and takes reports at a port of this machine."""
    to = {"host": "127.0.0.1", "port": port}
    return {"ae_title": ae_title, "hosts": ["127.0.0.1"], "storage_commitment": True, "report_to": to}


class House:
    """A node of two receiving processes, and who may ask it for storage commitment.

    Attributes:
        node: The process.
        reports: What MODALITY was told on associations that the node opened.
    """

    def __init__(self, folder: Path, free_port: Callable[[], int], *, orthanc_port: int) -> None:
        self.report_port = free_port()
        self.reports: list[CommitmentReport] = []
        self._listener: CommitmentListener | None = None

        peers: list[dict[str, Any]] = [believing("MODALITY", self.report_port), believing("ORTHANC", orthanc_port)]
        peers.append({"ae_title": "CT1", "hosts": ["127.0.0.1"]})
        self.node = ANode(folder, free_port(), processes=2, fsync="off", peers=peers)

    def listen(self) -> None:
        """Take reports as MODALITY."""
        self._listener = CommitmentListener("MODALITY", "127.0.0.1", self.report_port, taking(self.reports))

    def close(self) -> None:
        """Take no more."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def open_requests(self) -> frozenset[str]:
        """Return the names of requests that are not reported on."""
        return CommitmentRequests(self.node.spool).names()

    def reports_of(self, transaction_uid: str) -> list[CommitmentReport]:
        """Return what MODALITY was told of a transaction on associations that the node opened."""
        return [report for report in self.reports if report.transaction_uid == transaction_uid]

    def lists(self) -> set[tuple[str, int, str]]:
        """Return the lists that its assembler has heard: study, how many instances, who says so."""
        found = re.findall(r"instances listed +.*", re.sub(r"\x1b\[[0-9;]*m", "", self.node.log()))
        lines = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in found]
        return {(line["study"], int(line["instances"]), line["source"]) for line in lines}

    def held(self) -> frozenset[str]:
        """Return the names of the files that the node holds."""
        held, spool = HeldInstances(self.node.spool), Spool(self.node.spool)
        return frozenset(Path(file).stem for folder in spool.study_folders() for file in held.of_study(folder))


class Modality:
    """An association of pynetdicom's that asks, and hears reports on the same association."""

    def __init__(self, node: ANode, *, takes_with: int = 0, calling: str = "MODALITY") -> None:
        self.reports: list[CommitmentReport] = []
        self._takes_with = takes_with
        set_switches()
        entity = AE(ae_title=calling)
        for sop_class in (*SERVICES, CTImageStorage):
            entity.add_requested_context(sop_class)
        peer = node.peer
        # pynetdicom's own thread may take an answer from who asks, where the machine is busy.
        handlers = [(evt.EVT_CONN_OPEN, connection_opened), (evt.EVT_N_EVENT_REPORT, self._heard)]
        self.association = entity.associate(peer.host, peer.port, ae_title=peer.ae_title, evt_handlers=handlers)
        assert self.association.is_established, node.log()

    def _heard(self, event: Any) -> tuple[int, None]:
        self.reports.append(report_of(event.event_type, event.event_information))
        return self._takes_with, None

    def ask(
        self,
        transaction_uid: str,
        references: Sequence[tuple[str, str]],
        *,
        action: int = 1,
        instance: str = WELL_KNOWN,
    ) -> int:
        """Send an N-ACTION request; return the status of its response."""
        information = Dataset()
        information.TransactionUID = transaction_uid
        information.ReferencedSOPSequence = []
        for sop_class_uid, sop_instance_uid in references:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
            information.ReferencedSOPSequence.append(item)
        status, _ = self.association.send_n_action(information, action, StorageCommitmentPushModel, instance)
        return int(status.Status)


@contextmanager
def modality(node: ANode, **values: Any) -> Iterator[Modality]:
    """Hold an association."""
    made = Modality(node, **values)
    try:
        yield made
    finally:
        made.association.release()
