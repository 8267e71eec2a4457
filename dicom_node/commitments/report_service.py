"""Reports of storage commitment that come to the node on an association of the archive's own (PS3.4 J.3.3).

The answer waits until the report is recorded: an archive that hears 0000 does not say it again.
"""

from typing import Protocol

from dicom_node.archives.commitment_report import CommitmentReport, read_report
from dicom_node.messages.services import Request, ServiceRefused, Status


class ReportDesk(Protocol):
    """Who records reports; called from the associations' threads."""

    @property
    def reporters(self) -> frozenset[str]:
        """Under which AE titles archives may report, where an entry of the settings lists them."""

    def commitment_reported(self, report: CommitmentReport, peer: str) -> int:
        """Record what this peer reports; return the status to answer, within seconds. Never raises."""


class ReportService:
    """The reports of one association."""

    def __init__(self, desk: ReportDesk, peer: str) -> None:
        """Take who records, and the AE title of the entry that lists who reports."""
        self._desk = desk
        self._peer = peer

    def reported(self, request: Request) -> str:
        """Take an N-EVENT-REPORT request. Raises ServiceRefused, HeadUnreadable."""
        status = self._desk.commitment_reported(read_report(request), self._peer)
        if status == Status.SUCCESS.code:
            return ""
        if status == Status.INVALID_ARGUMENT_VALUE.code:
            raise ServiceRefused(Status.INVALID_ARGUMENT_VALUE, "no request to this archive has this Transaction UID")
        raise ServiceRefused(Status.PROCESSING_FAILURE, "the report cannot be recorded now; report again")
