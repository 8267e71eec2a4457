"""Settings that contradict each other are refused."""

import pytest
from pydantic import ValidationError

from worker.settings import DeliverySettings


def test_a_study_is_not_awaited_longer_than_its_results_are_kept_trying() -> None:
    """As long is allowed; longer would abandon what is only being waited for."""
    day = 86400.0
    assert DeliverySettings(study_wait_s=day, give_up_after_days=1).study_wait_s == day
    with pytest.raises(ValidationError, match="abandoned while their study is awaited"):
        DeliverySettings(study_wait_s=day + 1, give_up_after_days=1)
