"""Promised instances are released when an archive lists them, and stay otherwise."""

from dicom_node.spool import name_of
from ops.promises import confirmed_by


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
