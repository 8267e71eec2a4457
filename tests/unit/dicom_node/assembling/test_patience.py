"""How long is waited for whom."""

from dicom_node.assembling.patience import Patience
from dicom_node.settings import NodeSettings

SETTINGS = NodeSettings(
    quiet_time_s=30,
    hard_cap_s=3600,
    settle_s=4,
    counts_from="pacs",
    peers=(
        {"ae_title": "CT1", "hosts": ["192.0.2.1"], "quiet_time_s": 8, "counts_from": ""},
        {"ae_title": "MR1", "hosts": ["192.0.2.2"], "hard_cap_s": 7200, "counts_from": "MR@192.0.2.2:104"},
        {"ae_title": "US1", "hosts": ["192.0.2.3"]},
    ),
)


def test_what_a_peer_does_not_say_the_node_says() -> None:
    """Each wait by itself; a sender without an entry has the node's."""
    patience = Patience(SETTINGS)
    waits = {title: patience.timing(title) for title in ("CT1", "MR1", "US1", "")}
    assert {title: wait.quiet_time_s for title, wait in waits.items()} == {"CT1": 8, "MR1": 30, "US1": 30, "": 30}
    assert {title: wait.hard_cap_s for title, wait in waits.items()} == {
        "CT1": 3600,
        "MR1": 7200,
        "US1": 3600,
        "": 3600,
    }
    assert {wait.settle_s for wait in waits.values()} == {4}


def test_a_peer_has_its_archive_or_none() -> None:
    """An empty name in its entry means that nobody is asked, not that the node's is."""
    patience = Patience(SETTINGS)
    archives = [patience.archive(title) for title in ("CT1", "MR1", "US1", "")]
    assert archives == ["", "MR@192.0.2.2:104", "pacs", "pacs"]
