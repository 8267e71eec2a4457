"""What is done to a series on the way to what a model reads, other than refusing it: sentences that results tell.

Repairs of patient and study attributes are in `identity_rules`.
"""

from models.sentence import Sentence

INVERTED = Sentence("MONOCHROME1: values were inverted, high values are bright.")
AS_STORED = Sentence("MONOCHROME1: values are read as stored, low values are bright.")
BRIGHTNESS = Sentence("Colour images: their brightness was read.")
AT_DETECTOR = Sentence(
    "Sizes are those at the detector, not corrected for magnification: in the body they are smaller."
)
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


#: Each with the source that it is about.
SERIES_REPAIRS: tuple[tuple[str, str], ...] = (
    (INVERTED, "images without a place in space, whose high values are dark"),
    (AS_STORED, "slices of a volume in MONOCHROME1: models of volumes expect the scanner's own values"),
    (BRIGHTNESS, "colour images without a place in space"),
    (AT_DETECTOR, "a radiograph with Imager Pixel Spacing alone, and no magnification factor"),
    (THICKNESS, "slices without Slice Thickness (Type 2, so it may be empty); it stands in the segmentation"),
    (copies_left_out(2), "a series that holds an image twice under two UIDs"),
    (covered_in_part(50), "a model of several channels, one of which does not show all that the first one shows"),
    (longest_group(2), "a recording with median beats beside the rhythm strip"),
)
