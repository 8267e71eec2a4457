"""Ages as they are typed."""

from datetime import timedelta

import pytest

from ops.commands.ages import parse_age


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("2H", timedelta(hours=2)),
        (" 7d ", timedelta(days=7)),
    ],
)
def test_an_age_is_a_number_with_its_unit(text: str, age: timedelta) -> None:
    """Seconds, minutes, hours, days."""
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "1w", "1.5h", "9999999d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match="30m or 2d"):
        parse_age(text)
