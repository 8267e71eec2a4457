"""What the end of a retrieval means, and which contexts it asks for."""

from collections import Counter

import pytest

from dicom_node.contents import StudyContents
from dicom_node.pulling import judged, kinds_of


@pytest.mark.parametrize(
    ("status", "completed", "failed", "expected", "why"),
    [
        (0x0000, 3, 0, 3, ""),
        (0x0000, 4, 0, 3, ""),
        (0x0000, 3, 0, None, ""),
        (0x0000, 2, 0, 3, "the archive lists 3 instances and sent 2"),
        (0x0000, 2, 1, 3, "sent some instances and failed on others; 1 instances failed"),
        (0xB000, 2, 1, 3, "status B000"),
        (0xA801, 0, 0, 3, "does not know the move destination"),
        (0xFE00, 1, 0, 1, "cancelled"),
    ],
)
def test_only_a_whole_study_is_a_success(
    status: int, completed: int, failed: int, expected: int | None, why: str
) -> None:
    """A success that brought less than the archive lists is none."""
    pulled = judged(status, completed, failed, expected, Counter())
    assert (why in pulled.why, bool(pulled.why), bool(pulled.remedy)) == (True, bool(why), bool(why))


def test_what_the_node_refused_is_told_before_what_the_archive_says() -> None:
    """The archive only repeats that sub-operations failed; the node knows why."""
    pulled = judged(0xB000, 1, 2, 3, Counter({0xA700: 2}))
    assert "our node refused 2 instances with status A700" in pulled.why


@pytest.mark.parametrize("classes", [0, 1, 3, 127, 300])
def test_one_association_can_carry_what_is_asked_for(classes: int) -> None:
    """At most 127 contexts beside the one of C-GET, every class at least in Explicit VR Little Endian."""
    contents = StudyContents(instances=None, sop_classes=tuple(f"1.2.{number}" for number in range(classes)))
    kinds = kinds_of(contents)
    assert len(kinds) == len(set(kinds)) <= 127
    explicit = {sop_class for sop_class, syntax in kinds if syntax == "1.2.840.10008.1.2.1"}
    assert explicit == {sop_class for sop_class, _ in kinds}
    assert len(explicit) >= min(classes, 127)
