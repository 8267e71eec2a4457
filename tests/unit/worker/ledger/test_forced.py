"""An admin calls a study complete."""

from datetime import UTC, datetime

import pytest

from dicom_node.study import Arrival, StoredInstance
from tests.unit.worker.conftest import assembled
from worker.errors import IllegalTransition, UnknownStudy
from worker.ledger.ledger import Ledger

STUDY = "1.2.3"
INSTANCE = StoredInstance(
    study_instance_uid=STUDY,
    series_instance_uid="1.2.3.1",
    sop_instance_uid="1.2.3.1.1",
    sop_class_uid="1.2",
    transfer_syntax_uid="1.2",
    file="folder/series/instance.dcm",
    size_bytes=1,
    arrival=Arrival.NEW,
    own=False,
    calling_ae_title="CT1",
    sender_address="127.0.0.1",
    received_at=datetime(2026, 1, 2, tzinfo=UTC),
)


def test_a_wish_stands_until_the_study_is_closed(ledger: Ledger) -> None:
    """It outlives a restart of the node, ends with the revision, and does not close the next one."""
    ledger.study_receiving(INSTANCE)
    assert ledger.completion_asked() == []
    ledger.ask_completion(STUDY)
    ledger.ask_completion(STUDY)
    assert ledger.completion_asked() == [STUDY]
    ledger.close_revision(assembled(STUDY), {}, [])
    assert ledger.completion_asked() == []
    ledger.study_receiving(INSTANCE)
    assert ledger.completion_asked() == []
    ledger.ask_completion(STUDY)
    assert ledger.completion_asked() == [STUDY]


def test_what_cannot_be_closed_is_told(ledger: Ledger) -> None:
    """A study of which nothing has come, and one that is complete already."""
    with pytest.raises(UnknownStudy, match="no image"):
        ledger.ask_completion(STUDY)
    ledger.close_revision(assembled(STUDY), {}, [])
    with pytest.raises(IllegalTransition, match="complete already"):
        ledger.ask_completion(STUDY)


def test_a_study_of_which_nothing_is_left_does_not_arrive(ledger: Ledger) -> None:
    """It is told once, and an image that comes later arrives again."""
    ledger.nothing_left(STUDY)
    ledger.study_receiving(INSTANCE)
    for _ in range(2):
        ledger.nothing_left(STUDY)
    assert [row.receiving for row in ledger.studies()] == [False]
    assert [event.kind for event in ledger.timeline(STUDY)] == ["study arriving", "nothing left of it"]
    ledger.study_receiving(INSTANCE)
    assert [row.receiving for row in ledger.studies()] == [True]
