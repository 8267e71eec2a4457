"""The table of refusals is that of the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import worker
from worker.errors import SeriesRefused
from worker.refusals import REFUSALS
from worker.series.series_volume import _ONE_OF_EACH, _ONE_SPACE


def raised() -> Iterator[str]:
    """Yield the name that each refusal of the source begins with."""
    for file in sorted(Path(str(worker.__file__)).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SeriesRefused":
                (told,) = node.args
                first = told.values[0] if isinstance(told, ast.JoinedStr) else told
                if isinstance(first, ast.Constant):
                    yield str(first.value).partition(":")[0]


def test_every_refusal_is_in_the_table_and_no_other() -> None:
    """A name that somebody meets is explained, and one that nobody can meet is not."""
    assert {*raised(), *_ONE_OF_EACH.values(), *_ONE_SPACE.values()} == set(REFUSALS)


def test_a_refusal_says_what_to_do() -> None:
    """The message ends with the remedy of the table."""
    assert str(SeriesRefused("gantry tilt: sheared")) == "gantry tilt: sheared; send a reconstruction without tilt"
    assert str(SeriesRefused("something else")) == "something else"
