"""What the daemons take is built from the settings."""

import pytest

from ops.assembly_line import asker_of
from ops.settings import Settings, SettingsError

DESTINATION = {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.7", "port": 104}


def settings(*, node: str = "", peer: str | None = None) -> Settings:
    """Return settings with one destination, and these archives to be asked."""
    peers = [{"ae_title": "CT1", "hosts": ["192.0.2.1"], "counts_from": peer}]
    return Settings.model_validate({"node": {"counts_from": node, "peers": peers}, "destinations": [DESTINATION]})


@pytest.mark.parametrize(
    ("node", "peer", "asked"),
    [
        ("", None, []),
        ("pacs", "", ["PACS@192.0.2.7:104"]),
        ("pacs", "pacs", ["PACS@192.0.2.7:104"]),
        ("", "CT1@192.0.2.1:4242", ["CT1@192.0.2.1:4242"]),
        ("pacs", "CT1@192.0.2.1:4242", ["CT1@192.0.2.1:4242", "PACS@192.0.2.7:104"]),
    ],
)
def test_each_archive_that_is_named_is_asked(node: str, peer: str | None, asked: list[str]) -> None:
    """A destination by its name, another by its address; each once."""
    asker = asker_of(settings(node=node, peer=peer))
    assert sorted(str(line._archive._requestor) for line in asker._lines.values()) == asked  # type: ignore[attr-defined]


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    """Its port is none."""
    with pytest.raises(SettingsError, match="port"):
        asker_of(settings(node="PACS@192.0.2.7:99999"))
