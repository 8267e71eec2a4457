"""Requests for storage commitment read, and reports written (PS3.4 J)."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from dicom_node.archives.commitment import report_of
from dicom_node.datasets.elements import Encoding
from dicom_node.messages.commitment_messages import (
    WELL_KNOWN_INSTANCE,
    CommitmentRequest,
    Reference,
    Verdict,
    encoded_information,
    event_information,
    read_request,
)
from dicom_node.messages.services import Request, ServiceRefused, Status
from tests.unit.dicom_node.instances import CT, encode

EXPLICIT, IMPLICIT = Encoding(implicit=False, big_endian=False), Encoding(implicit=True, big_endian=False)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def information(*references: tuple[str, str], transaction: str | None = "1.2.3") -> Dataset:
    """Return the action information of a request."""
    result = Dataset()
    if transaction is not None:
        result.TransactionUID = transaction
    result.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        result.ReferencedSOPSequence.append(item)
    return result


def asked(content: Dataset | None, **values: Any) -> Request:
    """Return an N-ACTION request."""
    fields: dict[str, Any] = {
        "sop_instance_uid": WELL_KNOWN_INSTANCE,
        "action_type_id": 1,
        "dataset": None if content is None else memoryview(encode(content)),
        "encoding": EXPLICIT,
        "context_id": 1,
        **values,
    }
    return Request(**fields)


def test_a_request_is_read() -> None:
    """Each reference once, in its order."""
    request = asked(information((CT, "1.2.9"), (CT, "1.2.8"), (CT, "1.2.9"), ("1.2", "1.2.9")))
    assert read_request(request, peer="CT1", now=NOW) == CommitmentRequest(
        peer="CT1",
        transaction_uid="1.2.3",
        references=(Reference(CT, "1.2.9"), Reference(CT, "1.2.8"), Reference("1.2", "1.2.9")),
        asked_at=NOW,
    )


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asked(information((CT, "1.2")), sop_instance_uid="1.2.3"), 0x0112),
        (asked(information((CT, "1.2")), action_type_id=2), 0x0123),
        (asked(information((CT, "1.2")), action_type_id=None), 0x0123),
        (asked(None), 0x0115),
        (asked(Dataset()), 0x0115),
        (asked(information()), 0x0115),
        (asked(information((CT, "1.2"), transaction=None)), 0x0115),
        (asked(information((CT, "1.2"), transaction="../../x")), 0x0115),
        (asked(information((CT, ""))), 0x0115),
        (asked(information(("", "1.2"))), 0x0115),
        (asked(information((CT, "1.2\\1.3"))), 0x0115),
        (asked(information((CT, "9" * 65))), 0x0115),
    ],
)
def test_a_wrong_request_has_a_status(request_: Request, status: int) -> None:
    """Another instance than the well-known one, another action, nothing to commit, UIDs that are none."""
    with pytest.raises(ServiceRefused) as refusal:
        read_request(request_, peer="CT1", now=NOW)
    assert refusal.value.status is Status((status, refusal.value.status.comment))


references = st.builds(Reference, st.just(CT), st.integers(1, 10**6).map("1.2.{}".format))


@given(
    st.lists(references, max_size=4, unique=True),
    st.lists(
        st.tuples(references, st.sampled_from([0x0110, 0x0112, 0x0119, 0x0131])), max_size=4, unique_by=lambda x: x[0]
    ),
    st.booleans(),
)
def test_a_report_is_what_our_client_reads(
    committed: list[Reference],
    failed: list[tuple[Reference, int]],
    implicit: bool,  # noqa: FBT001
) -> None:
    """In both encodings; event type 2 where anything failed, and no empty sequences."""
    verdict = Verdict(committed=tuple(committed), failed=tuple(failed))
    data = encoded_information(event_information("1.2.3", verdict), IMPLICIT if implicit else EXPLICIT)
    found = read_dataset(BytesIO(data), is_implicit_VR=implicit, is_little_endian=True)
    report = report_of(verdict.event_type_id, found)
    assert report.event_type == (2 if failed else 1)
    assert report.committed == {reference.sop_instance_uid for reference in committed}
    assert report.failed == {reference.sop_instance_uid: reason for reference, reason in failed}
    assert ("FailedSOPSequence" in found, "ReferencedSOPSequence" in found) == (bool(failed), bool(committed))
