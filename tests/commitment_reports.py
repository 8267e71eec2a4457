"""Who takes reports of storage commitment in tests."""

from collections.abc import Callable

from dicom_node.archives.commitment_report import CommitmentReport

_SUCCESS = 0x0000


def taking(reports: list[CommitmentReport]) -> Callable[[CommitmentReport, str], int]:
    """Return what takes every report with success, and keeps it in a list."""

    def take(report: CommitmentReport, _address: str) -> int:
        reports.append(report)
        return _SUCCESS

    return take
