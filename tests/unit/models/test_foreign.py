"""What frameworks raise becomes an error of ours."""

import pytest

from models.errors import InputRefused, ModelError, WeightsRefused
from models.foreign import first_line, told_as


def refused(error: Exception) -> ModelError:
    """Return the error of ours."""
    return WeightsRefused(f"no such network: {first_line(error)}")


def test_whatever_is_raised_is_told_by_its_first_line() -> None:
    """The rest may be pages of a framework's own files; it stays as the cause."""
    with pytest.raises(WeightsRefused, match=r"^no such network: shapes differ$") as told, told_as(refused):
        raise RuntimeError("\n shapes differ \nat framework.cpp:41")
    assert isinstance(told.value.__cause__, RuntimeError)


def test_words_are_bounded_and_never_missing() -> None:
    """An error without words is told by its class."""
    assert first_line(ValueError("x" * 1000)) == "x" * 300
    assert first_line(ValueError()) == "ValueError"


def test_an_error_of_ours_stays_what_it_is() -> None:
    """It names its cause and its remedy already."""
    with pytest.raises(InputRefused, match=r"^too small$"), told_as(refused):
        raise InputRefused("too small")


def test_a_stop_signal_is_no_error() -> None:
    """It ends the process and not the file."""
    with pytest.raises(KeyboardInterrupt), told_as(refused):
        raise KeyboardInterrupt
