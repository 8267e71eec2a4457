"""What an image shows by its header, and what of two such sizes may be compared of."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from worker.instances.depicted import CONCEPTS, Depicted, depicted_in, of_the_same


def an_image(**attributes: Any) -> Dataset:
    """Return a header; a code stands for the sequence with it."""
    image = Dataset()
    for keyword, value in attributes.items():
        setattr(image, keyword, [a_code(*value)] if keyword.endswith("Sequence") else value)
    return image


def a_code(value: str, scheme: str) -> Dataset:
    """Return an item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "said by the device"
    return item


def shown(**attributes: Any) -> tuple[str, ...]:
    """Return the meanings of side, view and region."""
    what = depicted_in(an_image(**attributes))
    return tuple(CONCEPTS[value].meaning if value else "" for value in (what.side, what.view, what.region))


def compared(one: dict[str, Any], other: dict[str, Any], *, planar: bool) -> bool:
    """Say whether two images may be compared; it is the same either way round."""
    now, then = (depicted_in(an_image(**attributes)) for attributes in (one, other))
    alike = of_the_same([now], [then], planar=planar)
    assert of_the_same([then], [now], planar=planar) == alike
    return alike


def test_a_header_says_it_in_words() -> None:
    """The side of the image comes before that of the series; parts are written with spaces and without."""
    assert shown(ImageLaterality="R", Laterality="L", ViewPosition="MLO", BodyPartExamined="BREAST") == (
        "Right",
        "medio-lateral oblique",
        "Breast",
    )
    assert shown(Laterality="L", ViewPosition="PA", BodyPartExamined="C SPINE") == (
        "Left",
        "postero-anterior",
        "Cervical spine",
    )
    assert shown(Laterality="", ViewPosition="", BodyPartExamined="") == ("", "", "")
    assert shown(ImageLaterality="U", BodyPartExamined="SOMETHING") == ("", "", "")


def test_a_header_says_it_in_codes() -> None:
    """Also in those of an older edition; of an enhanced image the frames say the side."""
    assert shown(ViewCodeSequence=("R-10242", "SRT")) == ("", "cranio-caudal", "")
    assert shown(ViewCodeSequence=("399162004", "SCT"), AnatomicRegionSequence=("72696002", "SCT")) == (
        "",
        "cranio-caudal",
        "Knee",
    )
    enhanced, anatomy, groups = Dataset(), Dataset(), Dataset()
    anatomy.FrameLaterality = "R"
    groups.FrameAnatomySequence = [anatomy]
    enhanced.SharedFunctionalGroupsSequence = [groups]
    assert CONCEPTS[depicted_in(enhanced).side].meaning == "Right"


@pytest.mark.parametrize(
    ("one", "other", "volumes", "projections"),
    [
        ({}, {}, True, True),
        ({"Laterality": "L"}, {"Laterality": "L"}, True, True),
        ({"Laterality": "L"}, {"ImageLaterality": "R"}, False, False),
        ({"Laterality": "L"}, {}, True, False),
        ({"Laterality": "L"}, {"Laterality": "B"}, False, False),
        ({"ViewPosition": "PA"}, {"ViewCodeSequence": ("272479007", "SCT")}, True, True),
        ({"ViewPosition": "CC"}, {"ViewPosition": "MLO"}, True, False),
        ({"ViewPosition": "PA"}, {}, True, False),
        ({"ViewPosition": "ODD"}, {"ViewPosition": "ODD"}, True, False),
        ({"BodyPartExamined": "KNEE"}, {"BodyPartExamined": "HEAD"}, False, False),
        ({"BodyPartExamined": "BRAIN"}, {"BodyPartExamined": "HEAD"}, True, True),
        ({"BodyPartExamined": "CHESTABDPELVIS"}, {"BodyPartExamined": "ABDOMEN"}, True, True),
        ({"BodyPartExamined": "WHOLEBODY"}, {"BodyPartExamined": "KNEE"}, True, True),
        ({"BodyPartExamined": "KNEE"}, {}, True, True),
    ],
)
def test_what_contradicts_is_not_compared(
    *, one: dict[str, Any], other: dict[str, Any], volumes: bool, projections: bool
) -> None:
    """A volume has no view, and may leave out what it is of; a projection may not."""
    assert compared(one, other, planar=False) == volumes
    assert compared(one, other, planar=True) == projections


def test_of_several_views_in_a_series_nobody_can_tell_which_is_which() -> None:
    """Frames and images that show the same are one; an ECG shows nothing."""
    right, left = (depicted_in(an_image(ImageLaterality=side)) for side in "RL")
    assert not of_the_same([right, left], [right, left], planar=True)
    assert of_the_same([right, right], [right], planar=True)
    assert of_the_same([], [Depicted()], planar=True)
    assert of_the_same([], [], planar=False)
