"""Promised instances are released when an archive lists them, and stay otherwise."""

from pathlib import Path

import pytest

from dicom_node.archives.requestor import Requestor
from dicom_node.errors import ArchiveUnreachable
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool_layout import name_of
from ops.daemons.promises import Promises, confirmed_by
from ops.settings import Settings


def file(uid: str, variant: str = "", *, study: str = "1") -> str:
    """Return the file of an instance."""
    return f"{name_of(study)}/{name_of('1.1')}/{name_of(uid)}{variant}.dcm"


def test_what_an_archive_lists_is_confirmed() -> None:
    """By its UID; what is not listed is not, nor what no UID is."""
    held = [file("1.2.1"), file("1.2.2"), file("1.2.3")]
    assert confirmed_by(held, ["1.2.1", "1.2.3", "1.2.9", "é"]) == sorted([file("1.2.1"), file("1.2.3")])


def test_an_instance_with_variants_is_never_confirmed() -> None:
    """The archive has one of them, and nobody knows which."""
    held = [file("1.2.1"), file("1.2.1", "~0123456789abcdef"), file("1.2.2")]
    assert confirmed_by(held, ["1.2.1", "1.2.2"]) == [file("1.2.2")]


def held_in(spool: Path, *studies: str) -> HeldInstances:
    """Return the promises of a spool: instance 1.2.1 of each study."""
    held = HeldInstances(spool)
    held.hold([file("1.2.1", study=study) for study in studies], still_there=lambda _: True)
    return held


def promises(spool: Path) -> Promises:
    """Return who asks the one archive of the settings, whose name nobody knows."""
    destination = {"name": "pacs", "ae_title": "PACS", "host": "nosuch.invalid", "port": 104}
    return Promises(Settings.model_validate({"destinations": [destination]}), spool)


def test_an_archive_whose_name_nobody_knows_confirms_nothing(tmp_path: Path) -> None:
    """It must not keep the other studies from being looked at."""
    held = held_in(tmp_path, "1")
    assert promises(tmp_path).unconfirmed(name_of("1"), "1", release=True) == 1
    assert held.of_study(name_of("1")) == {file("1.2.1")}


def test_an_archive_that_is_away_is_asked_once_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that answers nothing takes seconds, and hundreds of studies may be promised."""
    asked: list[str] = []

    def away(_: Requestor, study_uid: str) -> frozenset[str]:
        asked.append(study_uid)
        raise ArchiveUnreachable("away")

    monkeypatch.setattr("ops.daemons.promises.instances_of", away)
    held_in(tmp_path, "1", "2")
    waiting = promises(tmp_path)
    for _ in range(2):
        waiting.begin_round()
        assert [waiting.unconfirmed(name_of(study), study, release=True) for study in ("1", "2")] == [1, 1]
    assert asked == ["1", "1"]


def test_a_look_asks_and_releases_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the archive lists would be released; until then it stays promised."""
    monkeypatch.setattr("ops.daemons.promises.instances_of", lambda *_: frozenset({"1.2.1"}))
    held = held_in(tmp_path, "1")
    asking = promises(tmp_path)
    assert asking.unconfirmed(name_of("1"), "1", release=False) == 0
    assert held.of_study(name_of("1")) == {file("1.2.1")}
    assert asking.unconfirmed(name_of("1"), "1", release=True) == 0
    assert held.of_study(name_of("1")) == frozenset()
