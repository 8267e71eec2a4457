"""What is done to a series on the way to what a model reads, other than refusing it: sentences that results tell.

Repairs of patient and study attributes are in `identity_rules`.
"""

from collections.abc import Sequence
from itertools import groupby

from models.sentence import Sentence

#: In a sentence; how many images there are of it is told in any case.
_MOST_RANGES = 10

INVERTED = Sentence("MONOCHROME1: values were inverted, high values are bright.")
AS_STORED = Sentence("MONOCHROME1: values are read as stored, low values are bright.")
BRIGHTNESS = Sentence("Colour images: their brightness was read.")
AT_DETECTOR = Sentence(
    "Sizes are those at the detector, not corrected for magnification: in the body they are smaller."
)
UNSCALED = Sentence("Rescale Slope and Intercept are missing: values are read as stored.")
THICKNESS = Sentence("Slice Thickness is missing: slices are taken as thick as they lie apart.")


def copies_left_out(count: int) -> str:
    """Say how many images came twice."""
    return Sentence("{count} duplicate slices with equal pixels were left out.", count=count)


def longest_group(count: int) -> str:
    """Say of how many multiplex groups one was read."""
    return Sentence("{count} multiplex groups: the longest original one was read.", count=count)


def covered_in_part(percent: int) -> str:
    """Say how much of the first series a channel shows."""
    return Sentence("A further series covers {percent} % of the first: the rest was read without it.", percent=percent)


def came_with_other_pixels(numbers: Sequence[int]) -> str:
    """Say which images, by their Instance Numbers, came under one UID with different pixels."""
    if len(numbers) == 1:
        return Sentence(
            "Image {number} came more than once with different pixels: the newest was read.", number=str(numbers[0])
        )
    return Sentence(
        "{count} images came more than once with different pixels, the newest of each was read: {numbers}.",
        count=len(numbers),
        numbers=_ranges(numbers),
    )


def came_with_another_place(numbers: Sequence[int]) -> str:
    """Say which images, by their Instance Numbers, came under one UID with another place, or other values."""
    if len(numbers) == 1:
        return Sentence(
            "Image {number} came more than once with another place or scale: the newest was read.",
            number=str(numbers[0]),
        )
    return Sentence(
        "{count} images came more than once with another place or scale, the newest of each was read: {numbers}.",
        count=len(numbers),
        numbers=_ranges(numbers),
    )


def came_with_other_content(count: int) -> str:
    """Say how many objects that no number tells from others came under one UID with different content."""
    return Sentence(
        "Objects that came more than once with different content, of which the newest was read: {count}.", count=count
    )


def _ranges(numbers: Sequence[int]) -> str:
    """Return numbers in order, those that follow one another as a range: "3, 7-12"."""
    ordered = sorted(set(numbers))
    runs = [[number for _, number in run] for _, run in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])]
    told = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(told if len(told) <= _MOST_RANGES else [*told[:_MOST_RANGES], "\N{HORIZONTAL ELLIPSIS}"])


#: Each with the source that it is about.
SERIES_REPAIRS: tuple[tuple[str, str], ...] = (
    (INVERTED, "images without a place in space, whose high values are dark"),
    (AS_STORED, "slices of a volume in MONOCHROME1: models of volumes expect the scanner's own values"),
    (BRIGHTNESS, "colour images without a place in space"),
    (AT_DETECTOR, "a radiograph with Imager Pixel Spacing alone, and no magnification factor"),
    (UNSCALED, "slices of CT or PET without them, where they are Type 1: others made of such images write them so"),
    (THICKNESS, "slices without Slice Thickness (Type 2, so it may be empty); it stands in the segmentation"),
    (copies_left_out(2), "a series that holds an image twice under two UIDs"),
    (covered_in_part(50), "a model of several channels, one of which does not show all that the first one shows"),
    (came_with_other_pixels((30,)), "an image that came again under its UID, whose job an admin has had read"),
    (came_with_other_pixels((30, 31)), "several of them; ten numbers or ranges are told at most"),
    (
        came_with_another_place((30,)),
        "likewise, where the pixels are the same, and not what they mean or where they lie",
    ),
    (came_with_another_place((30, 31)), "several of them"),
    (came_with_other_content(1), "likewise multi-frame images, recordings, images without a number, and channels"),
    (longest_group(2), "a recording with median beats beside the rhythm strip"),
)
