"""Which study came first."""

import pytest
from pydicom.dataset import Dataset

from worker.jobs.study_moment import is_before, studied_at, study_day


def moment(date: str, time: str) -> str:
    """Return the moment of a study."""
    dataset = Dataset()
    dataset.StudyDate, dataset.StudyTime = date, time
    return studied_at(dataset)


@pytest.mark.parametrize(
    ("then", "now", "before"),
    [
        (("20240102", "101112"), ("20240103", "080000"), True),
        (("20240102", ""), ("20240103", ""), True),
        (("20240102", "101112"), ("20240102", "101112.5"), True),
        (("20240102", "101112"), ("20240102", "101112"), False),
        (("20240102", ""), ("20240102", "101112"), False),
        (("20240102", "101112"), ("20240102", ""), False),
        (("20240102", "1011"), ("20240102", "1012"), False),  # not to the second
        (("", "101112"), ("20240102", "101112"), False),
        (("20240102", "101112"), ("", ""), False),
        (("20240103", "101112"), ("20240102", "101112"), False),
    ],
)
def test_order(then: tuple[str, str], now: tuple[str, str], before: bool) -> None:  # noqa: FBT001  # a table's column
    """By date, on one day by time; where either is missing nobody can tell."""
    assert is_before(moment(*then), moment(*now)) is before


def test_days_that_are_none() -> None:
    """A date that no calendar has is no day."""
    assert study_day("20240230") is None
    assert study_day("") is None
    assert studied_at(Dataset()) == ""
