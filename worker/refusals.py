"""Why a series is not read: every name that a refusal begins with, what it means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A reason for which a series is not read.

    Attributes:
        meaning: What is wrong with the series.
        remedy: What whoever sends it, or runs wetread, can do.
    """

    meaning: str
    remedy: str


_SEND_ORIGINALS = "send the original images, not a derived or anonymised copy"
_SEND_AGAIN = "send the series again, as a whole"
_SPLIT = (
    "let images in the card's [selection] choose among its images, or split the series at the scanner or the archive"
)
_SELECT_ANOTHER = "let the card's [selection] choose another series"
_AT_SENDER = "correct it at its sender"

#: In the order in which they are looked for.
REFUSALS: Mapping[str, Refusal] = {
    "no volumes": Refusal(
        meaning="it was to be one of several channels, and it has no place in patient space",
        remedy=_SEND_ORIGINALS,
    ),
    "another frame of reference": Refusal(
        meaning="it was to be one of several channels, and its Frame of Reference UID differs from the first one's",
        remedy="let [selection] choose series of one examination, or register them first",
    ),
    "too little in common": Refusal(
        meaning="it was to be one of several channels, and less than a quarter of the first one's space lies in it",
        remedy="let [selection] choose series of one body part, or send the one that covers it",
    ),
    "empty series": Refusal(meaning="it has no files", remedy=_SEND_AGAIN),
    "too large": Refusal(
        meaning="its headers announce more values than worker.max_voxels, or it inflates to more",
        remedy="raise worker.max_voxels where the machine has the memory",
    ),
    "blank UIDs": Refusal(
        meaning="a SOP Class, SOP Instance, Series or Study Instance UID is missing, so no result could refer to it",
        remedy=_SEND_ORIGINALS,
    ),
    "two series": Refusal(meaning="its files differ in Series Instance UID", remedy="name a folder of one series"),
    "two studies": Refusal(meaning="its files differ in Study Instance UID", remedy=_AT_SENDER),
    "two patient ids": Refusal(meaning="its files differ in Patient ID", remedy=_AT_SENDER),
    "two kinds of object": Refusal(meaning="its files differ in SOP Class UID", remedy=_SPLIT),
    "two frames of reference": Refusal(
        meaning="slices that differ in Frame of Reference UID, so they do not lie in one space", remedy=_SPLIT
    ),
    "several waveforms": Refusal(meaning="there are several recordings in it, and one is read", remedy=_SPLIT),
    "no original waveform": Refusal(
        meaning="every multiplex group is derived, such as a median beat", remedy="let the cart send the rhythm strip"
    ),
    "no sampling frequency": Refusal(meaning="Sampling Frequency is missing or not positive", remedy=_AT_SENDER),
    "doubled leads": Refusal(meaning="two channels have the same lead's name", remedy=_AT_SENDER),
    "no unit of voltage": Refusal(
        meaning="a channel's sensitivity is in something else than uV, mV or V", remedy=_AT_SENDER
    ),
    "no sensitivity": Refusal(
        meaning="nothing says how much voltage a channel's values stand for: Channel Sensitivity is missing, 0 or not "
        "finite, or its correction or baseline is",
        remedy=_AT_SENDER,
    ),
    "no images": Refusal(meaning="an object has no rows, columns or frames, or no pixels", remedy=_SELECT_ANOTHER),
    "mosaic": Refusal(
        meaning="the slices of a volume are tiles of one image (MOSAIC in Image Type), whose place is not theirs",
        remedy="let the scanner send slices, or let [selection] leave MOSAIC out (image_type_excludes)",
    ),
    "colour images": Refusal(
        meaning="images that lie in patient space are in colour, and models of volumes read grey values",
        remedy=_SELECT_ANOTHER,
    ),
    "odd bits": Refusal(
        meaning="High Bit is not one less than Bits Stored: the values lie in bits where no decoder looks for them",
        remedy=_AT_SENDER,
    ),
    "lookup table": Refusal(
        meaning="slices of a volume mean something only through a Modality LUT or a Real World Value LUT",
        remedy=_SEND_ORIGINALS,
    ),
    "no scale": Refusal(
        meaning="Rescale Slope (without one, that of the Real World Value Mapping) is 0, or it or the intercept is not "
        "finite: readers differ in what they make of it",
        remedy=_SEND_ORIGINALS,
    ),
    "several real world values": Refusal(
        meaning="images without Rescale Slope have several Real World Value Mappings, such as a quantity in two units, "
        "and a model reads one",
        remedy=_SEND_ORIGINALS,
    ),
    "several multi-frame images": Refusal(
        meaning="a multi-frame image and others are in one series, and one is read", remedy=_SPLIT
    ),
    "part of a concatenation": Refusal(
        meaning="a multi-frame image was sent in parts, and one part is not the whole scan",
        remedy="let its sender send the image as one object",
    ),
    "multi-frame without functional groups": Refusal(
        meaning="nothing that is read says where each frame of a tomographic image lies; NM and RT Dose have ways of "
        "their own",
        remedy="send it as single slices or as an enhanced image, or let [selection] choose another",
    ),
    "wrong number of frames": Refusal(
        meaning="Number of Frames differs from the frames that are described", remedy=_SEND_AGAIN
    ),
    "wrong size": Refusal(meaning="the pixels have another size than their header says", remedy=_SEND_AGAIN),
    "no geometry": Refusal(
        meaning="Image Position, Image Orientation (Patient) or Pixel Spacing is missing or no number, and it is of no "
        "kind that is read without a place",
        remedy=f"{_SEND_ORIGINALS}, or let [selection] choose another",
    ),
    "mixed sizes": Refusal(
        meaning="its images differ in Rows or Columns: a localiser among slices, or views of different sizes",
        remedy=_SPLIT,
    ),
    "mixed orientation": Refusal(meaning="its images lie in different directions, as in a localiser", remedy=_SPLIT),
    "mixed spacing": Refusal(meaning="its images differ in Pixel Spacing", remedy=_SPLIT),
    "no spacing": Refusal(meaning="Pixel Spacing is not positive", remedy=_SEND_ORIGINALS),
    "wrong orientation": Refusal(
        meaning="Image Orientation (Patient) is not two perpendicular unit vectors", remedy=_AT_SENDER
    ),
    "not a volume": Refusal(
        meaning="its images lie beside each other or at one place, or there is one without a thickness",
        remedy=_SELECT_ANOTHER,
    ),
    "missing slices": Refusal(
        meaning="distances between slices are whole multiples of the usual one", remedy=_SEND_AGAIN
    ),
    "uneven increment": Refusal(meaning="slices do not lie on a regular grid", remedy=_SELECT_ANOTHER),
    "shifted slices": Refusal(meaning="slices are moved against each other", remedy=_SELECT_ANOTHER),
    "gantry tilt": Refusal(
        meaning="the way from slice to slice is not along their normal: a sheared grid is never read",
        remedy="send a reconstruction without tilt",
    ),
    "several acquisitions": Refusal(
        meaning="images at one position differ in echo, time, diffusion or acquisition, or any two of its images in "
        "echo time or diffusion weighting",
        remedy=_SPLIT,
    ),
    "mixed units": Refusal(meaning="its images state different units of their values", remedy=_SPLIT),
    "duplicate slices": Refusal(meaning="two images at one position have different pixels", remedy=_SPLIT),
}


def remedy_of(told: str) -> str:
    """Return what can be done about a refusal, by the name that it begins with; empty where it has none."""
    refusal = REFUSALS.get(told.partition(":")[0])
    return refusal.remedy if refusal else ""
