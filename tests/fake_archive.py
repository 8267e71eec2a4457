"""An archive that misbehaves as it is told to: C-STORE and storage commitment by pynetdicom, in the test's process."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage, StorageCommitmentPushModel, Verification

from dicom_node.pynetdicom_switches import set_switches

_WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
NO_SUCH_OBJECT_INSTANCE = 0x0112


class FakeArchive:
    """Listens from its making on.

    Attributes:
        received: (SOP Instance UID, sha256 of the dataset as it came) of each C-STORE, in order.
        requests: (Transaction UID, SOP Instance UIDs) of each N-ACTION, in order.
        associations: How many were requested.
        store_status: Says the status of a C-STORE by how many there were before it.
        keeps: Says whether it commits to a SOP Instance UID, by how many requests there were before.
        reports: "same": on the association of the request; "never".
    """

    def __init__(self, port: int, *, syntaxes: Sequence[str] = (ExplicitVRLittleEndian,)) -> None:
        """Take C-STORE of MR images in these transfer syntaxes, under the AE title FAKE."""
        set_switches()
        self.received: list[tuple[str, str]] = []
        self.requests: list[tuple[str, list[str]]] = []
        self.associations = 0
        self.store_status: Callable[[int], int] = lambda _: 0x0000
        self.keeps: Callable[[str, int], bool] = lambda *_: True
        self.reports = "same"
        self.loses_answers = 0
        entity = AE(ae_title="FAKE")
        entity.add_supported_context(Verification)
        if syntaxes:
            entity.add_supported_context(MRImageStorage, list(syntaxes))
        entity.add_supported_context(StorageCommitmentPushModel)
        self._port = port
        self._entity = entity
        self._server: Any = None
        self.start()

    def start(self) -> None:
        """Listen (again)."""
        self._server = self._entity.start_server(
            ("127.0.0.1", self._port),
            block=False,
            evt_handlers=[
                (evt.EVT_REQUESTED, self._requested),
                (evt.EVT_C_STORE, self._stored),
                (evt.EVT_N_ACTION, self._asked),
            ],
        )

    def stop(self) -> None:
        """Listen no longer."""
        self._server.shutdown()

    def _requested(self, event: Any) -> None:
        del event
        self.associations += 1

    def _stored(self, event: Any) -> int:
        content = event.request.DataSet.getvalue()
        before = len(self.received)
        self.received.append((str(event.request.AffectedSOPInstanceUID), hashlib.sha256(content).hexdigest()))
        if self.loses_answers:
            self.loses_answers -= 1
            event.assoc.abort()
        return self.store_status(before)

    def _asked(self, event: Any) -> tuple[int, None]:
        asked = event.action_information
        uids = [str(item.ReferencedSOPInstanceUID) for item in asked.ReferencedSOPSequence]
        before = len(self.requests)
        self.requests.append((str(asked.TransactionUID), uids))
        if self.reports == "same":
            report, event_type = self._report(asked, before)
            threading.Thread(target=self._send, args=(event.assoc, report, event_type), daemon=True).start()
        return 0x0000, None

    def _report(self, asked: Dataset, before: int) -> tuple[Dataset, int]:
        report = Dataset()
        report.TransactionUID = asked.TransactionUID
        kept = [item for item in asked.ReferencedSOPSequence if self.keeps(item.ReferencedSOPInstanceUID, before)]
        failed = [item for item in asked.ReferencedSOPSequence if item not in kept]
        if kept:
            report.ReferencedSOPSequence = kept
        for item in failed:
            item.FailureReason = NO_SUCH_OBJECT_INSTANCE
        if failed:
            report.FailedSOPSequence = failed
        return report, 2 if failed else 1

    @staticmethod
    def _send(association: Any, report: Dataset, event_type: int) -> None:
        # After the response to the request, which this association's own thread sends.
        association.send_n_event_report(report, event_type, StorageCommitmentPushModel, _WELL_KNOWN_INSTANCE)
