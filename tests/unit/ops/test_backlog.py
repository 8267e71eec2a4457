"""One study's failure and the others."""

from dicom_node.errors import ArchiveUnreachable, QueryFailed
from dicom_node.pulling import Pulled
from ops.backlog import _each


def test_a_study_that_fails_does_not_hold_the_others() -> None:
    """However many do, as long as the archive answers."""

    def pull(study: str) -> Pulled:
        if study != "e":
            raise QueryFailed("no")
        return Pulled(instances=1)

    assert [bool(pulled.why) for _, pulled in _each("abcde", pull)] == [True, True, True, True, False]


def test_an_archive_that_stays_away_is_asked_three_times() -> None:
    """One that comes back in between is asked on."""
    asked: list[str] = []

    def pull(study: str) -> Pulled:
        asked.append(study)
        if study == "c":
            return Pulled(instances=1)
        raise ArchiveUnreachable("away")

    ends = [pulled.why for _, pulled in _each("abcdefgh", pull)]
    assert asked == list("abcdef")
    assert ends[2] == ""
    assert [why.startswith("not tried") for why in ends] == [False] * 6 + [True] * 2
