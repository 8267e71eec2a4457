"""What a site may write about priorities."""

from datetime import time

import pytest
from pydantic import ValidationError

from worker.jobs.priority_settings import PriorityRule, WorklistSettings


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"priority": "at once"}, "'stat', 'urgent', 'routine' or 'backlog'"),
        ({"description": "("}, "no regular expression"),
        ({"hours": "6pm-7am"}, "18:00-07:00"),
        ({"hours": "24:00-07:00"}, "18:00-07:00"),
        ({"weekdays": ["saturday"]}, "'sat'"),
        ({"where": {"tag": "PatientName", "present": True}}, "no DICOM keyword"),
        ({"modalty": ["CT"]}, "Extra inputs"),
    ],
)
def test_a_wrong_rule_is_refused(wrong: dict[str, object], told: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValidationError, match=told):
        PriorityRule.model_validate({"priority": "stat", **wrong})


def test_a_span_of_hours_has_two_times() -> None:
    """And none where the rule does not ask for any."""
    assert PriorityRule(priority="stat", hours="18:00-07:30").span == (time(18, 0), time(7, 30))
    assert PriorityRule(priority="stat").span is None


def test_a_worklist_is_called_like_any_peer() -> None:
    """By its AE title, host and port."""
    peer = WorklistSettings(ae_title="RIS", host="ris", port=104).peer
    assert (peer.ae_title, peer.host, peer.port, peer.tls) == ("RIS", "ris", 104, None)
