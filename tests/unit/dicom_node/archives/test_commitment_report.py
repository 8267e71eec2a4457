"""Reports of storage commitment as they come to the node: read, or refused with a status (PS3.4 J.3.3)."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from dicom_node.archives.commitment import report_of
from dicom_node.archives.commitment_report import CommitmentReport, read_report
from dicom_node.commitments.report_service import ReportService
from dicom_node.datasets.elements import Encoding
from dicom_node.errors import ArchiveError, HeadUnreadable
from dicom_node.messages.commitment_messages import WELL_KNOWN_INSTANCE
from dicom_node.messages.services import Request, ServiceRefused, Status
from tests.unit.dicom_node.instances import CT, encode

EXPLICIT, IMPLICIT = Encoding(implicit=False, big_endian=False), Encoding(implicit=True, big_endian=False)


def information(committed: tuple[str, ...] = (), failed: dict[str, int] | None = None) -> Dataset:
    """Return event information."""
    result = Dataset()
    result.TransactionUID = "1.2.3"
    if failed:
        result.FailedSOPSequence = [_item(uid, reason) for uid, reason in failed.items()]
    if committed:
        result.ReferencedSOPSequence = [_item(uid) for uid in committed]
    return result


def _item(uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
    if reason is not None:
        item.FailureReason = reason
    return item


def reported(content: Dataset | bytes | None, **values: Any) -> Request:
    """Return an N-EVENT-REPORT request."""
    data = encode(content) if isinstance(content, Dataset) else content
    fields: dict[str, Any] = {
        "sop_instance_uid": WELL_KNOWN_INSTANCE,
        "action_type_id": None,
        "event_type_id": 1,
        "dataset": None if data is None else memoryview(data),
        "encoding": EXPLICIT,
        "context_id": 1,
        **values,
    }
    return Request(**fields)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("reason", [0x0112, 0x2020, 0xA700, 0x0020])
def test_a_report_is_read(reason: int, *, implicit: bool) -> None:
    """Whatever bytes a Failure Reason has: some are those with which text is padded."""
    data = encode(information(("1.2.8", "1.2.9"), {"1.2.7": reason}), implicit=implicit)
    request = reported(data, event_type_id=2, encoding=IMPLICIT if implicit else EXPLICIT)
    assert read_report(request) == CommitmentReport(
        transaction_uid="1.2.3", event_type=2, committed=frozenset({"1.2.8", "1.2.9"}), failed={"1.2.7": reason}
    )


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (reported(information(), sop_instance_uid="1.2.3"), 0x0112),
        (reported(information(), event_type_id=3), 0x0113),
        (reported(information(), event_type_id=None), 0x0113),
        (reported(None), 0x0115),
        (reported(Dataset()), 0x0115),
        (reported(information(("1.2.x",))), 0x0115),
    ],
    ids=["another instance", "another event", "no event", "no dataset", "no transaction", "no UID"],
)
def test_what_is_no_report_gets_its_status(request_: Request, status: int) -> None:
    """Those of PS3.7 10.1.1.1.8."""
    with pytest.raises(ServiceRefused) as refused:
        read_report(request_)
    assert refused.value.status.code == status


def test_a_failure_without_its_reason_is_refused() -> None:
    """Nobody could say why the object is sent again."""
    content = information(failed={"1.2.7": 0x0112})
    del content.FailedSOPSequence[0].FailureReason
    with pytest.raises(ServiceRefused, match="Failure Reason"):
        read_report(reported(content, event_type_id=2))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_refused(data: bytes) -> None:
    """Nothing else is raised."""
    try:
        read_report(reported(data))
    except (ServiceRefused, HeadUnreadable):
        return


@given(st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_a_report_with_wrong_bytes_is_a_report_or_refused(changes: list[tuple[int, int]], implicit: bool) -> None:  # noqa: FBT001
    """Likewise for what is almost one."""
    data = bytearray(encode(information(("1.2.8", "1.2.9"), {"1.2.7": 0x0112}), implicit=implicit))
    for position, value in changes:
        data[position % len(data)] = value
    try:
        read_report(reported(bytes(data), event_type_id=2, encoding=IMPLICIT if implicit else EXPLICIT))
    except (ServiceRefused, HeadUnreadable):
        return


class Desk:
    """Answers with one status."""

    reporters = frozenset(("PACS",))

    def __init__(self, status: int) -> None:
        self.status = status
        self.heard: list[tuple[str, str]] = []

    def commitment_reported(self, report: CommitmentReport, peer: str) -> int:
        """Keep it."""
        self.heard.append((report.transaction_uid, peer))
        return self.status


@pytest.mark.parametrize("status", [Status.INVALID_ARGUMENT_VALUE, Status.PROCESSING_FAILURE])
def test_what_is_not_recorded_is_not_success(status: Status) -> None:
    """The archive hears the status, and words."""
    with pytest.raises(ServiceRefused) as refused:
        ReportService(Desk(status.code), "PACS").reported(reported(information(("1.2.9",))))
    assert (refused.value.status, str(refused.value) != status.comment) == (status, True)


def test_what_is_recorded_is_success() -> None:
    """Under the AE title of the entry that lists the archive."""
    desk = Desk(0)
    assert ReportService(desk, "PACS").reported(reported(information(("1.2.9",)))) == ""
    assert desk.heard == [("1.2.3", "PACS")]


def test_a_value_that_is_none_makes_a_report_unreadable() -> None:
    """A number of one byte, where a report comes to the deliverer: pydicom raises whatever it likes."""
    cut = b"\x08\x00\x95\x11US\x01\x001"  # Transaction UID
    with pytest.raises(ArchiveError, match="lacks an attribute"):
        report_of(2, read_dataset(BytesIO(cut), is_implicit_VR=False, is_little_endian=True))
    named = Dataset()
    named.TransactionUID = "Doe^Jane"
    with pytest.raises(ArchiveError, match="that is none"):
        report_of(1, named)
