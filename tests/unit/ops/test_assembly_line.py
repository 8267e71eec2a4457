"""What the daemons take is built from the settings."""

import contextlib
import os
import stat
from pathlib import Path

import pytest

from ops.assembly_line import asker_of, prepare_data
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


@pytest.fixture(params=["inside the data directory", "in the temporary directory"])
def far(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose sockets lie in the one or the other; the second is for a data directory with a long name."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    data = tmp_path / "d"
    if request.param == "in the temporary directory":
        data = tmp_path / ("long" * 20)
    else:
        monkeypatch.setattr("ops.settings._LONGEST_SOCKET_FOLDER", 1000)
    found = Settings.model_validate({"data": data})
    assert (temporary in found.run.parents) == (request.param == "in the temporary directory")
    return found


def test_a_private_folder_is_made_and_taken_again(far: Settings) -> None:
    """Ours, and for nobody else."""
    prepare_data(far)
    assert stat.S_IMODE(far.run.stat().st_mode) == 0o700
    prepare_data(far)


def test_a_folder_behind_a_link_is_not_ours(far: Settings, tmp_path: Path) -> None:
    """Whoever made the link can lead it elsewhere."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    far.run.parent.mkdir(parents=True, exist_ok=True)
    far.run.symlink_to(theirs)
    with pytest.raises(SettingsError, match=r"is a link or a file.*remove it"):
        prepare_data(far)


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_a_folder_that_others_can_use_is_refused(far: Settings, mode: int) -> None:
    """A socket in it would be theirs too."""
    far.run.mkdir(parents=True)
    far.run.chmod(mode)
    with pytest.raises(SettingsError, match=rf"is open to others \(mode {mode:04o}\).*remove it"):
        prepare_data(far)


def test_a_folder_of_another_user_is_refused(far: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner can replace what is in it. A superuser may look after the data directory of a service."""
    prepare_data(far)
    lstat = Path.lstat

    def of_another(path: Path) -> os.stat_result:
        found = list(lstat(path))
        found[stat.ST_UID] = 4711
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", of_another)
    inside = far.run.is_relative_to(far.data)
    for user, refused in ((0, not inside), (1000, True)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        with pytest.raises(SettingsError, match="belongs to another user") if refused else contextlib.nullcontext():
            prepare_data(far)
