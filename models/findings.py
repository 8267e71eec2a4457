"""What a model found: coded, with units, on the grid of the source."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.manifest import Concept, Label


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A number with a coded name and a UCUM unit.

    Attributes:
        name: What was measured, such as (118565006, SCT, "Volume").
        value: The number, finite.
        unit: UCUM unit, such as (ml, UCUM, "milliliter").
        method: How, where the name does not say it.
    """

    name: Concept
    value: float
    unit: Concept
    method: Concept | None = None


@dataclass(frozen=True, kw_only=True)
class Structure:
    """One segment of the label map and what was measured in it.

    Attributes:
        label: The card's label; ``label.number`` is its value in ``Reading.labels``.
        voxels: How many voxels carry the label, always more than 0.
        measurements: At least the volume.
    """

    label: Label
    voxels: int
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A qualitative answer about the whole input, such as rhythm: sinus.

    Attributes:
        name: The question.
        value: The answer.
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
    """

    kind: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Everything one model says of one input.

    Attributes:
        labels: uint8 ``(slices, rows, columns)`` on the source grid, 0 is background; None for a waveform.
        structures: The segments that were found, by ascending label number; a label that was not found is not here.
        missing: Labels of the card that were looked for and not found.
        measurements: Of the whole input.
        findings: Of the whole input.
        marks: Of a waveform.
        runtime: What ran the network, such as "onnxruntime 1.20.0 cpu".
        warnings: What a reader must know, one sentence each, at most 90 characters.
    """

    labels: NDArray[np.uint8] | None = None
    structures: tuple[Structure, ...] = ()
    missing: tuple[Label, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()
    marks: tuple[Mark, ...] = ()
    runtime: str = ""
    warnings: tuple[str, ...] = field(default=())
