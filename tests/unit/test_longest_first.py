"""The order in which files of tests begin."""

from pathlib import Path

from tests.longest_first import SECONDS, rank

_ROOT = Path(__file__).resolve().parents[2]


def test_every_file_that_takes_long_is_there() -> None:
    """A file that was renamed takes its time along."""
    assert [file for file in SECONDS if not (_ROOT / file).is_file()] == []


def test_the_longest_begin_and_files_keep_together() -> None:
    """Tests are handed out by file: those of one must not be torn apart, and keep their order."""
    longest = max(SECONDS, key=lambda file: SECONDS[file])
    given = ["tests/a.py::b", "tests/b.py::a", f"{longest}::b", "tests/a.py::a", f"{longest}::a"]
    assert sorted(given, key=rank) == [
        f"{longest}::b",
        f"{longest}::a",
        "tests/a.py::b",
        "tests/a.py::a",
        "tests/b.py::a",
    ]
