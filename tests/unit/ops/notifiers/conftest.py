"""A message with everything that could go wrong in it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dicom_node.archives.identity import StudyIdentity
from worker.jobs.notification_records import Message

PATIENT = StudyIdentity(
    patient_id="PAT|7^8",
    issuer_of_patient_id="HOSPITAL",
    patient_name="Müller^Hans^Otto^Dr.^Jr.=山田^太郎",
    patient_birth_date="19700131",
    accession_number="A~1\\2&3",
)


def a_message(**changes: Any) -> Message:
    """Return a critical message without patient data."""
    values: dict[str, Any] = {
        "key": "0123456789abcdef0123",
        "notification_id": 7,
        "name": "7",
        "topic": "critical",
        "title": "CRITICAL: Pneumonia",
        "sentences": ("CRITICAL: Pneumonia: 91 % (µ, 肺炎)", "Made by an AI model, not verified by a physician."),
        "study_instance_uid": "1.2.3",
        "accession_number": PATIENT.accession_number,
        "patient": None,
        "model": "Chest film 1.0",
        "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "step": 1,
        "language": "en",
    }
    return Message(**(values | changes))


@pytest.fixture
def message() -> Message:
    """A critical message without patient data."""
    return a_message()
