"""What frameworks of others raise over files and graphs of others, which is anything, becomes an error of ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from models.errors import ModelError

_LONGEST = 300


@contextmanager
def told_as(ours: Callable[[Exception], ModelError]) -> Iterator[None]:
    """Raise what `ours` makes of whatever a framework raises inside; an error of ours stays what it is."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # they have no common base, and MONAI's configurations are expressions that run
        raise ours(error) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's words, which may be pages; its class where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:_LONGEST] if lines else type(error).__name__
