"""What a header says of each of its frames."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from worker.instances.frame_values import Values, values_of_frames


def an_item(**attributes: Any) -> Dataset:
    """Return an item of these attributes."""
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def a_private_group(**attributes: Any) -> Dataset:
    """Return functional groups of which one is a maker's own."""
    groups = Dataset()
    groups.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0F, "SQ", [an_item(**attributes)])
    return groups


def weighted(*items: Dataset) -> Dataset:
    """Return functional groups with these items of the macro of diffusion."""
    return an_item(MRDiffusionSequence=list(items))


@pytest.mark.parametrize(
    ("own", "values"),
    [
        (weighted(an_item(DiffusionBValue=1000.0)), (("DiffusionBValue", "1000.0"), ("EchoTime", "5.0"))),
        (weighted(an_item(DiffusionBValue=None)), (("DiffusionBValue", "0.0"), ("EchoTime", "5.0"))),
        (weighted(), (("DiffusionBValue", "0.0"), ("EchoTime", "5.0"))),
        (Dataset(), (("DiffusionBValue", "0.0"), ("EchoTime", "5.0"))),
        (weighted(Dataset(), an_item(DiffusionBValue=7.0)), (("DiffusionBValue", "7.0"), ("EchoTime", "5.0"))),
        (
            weighted(an_item(DiffusionBValue=7.0), an_item(DiffusionBValue=8.0)),
            (("DiffusionBValue", "7.0"), ("DiffusionBValue", "8.0"), ("EchoTime", "5.0")),
        ),
        (a_private_group(EchoTime=9, DiffusionBValue=9.0), (("DiffusionBValue", "0.0"), ("EchoTime", "5.0"))),
    ],
)
def test_the_nearest_of_a_frame_counts(own: Dataset, values: Values) -> None:
    """Its own groups before those of all frames, these before the header; all items of a macro, and no private one."""
    header = an_item(
        EchoTime=5,
        SharedFunctionalGroupsSequence=[weighted(an_item(DiffusionBValue=0.0))],
        PerFrameFunctionalGroupsSequence=[Dataset(), own],
    )
    assert values_of_frames(header, ["DiffusionBValue", "EchoTime"])[1] == values
