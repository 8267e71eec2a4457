"""Performed procedure steps and availability notifications, read as far as UIDs and states (PS3.4 F and R)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.announcing.announcements import (
    StepChange,
    StepStatus,
    read_availability,
    read_created_step,
    read_step_change,
)
from dicom_node.errors import HeadUnreadable
from dicom_node.messages.services import Request, ServiceRefused
from tests.unit.dicom_node.messages.test_commitment_messages import asked


def made(**values: Any) -> Dataset:
    """Return a dataset; a value of None is left out."""
    result = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(result, keyword, value)
    return result


def referred(*uids: str, availability: str | None = None) -> list[Dataset]:
    """Return references to instances."""
    return [made(ReferencedSOPInstanceUID=uid, InstanceAvailability=availability) for uid in uids]


def created(status: str | None = "IN PROGRESS", *studies: str) -> Request:
    """Return the N-CREATE of a step."""
    steps = [made(StudyInstanceUID=uid, AccessionNumber="A1") for uid in studies or ("1.2.3",)]
    return asked(
        made(PatientName="Canary^Bird", PerformedProcedureStepStatus=status, ScheduledStepAttributesSequence=steps)
    )


def availability(*states: str, study: str | None = "1.2.3") -> Request:
    """Return a notification of instances 1.2.3.0, 1.2.3.1 and so on."""
    items = [referred(f"1.2.3.{number}", availability=state or None)[0] for number, state in enumerate(states)]
    series = made(SeriesInstanceUID="1.2.3.9", ReferencedSOPSequence=items)
    return asked(made(StudyInstanceUID=study, ReferencedSeriesSequence=[series]))


def test_a_step_is_created_for_its_studies() -> None:
    """One, or several."""
    assert read_created_step(created()) == {"1.2.3"}
    assert read_created_step(created("IN PROGRESS", "1.2.3", "1.2.4", "1.2.3")) == {"1.2.3", "1.2.4"}


def test_a_step_has_images_and_what_is_no_image() -> None:
    """Of all its series; what an N-SET leaves out it does not say."""
    series = [
        made(SeriesInstanceUID="1.2.1", ReferencedImageSequence=referred("1.2.1.1", "1.2.1.2")),
        made(
            SeriesInstanceUID="1.2.2",
            ReferencedImageSequence=[],
            ReferencedNonImageCompositeSOPInstanceSequence=referred("1.2.2.1"),
        ),
    ]
    change = asked(made(PerformedProcedureStepStatus="COMPLETED", PerformedSeriesSequence=series))
    assert read_step_change(change) == StepChange(
        status=StepStatus.COMPLETED, sop_instance_uids=frozenset(("1.2.1.1", "1.2.1.2", "1.2.2.1"))
    )
    assert read_step_change(asked(made(PerformedProcedureStepDescription="x"))) == StepChange(
        status=None, sop_instance_uids=None
    )


def test_what_is_not_available_is_not_listed() -> None:
    """The others are, wherever they are now."""
    said = read_availability(availability("ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE"))
    assert (said.study_instance_uid, said.sop_instance_uids) == ("1.2.3", {"1.2.3.0", "1.2.3.1", "1.2.3.2"})


@pytest.mark.parametrize(
    ("read", "request_", "status"),
    [
        (read_created_step, created(None), 0x0120),
        (read_created_step, created(""), 0x0121),
        (read_created_step, created("COMPLETED"), 0x0106),
        (read_created_step, created("NONSENSE"), 0x0106),
        (read_created_step, created("IN PROGRESS", ""), 0x0121),
        (read_created_step, created("IN PROGRESS", "../x"), 0x0106),
        (read_created_step, asked(None), 0x0120),
        (read_created_step, asked(made(PerformedProcedureStepStatus="IN PROGRESS")), 0x0120),
        (read_step_change, asked(made(PerformedProcedureStepStatus="DONE")), 0x0106),
        (
            read_step_change,
            asked(made(PerformedSeriesSequence=[made(ReferencedImageSequence=referred("x"))])),
            0x0106,
        ),
        (read_availability, availability("ONLINE", study=None), 0x0120),
        (read_availability, availability("ONLINE", study=""), 0x0121),
        (read_availability, availability(), 0x0121),
        (read_availability, availability(""), 0x0120),
        (read_availability, availability("SOMEWHERE"), 0x0106),
        (read_availability, asked(made(StudyInstanceUID="1.2.3")), 0x0120),
    ],
)
def test_what_is_missing_or_wrong_has_its_status(read: Any, request_: Request, status: int) -> None:
    """Missing attribute, missing value, invalid value (PS3.7 C.5)."""
    with pytest.raises(ServiceRefused) as refusal:
        read(request_)
    assert refusal.value.status.code == status


@given(st.binary(max_size=300), st.sampled_from([read_created_step, read_step_change, read_availability]))
def test_any_bytes_are_read_or_refused(data: bytes, read: Any) -> None:
    """By a status, or as unreadable; nothing else is raised."""
    try:
        read(asked(None, dataset=memoryview(data)))
    except (ServiceRefused, HeadUnreadable):
        return
