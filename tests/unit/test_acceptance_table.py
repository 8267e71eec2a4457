"""The table of acceptance checks names tests that are there."""

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| (\d+) .*\| (.*) \|$", re.MULTILINE)


def test_every_check_is_a_test_where_the_table_says() -> None:
    """Each of the twenty has a row, and the file that the row names has a test of its number."""
    text = (_ROOT / "docs/conformance.md").read_text(encoding="utf-8").partition("## Acceptance checks")[2]
    rows = {int(number): where for number, where in _ROW.findall(text)}
    assert sorted(rows) == list(range(1, 21))
    for number, where in rows.items():
        file = _ROOT / "tests" / where.split("`")[1]
        assert f"def test_check_{number:02}_" in file.read_text(encoding="utf-8"), (number, where)
