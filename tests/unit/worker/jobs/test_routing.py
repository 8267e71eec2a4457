"""Which reads go where."""

import pytest

from worker.jobs.routing import Conditions, Facts, routed

FACTS = Facts(sender="CT1", model_id="brain", modality="MR")


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        (Conditions(), True),
        (Conditions(senders=("CT2", "CT1")), True),
        (Conditions(senders=("CT2",)), False),
        (Conditions(models=("brain",), modalities=("MR",)), True),
        (Conditions(models=("brain",), modalities=("CT",)), False),
        (Conditions(models=("lung",)), False),
    ],
)
def test_every_condition_must_hold(conditions: Conditions, *, holds: bool) -> None:
    """What is not named holds always."""
    assert conditions.hold_for(FACTS) is holds


def test_a_destination_without_conditions_gets_everything() -> None:
    """Others are left out where theirs do not hold."""
    destinations = {"a": 1, "b": 2, "c": 3}
    conditions = {"b": Conditions(senders=("CT1",)), "c": Conditions(senders=("CT2",))}
    assert routed(destinations, conditions, FACTS) == {"a": 1, "b": 2}


def test_spaces_around_a_modality_mean_nothing() -> None:
    """PS3.5 6.2: a read of images that pad it goes where others of its modality go."""
    assert Conditions(modalities=("MR",)).hold_for(Facts(sender="CT1", model_id="brain", modality=" MR "))
