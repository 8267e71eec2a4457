"""Two nodes of one machine never work in one data directory."""

from pathlib import Path

import pytest

from ops.daemons.alone import alone
from ops.settings import Settings, SettingsError


def house(data: Path) -> Settings:
    """Return the settings of a data directory that is there."""
    settings = Settings(data=data)
    settings.run.mkdir(parents=True)
    return settings


def test_the_second_is_told_what_to_do(tmp_path: Path) -> None:
    """It would remove what the first is writing; another part, or another data directory, may start."""
    here, elsewhere = house(tmp_path / "here"), house(tmp_path / "elsewhere")
    with (
        alone(here, "node"),
        alone(here, "up"),
        alone(elsewhere, "node"),
        pytest.raises(SettingsError, match=r"another wetread node .* in .*/here; stop it"),
        alone(here, "node"),
    ):
        pass


def test_what_has_ended_keeps_nobody(tmp_path: Path) -> None:
    """However it has ended: the lock is the process's, not the file's."""
    settings = house(tmp_path)
    for _ in range(2):
        with alone(settings, "node"):
            pass


def test_a_lock_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """As where a superuser has tried the node in a service's data directory."""
    settings = house(tmp_path)
    (settings.run / "node.lock").mkdir()
    with pytest.raises(SettingsError, match="cannot be written"), alone(settings, "node"):
        pass
