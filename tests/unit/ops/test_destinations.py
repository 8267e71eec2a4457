"""Which archives may report storage commitment to the node, and which are heard nowhere."""

from typing import Any

import pytest

from ops.destinations import reporters_of, unheard
from ops.settings import Settings

LISTED = [{"ae_title": "PACS", "hosts": ["192.0.2.7"]}, {"ae_title": "CT1", "hosts": ["192.0.2.8"]}]


def settings(*, port: int | None = None, commitment: object = True, **node: Any) -> Settings:
    """Return those of two destinations; the first, PACS, is asked for commitment as said."""
    destinations: list[dict[str, Any]] = [
        {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.7", "port": 104, "commitment": commitment},
        {"name": "ct", "ae_title": "CT1", "host": "192.0.2.8", "port": 104},
    ]
    return Settings.model_validate({"node": node, "destinations": destinations, "delivery": {"commitment_port": port}})


@pytest.mark.parametrize(
    ("given", "reporters", "deaf_to"),
    [
        (settings(peers=LISTED), {"PACS"}, ()),
        (settings(peers=LISTED, commitment="required"), {"PACS"}, ()),
        (settings(peers=LISTED, commitment=False), set(), ()),
        (settings(peers=LISTED[1:]), set(), ("pacs",)),
        (settings(peers=LISTED, promiscuous=True), set(), ("pacs",)),
        (settings(peers=[], port=11113), set(), ()),
    ],
    ids=["asked and listed", "required", "not asked", "not listed", "promiscuous", "a port of its own"],
)
def test_who_is_asked_and_listed_may_report(given: Settings, reporters: set[str], deaf_to: tuple[str, ...]) -> None:
    """Under its AE title, which must be bound to its hosts; the others are heard where they were asked."""
    assert reporters_of(given) == reporters
    assert unheard(given) == deaf_to
