"""One study's failure and the others."""

from collections.abc import Callable

import pytest

from dicom_node.archives.requestor import Requestor
from dicom_node.errors import ArchiveUnreachable, NodeError, QueryFailed
from dicom_node.pulling.pulling import Pulled
from dicom_node.settings import Peer
from ops.commands.backlog import Route, Watcher, _each, pull_studies


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


@pytest.mark.parametrize(
    ("error", "why", "remedy"),
    [
        (
            ArchiveUnreachable(
                "PACS@a:1 does not answer; is it up, are host and port right, and is that a port without TLS?"
            ),
            "PACS@a:1 does not answer",
            "Is it up, are host and port right, and is that a port without TLS? Then pull it again",
        ),
        (QueryFailed("PACS@a:1: no C-GET; enable it"), "PACS@a:1: no C-GET", "Enable it. Then pull it again"),
        (ArchiveUnreachable("away"), "away", "See the archive's log and our node's. Then pull it again"),
    ],
)
def test_what_to_do_is_never_empty(error: NodeError, why: str, remedy: str) -> None:
    """Where the archive, or our node, is away as well: what an error says beside its cause stands in its own column."""

    def pull(_study: str, _: Watcher) -> Pulled:
        raise error

    assert list(_each("a", pull, Nobody())) == [("a", Pulled(instances=0, why=why, remedy=remedy))]


def test_an_archive_that_is_away_says_what_to_do(free_port: Callable[[], int]) -> None:
    """Nobody listens there."""
    archive = Requestor(peer=Peer(ae_title="PACS", host="127.0.0.1", port=free_port()), calling_ae_title="WETREAD")
    ((_, pulled),) = pull_studies(["1.2.3"], Route(archive=archive, node=archive, move=False), Nobody())
    assert pulled.why == f"{archive} does not answer"
    assert pulled.remedy == "Is it up, are host and port right, and is that a port without TLS? Then pull it again"
