"""How the deliverer's audit trail hears: of each attempt to send results, its beginning and its end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.datasets.part10 import read_meta
from dicom_node.errors import NodeError
from dicom_node.settings import Peer
from ops.audit.records import Action, Side, Transfer
from ops.audit.trail import Trail


class Deliveries:
    """A `worker.delivery.delivery_witness.DeliveryWitness`."""

    def __init__(self, trail: Trail, peers: Mapping[str, Peer]) -> None:
        """Take the trail, and the destinations' peers by name."""
        self._trail = trail
        self._peers = peers

    def begins(self, destination: str, study_instance_uid: str, files: Sequence[Path]) -> None:
        """Tell that these objects are about to be sent."""
        self._tell(destination, study_instance_uid, files, begins=True)

    def ended(self, destination: str, study_instance_uid: str, files: Sequence[Path], failure: str) -> None:
        """Tell that these objects have been accepted, or ("" for accepted) why they have not."""
        self._tell(destination, study_instance_uid, files, begins=False, failure=failure)

    def _tell(
        self, destination: str, study_instance_uid: str, files: Sequence[Path], *, begins: bool, failure: str = ""
    ) -> None:
        peer = self._peers.get(destination)
        if peer is None or not files:
            return
        self._trail.tell(
            Transfer(
                at=datetime.now(UTC),
                begins=begins,
                # Whether the archive had them already, it alone knows (PS3.15 A.5.3.7).
                action=Action.READ,
                source=self._trail.teller.side(requestor=True),
                destination=Side(ae_title=peer.ae_title, address=peer.host, requestor=False),
                study_instance_uid=study_instance_uid,
                sop_classes=tuple(sorted(Counter(map(_sop_class, files)).items())),
                file=files[0],
                failure=failure,
            )
        )


def _sop_class(file: Path) -> str:
    try:
        return read_meta(file).sop_class_uid
    except (NodeError, OSError):
        return ""  # it cannot be sent either, and that is told elsewhere
