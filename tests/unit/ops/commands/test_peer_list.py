"""Who may talk to the node, and who did."""

from datetime import UTC, datetime, timedelta

import pytest

from dicom_node.settings import NodeSettings
from dicom_node.spooling.kept_by_sender import Kept
from ops.commands.peer_list import PeerRow, others, peer_rows
from worker.ledger.peers import SenderRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NODE = NodeSettings.model_validate(
    {
        "peers": [
            {"ae_title": "CT1", "hosts": ["192.0.2.7", "ct1.example.org"], "max_associations": 2},
            {
                "ae_title": "MR1",
                "hosts": ["192.0.2.0/24"],
                "certificate_name": "mr1",
                "storage_commitment": True,
                "report_to": {"host": "192.0.2.8", "port": 104},
            },
        ],
        "tls": {"certificate": "a", "key": "b", "ca": "c"},
    }
)


def sender(ae_title: str) -> SenderRow:
    """Somebody who has sent."""
    return SenderRow(ae_title=ae_title, address="192.0.2.7", last_at=NOON, studies=3)


def test_who_sent_comes_first_and_who_never_did_is_there_too() -> None:
    """Each with what its entry says; one without an entry is told apart."""
    rows = peer_rows(NODE, [sender("CT1"), sender("OLD")], {})
    assert rows == [
        PeerRow(
            ae_title="CT1",
            may_call="from 192.0.2.7, ct1.example.org, 2 associations at once",
            last_at=NOON,
            address="192.0.2.7",
            studies=3,
        ),
        PeerRow(
            ae_title="OLD",
            may_call="from this machine only (no entry)",
            last_at=NOON,
            address="192.0.2.7",
            studies=3,
        ),
        PeerRow(ae_title="MR1", may_call="from 192.0.2.0/24, with its certificate, asks for storage commitment"),
    ]


def test_who_only_added_to_the_studies_of_others_has_sent_too() -> None:
    """As the spool knows it: when last, and how much; the ledger knows with whom a study began."""
    later = NOON + timedelta(minutes=5)
    kept = {title: Kept(instances=4, bytes_kept=4096, last_at=later) for title in ("MR1", "CAP")}
    rows = peer_rows(NODE, [sender("CT1")], kept | {"CT1": Kept(instances=2, bytes_kept=10, last_at=NOON)})
    assert [(row.ae_title, row.last_at, row.studies, row.instances, row.bytes_kept) for row in rows] == [
        ("MR1", later, 0, 4, 4096),
        ("CAP", later, 0, 4, 4096),
        ("CT1", NOON, 3, 2, 10),
    ]


@pytest.mark.parametrize(
    ("settings", "unlisted", "sentence"),
    [
        ({"promiscuous": True}, "anybody may", "Anybody may call (promiscuous)."),
        ({"loopback": False}, "no more (no entry)", "Without an entry nobody may call."),
        (
            {"open_echo": True},
            "from this machine only (no entry)",
            "Without an entry this machine may call, and anybody for C-ECHO.",
        ),
    ],
)
def test_what_holds_for_those_without_an_entry(settings: dict[str, bool], unlisted: str, sentence: str) -> None:
    """In the table and below it."""
    node = NodeSettings.model_validate(settings)
    assert [row.may_call for row in peer_rows(node, [sender("X")], {})] == [unlisted]
    assert others(node) == sentence
