"""Which destination gets what."""

import pytest

from worker.object_kinds import wants


@pytest.mark.parametrize(
    ("asked_for", "kind", "made", "gets"),
    [
        (["SEG", "SR"], "SEG", ["SEG", "SR"], True),
        (["SR"], "SEG", ["SEG", "SR"], False),
        (["LABELMAP"], "LABELMAP", ["SEG", "LABELMAP"], True),
        (["LABELMAP"], "SEG", ["SEG", "LABELMAP"], False),
        (["LABELMAP"], "SEG", ["SEG"], True),
        (["SEG"], "LABELMAP", ["SEG", "LABELMAP"], False),
    ],
)
def test_a_destination_gets_what_it_asks_for_or_what_stands_in_for_it(
    asked_for: list[str], kind: str, made: list[str], *, gets: bool
) -> None:
    """A SEG goes where a label map was asked for and cannot be made; never both to one place."""
    assert wants(asked_for, kind, made) is gets
