"""What every test of the front door has."""

import pytest


@pytest.fixture(autouse=True)
def _settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine reaches a test."""
    for name in ("WETREAD_SETTINGS", "WETREAD_DATA", "WETREAD_NODE__PORT", "WETREAD_BROKER__URL"):
        monkeypatch.delenv(name, raising=False)
