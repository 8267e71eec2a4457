"""What an archive says that it has sent, and what the node has."""

from pathlib import Path

import pytest

from dicom_node.archives.requestor import Requestor
from dicom_node.pulling.contents import StudyContents
from dicom_node.pulling.moving import Claim, compared, pull_by_move
from dicom_node.pulling.pulling import Step
from dicom_node.settings import Peer
from dicom_node.spooling.spool_layout import SpoolFolders, name_of

UIDS = ("1.2.1", "1.2.2", "1.2.3")


@pytest.mark.parametrize(
    ("claimed", "expected", "listed", "kept", "there", "why"),
    [
        (3, 3, UIDS, UIDS, 3, ""),
        (3, None, UIDS, (*UIDS, "1.2.9"), 3, ""),
        # It sent some before, or sends nothing twice.
        (1, 3, UIDS, UIDS, 3, ""),
        (3, 3, UIDS, UIDS[:2], 2, "lists 3 instances and says that it sent 3; our node has 2"),
        # As many as there should be, and others.
        (3, 3, UIDS, (*UIDS[:2], "1.2.9"), 2, "our node has 2"),
        (3, 3, ("1.2.\u0661", *UIDS[:2]), UIDS, 2, "our node has 2"),
        # It lists nothing one by one, or fewer than it counts: then only counts are left.
        (3, 3, (), UIDS, 3, ""),
        (3, 3, (), UIDS[:1], 1, "our node has 1"),
        (3, 3, UIDS[:2], UIDS[:2], 2, "lists 3 instances"),
        (3, None, (), UIDS[:1], 1, "sent 3"),
        (3, None, (), (*UIDS, "1.2.9"), 3, ""),
    ],
)
def test_what_is_in_the_spool_counts(
    claimed: int, expected: int | None, listed: tuple[str, ...], kept: tuple[str, ...], there: int, why: str
) -> None:
    """And not what the archive counts; where it differs there is a remedy."""
    pulled = compared(Claim(completed=claimed), expected, set(listed), set(map(name_of, kept)))
    assert (pulled.instances, pulled.claimed) == (there, claimed)
    assert why in pulled.why
    assert bool(pulled.why) is bool(pulled.remedy) is bool(why)


def test_an_archive_that_fails_is_told_first() -> None:
    """With its status, and what has come all the same."""
    pulled = compared(Claim(status=0xA702, completed=1, failed=2), 3, set(UIDS), {name_of(UIDS[0])})
    assert (pulled.instances, pulled.claimed) == (1, 1)
    assert "status A702" in pulled.why


def test_who_ends_it_is_told_what_the_node_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not what the archive says by then that it has sent."""
    steps: list[int] = []

    def move(_: object, __: str, ___: str, ____: Claim, step: Step) -> None:
        step(3)
        raise KeyboardInterrupt

    monkeypatch.setattr("dicom_node.pulling.moving._move", move)
    peer = Requestor(peer=Peer(ae_title="PACS", host="127.0.0.1", port=9), calling_ae_title="WETREAD")
    with pytest.raises(KeyboardInterrupt):
        pull_by_move(
            peer, peer, "1.2", StudyContents(instances=3, sop_classes=()), steps.append, SpoolFolders(tmp_path)
        )
    assert steps == [3, 0]
