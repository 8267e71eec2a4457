"""One study's failure and the others."""

from dicom_node.errors import ArchiveUnreachable, QueryFailed
from dicom_node.pulling.pulling import Pulled
from ops.commands.backlog import Watcher, _each


class Nobody:
    """Watches nothing."""

    def begun(self, instances: int | None) -> None:
        """See it begin."""

    def step(self, instances: int) -> None:
        """See it go on."""


def test_a_study_that_fails_does_not_hold_the_others() -> None:
    """However many do, as long as the archive answers."""

    def pull(study: str, _: Watcher) -> Pulled:
        if study != "e":
            raise QueryFailed("no")
        return Pulled(instances=1)

    assert [bool(pulled.why) for _, pulled in _each("abcde", pull, Nobody())] == [True, True, True, True, False]


def test_an_archive_that_stays_away_is_asked_three_times() -> None:
    """One that comes back in between is asked on."""
    asked: list[str] = []

    def pull(study: str, _: Watcher) -> Pulled:
        asked.append(study)
        if study == "c":
            return Pulled(instances=1)
        raise ArchiveUnreachable("away")

    ends = [pulled.why for _, pulled in _each("abcdefgh", pull, Nobody())]
    assert asked == list("abcdef")
    assert ends[2] == ""
    assert [why.startswith("not tried") for why in ends] == [False] * 6 + [True] * 2


def test_what_was_taken_before_an_archive_broke_off_is_told() -> None:
    """Three of a study are in the node; of the next nothing."""

    def pull(study: str, watcher: Watcher) -> Pulled:
        for number in (1, 2, 3) if study == "a" else ():
            watcher.step(number)
        raise ArchiveUnreachable("ended the association in the middle")

    assert [pulled.instances for _, pulled in _each("ab", pull, Nobody())] == [3, 0]


def test_a_study_of_which_nothing_came_is_not_whole() -> None:
    """Whatever the archive counts: one that is offline there may count none, and its retrieval end in success."""
    ((_, pulled),) = _each("a", lambda *_: Pulled(instances=0), Nobody())
    assert "not one instance" in pulled.why
    assert pulled.remedy
