"""Where results go, and how."""

from dataclasses import dataclass

from dicom_node.archives.archive import Outlet
from worker.delivery.destination_settings import Encoding
from worker.ledger.deliveries import CommitmentWish


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where results go.

    Attributes:
        name: As in the settings and the ledger.
        archive: How it is reached.
        identity_check: Whether it is asked (C-FIND, QIDO-RS) each time before results of a job leave.
        encodings: Which are tried, in this order, where one is not taken.
        commitment: Whether it is asked to take responsibility for what it has accepted.
        withdraws: Whether objects of superseded reads are deleted there; `archive` can then delete.
    """

    name: str
    archive: Outlet
    identity_check: bool = True
    encodings: tuple[Encoding, ...] = ("as-made",)
    commitment: CommitmentWish = ""
    withdraws: bool = False
