"""Promised instances are released when an archive lists them, and stay otherwise."""

from pathlib import Path

from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool_layout import name_of
from ops.daemons.promises import Promises, confirmed_by
from ops.settings import Settings


def file(uid: str, variant: str = "") -> str:
    """Return the file of an instance."""
    return f"{name_of('1')}/{name_of('1.1')}/{name_of(uid)}{variant}.dcm"


def test_what_an_archive_lists_is_confirmed() -> None:
    """By its UID; what is not listed is not, nor what no UID is."""
    held = [file("1.2.1"), file("1.2.2"), file("1.2.3")]
    assert confirmed_by(held, ["1.2.1", "1.2.3", "1.2.9", "é"]) == sorted([file("1.2.1"), file("1.2.3")])


def test_an_instance_with_variants_is_never_confirmed() -> None:
    """The archive has one of them, and nobody knows which."""
    held = [file("1.2.1"), file("1.2.1", "~0123456789abcdef"), file("1.2.2")]
    assert confirmed_by(held, ["1.2.1", "1.2.2"]) == [file("1.2.2")]


def test_an_archive_whose_name_nobody_knows_confirms_nothing(tmp_path: Path) -> None:
    """It must not keep the other studies from being looked at."""
    held = HeldInstances(tmp_path)
    held.hold([file("1.2.1")], still_there=lambda _: True)
    destination = {"name": "pacs", "ae_title": "PACS", "host": "nosuch.invalid", "port": 104}
    Promises(Settings.model_validate({"destinations": [destination]}), tmp_path).release_confirmed(name_of("1"), "1")
    assert held.of_study(name_of("1")) == {file("1.2.1")}
