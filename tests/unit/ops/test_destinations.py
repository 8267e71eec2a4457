"""Which archives may report storage commitment to the node, and which are heard nowhere."""

from typing import Any

import pytest

from ops.destinations import reporters_of, unheard
from ops.settings import Settings

LISTED = [{"ae_title": "PACS", "hosts": ["192.0.2.7"]}, {"ae_title": "CT1", "hosts": ["192.0.2.8"]}]


TLS = {"certificate": "node.pem", "key": "node.key", "ca": "ca.pem"}


def settings(
    *,
    port: int | None = None,
    tls_port: int | None = None,
    commitment: object = True,
    tls: object = None,
    own: object = None,
    **node: Any,
) -> Settings:
    """Return those of two destinations; the first, PACS, is asked for commitment and called as said."""
    destinations: list[dict[str, Any]] = [
        {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.7", "port": 104, "commitment": commitment, "tls": tls},
        {"name": "ct", "ae_title": "CT1", "host": "192.0.2.8", "port": 104},
    ]
    delivery = {"commitment_port": port, "commitment_tls_port": tls_port}
    return Settings.model_validate({"node": node | {"tls": own}, "destinations": destinations, "delivery": delivery})


@pytest.mark.parametrize(
    ("given", "reporters", "deaf_to"),
    [
        (settings(peers=LISTED), {"PACS"}, ()),
        (settings(peers=LISTED, commitment="required"), {"PACS"}, ()),
        (settings(peers=LISTED, commitment=False), set(), ()),
        (settings(peers=LISTED[1:]), set(), ("pacs",)),
        (settings(peers=LISTED, promiscuous=True), set(), ("pacs",)),
        (settings(peers=[], port=11113), set(), ()),
        (settings(tls_port=11114, own=TLS), set(), ("pacs",)),
        (settings(tls_port=11114, own=TLS, tls={}), set(), ()),
    ],
    ids=[
        *("asked and listed", "required", "not asked", "not listed", "promiscuous", "a port of its own"),
        *("one inside TLS, for who is not called so", "one inside TLS"),
    ],
)
def test_who_is_asked_and_listed_may_report(given: Settings, reporters: set[str], deaf_to: tuple[str, ...]) -> None:
    """Under its AE title, which must be bound to its hosts; the others are heard where they were asked."""
    assert reporters_of(given) == reporters
    assert unheard(given) == deaf_to


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"tls_port": 11114}, r"no certificate to show.*\[node.tls\]"),
        ({"port": 1, "tls_port": 1, "own": TLS}, "the same"),
    ],
)
def test_a_port_inside_tls_needs_a_certificate_and_a_number_of_its_own(wrong: dict[str, Any], reason: str) -> None:
    """The settings say so before anything listens."""
    with pytest.raises(ValueError, match=reason):
        settings(**wrong)
