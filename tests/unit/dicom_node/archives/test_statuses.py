"""Statuses in words, by the standard's numbers and by the archive's own last digits."""

import pytest

from dicom_node.archives.statuses import retrieve_meaning, store_meaning


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (0x0000, "stored"),
        (0x0111, "it has this SOP Instance already"),
        (0x0112, "see the archive's log"),
        (0xA7FF, "out of resources"),
        (0xA900, "dataset does not match the SOP class"),
        (0xB006, "it discarded data elements"),
        (0xC123, "it cannot understand the dataset"),
    ],
)
def test_a_store_status_is_told(status: int, what: str) -> None:
    """A number that nobody knows is never taken for success."""
    assert store_meaning(status).what == what


def test_an_unknown_move_destination_has_its_remedy() -> None:
    """A801 means that the archive has no address for our AE title."""
    assert "AE titles with host and port" in retrieve_meaning(0xA801).remedy


def test_out_of_resources_is_two_things_for_retrieval() -> None:
    """A701 is counting, A702 is sending; another A7xx is told in general."""
    told = {retrieve_meaning(status).what for status in (0xA701, 0xA702, 0xA7AB)}
    assert len(told) == 3
