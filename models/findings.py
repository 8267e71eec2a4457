"""What a model found: coded, with units, on the grid of the source."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.card.card_parts import Concept, Label
from models.errors import ImplausibleResult

#: Nothing that is measured in a body is larger, in whatever unit; what is cannot be told in digits.
LARGEST = 1e15
#: Unit of a pure number in PS3.16, such as of Number of calcifications (TID 4010).
NO_UNITS = Concept(value="1", scheme="UCUM", meaning="no units")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A number with a coded name and a UCUM unit.

    Attributes:
        name: What was measured, such as (118565006, SCT, "Volume").
        value: The number, finite and not beyond `LARGEST`.
        unit: UCUM unit, such as (ml, UCUM, "milliliter").
        method: How, where the name does not say it.

    Raises ImplausibleResult for another value.
    """

    name: Concept
    value: float
    unit: Concept
    method: Concept | None = None

    def __post_init__(self) -> None:
        """Refuse what nobody can have measured: the values of the images, or what they say of their grid, are wrong."""
        if not abs(self.value) <= LARGEST:
            raise ImplausibleResult(
                f"the result is not sent: {self.name.meaning}: {self.value:g} {self.unit.value} is nothing that is "
                "measured in a body; look at the source images"
            )


@dataclass(frozen=True, kw_only=True)
class Structure:
    """One segment of the label map and what was measured in it.

    Attributes:
        label: The card's label; ``label.number`` is its value in ``Reading.labels``.
        voxels: How many voxels carry the label, always more than 0.
        measurements: At least the volume.
        cut: Whether it reaches the edge of the images, or of what the network sees of them, so that it may be larger
            than what was measured.
    """

    label: Label
    voxels: int
    measurements: tuple[Measurement, ...]
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One thing that was found at a place, such as a nodule.

    Attributes:
        number: 1 to n; with the label it names the thing in every object of the read.
        label: The card's label: what it is.
        slice_index: The slice, or frame, of the source on which it is outlined: where it is largest.
        outline: Closed polygon on that slice, at least three ``(row, column)`` in pixels; (0.0, 0.0) is the centre of
            the first pixel.
        measurements: Such as diameter in mm and probability in percent.
        voxels: How many voxels of ``Reading.instances`` carry its number; 0 where it was found without a mask.
        site: Where in the body, such as a lobe.
        laterality: The side.
        cut: As of a structure.
    """

    number: int
    label: Label
    slice_index: int
    outline: tuple[tuple[float, float], ...]
    measurements: tuple[Measurement, ...]
    voxels: int = 0
    site: Concept | None = None
    laterality: Literal["left", "right"] | None = None
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many things of a label there are.

    Attributes:
        label: The card's label.
        measurement: The number, 0 where none was found.
    """

    label: Label
    measurement: Measurement


@dataclass(frozen=True, kw_only=True, eq=False)
class HeatMap:
    """How much each voxel spoke for something.

    Attributes:
        name: For what, such as pneumonia.
        array: float32 ``(slices, rows, columns)`` on the source grid, 0 to 1.
    """

    name: Concept
    array: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A qualitative answer about the whole input: rhythm is sinus, pneumonia is present.

    Attributes:
        name: The question.
        value: The answer; (52101004, SCT, Present) or (2667000, SCT, Absent) where the question is a condition.
        certainty_percent: 0 to 100, None where the model gives none.
    """

    name: Concept
    value: Concept
    certainty_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A stretch of a waveform: a P wave, a QRS complex, a T wave.

    Attributes:
        kind: Short name, as drawn in the picture.
        start_s: Seconds from the first sample.
        end_s: Seconds from the first sample, after ``start_s``.
        channel: Short name of the channel that it was seen in, such as "II".
    """

    kind: str
    start_s: float
    end_s: float
    channel: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Everything one model says of one input.

    Attributes:
        labels: uint8 ``(slices, rows, columns)`` on the source grid, 0 is background; None for a waveform, and where
            the model draws nothing.
        structures: The segments that were found, by ascending label number; a label that was not found is not here.
        instances: uint16 like `labels`, the number of the detection that a voxel belongs to; None without masks.
        detections: What was found at a place, by ascending number.
        counts: How many things there are of each label that wants it told, where it has no structure that says so.
        heat_maps: Over the source grid.
        missing: Labels of the card that were looked for and not found.
        measurements: Of the whole input.
        findings: Of the whole input.
        marks: Of a waveform.
        runtime: What ran the network, such as "onnxruntime 1.20.0 cpu".
        warnings: What a reader must know, one sentence each, at most 90 characters.
        unread: Of images without a place in space, the indices of those that no network was asked about, ascending:
            nothing that is said is said of them.
    """

    labels: NDArray[np.uint8] | None = None
    structures: tuple[Structure, ...] = ()
    instances: NDArray[np.uint16] | None = None
    detections: tuple[Detection, ...] = ()
    counts: tuple[Count, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    missing: tuple[Label, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()
    marks: tuple[Mark, ...] = ()
    runtime: str = ""
    warnings: tuple[str, ...] = field(default=())
    unread: tuple[int, ...] = ()
