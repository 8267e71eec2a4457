"""Readings whose answer is known, for tests of what becomes of them: no network runs."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
from numpy.typing import NDArray

from models.card.card_parts import Concept, Label
from models.card.ecg_concepts import BEATS_PER_MINUTE, HEART_RATE, MILLISECOND, RR_INTERVAL
from models.card.manifest import Card
from models.findings import Detection, Finding, Mark, Measurement, Reading, Structure
from models.interpreting.ecg import CARDIAC_RHYTHM, MEAN
from models.interpreting.image_labels import structure_of
from models.interpreting.instances import DIAMETER, MILLIMETRE, PERCENT, take_instances
from models.volume import Image, Volume
from worker.case.case import Case
from worker.provenance import Provenance
from worker.series.series_volume import LoadedSeries, load_series

VOLUME = Concept(value="118565006", scheme="SCT", meaning="Volume")
ML = Concept(value="ml", scheme="UCUM", meaning="milliliter")
SINUS = Concept(value="64730000", scheme="SCT", meaning="Normal sinus rhythm")
_FEW_SLICES = 3
READ_AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

#: Numbers with gaps: segments are numbered without. The third is never found.
LABELS = (
    Label(
        number=2,
        name="Cerebral cortex",
        concept=Concept(value="40146001", scheme="SCT", meaning="Cerebral cortex"),
        colour_rgb=(205, 62, 78),
    ),
    Label(
        number=5,
        name="Left thalamus",
        concept=Concept(value="42695009", scheme="SCT", meaning="Thalamus"),
        colour_rgb=(0, 118, 14),
        laterality="left",
    ),
    Label(
        number=9,
        name="Hippocampus",
        concept=Concept(value="88442005", scheme="SCT", meaning="Hippocampus"),
        colour_rgb=(220, 216, 20),
    ),
)

NODULE = Label(
    number=11,
    name="Nodule",
    concept=Concept(value="27925004", scheme="SCT", meaning="Nodule"),
    category=Concept(value="49755003", scheme="SCT", meaning="Morphologically Abnormal Structure"),
    colour_rgb=(255, 200, 0),
    instances=True,
)
PROBABILITY = Concept(value="111047", scheme="DCM", meaning="Probability of cancer")
UPPER_LOBE = Concept(value="45653009", scheme="SCT", meaning="Upper lobe of lung")
PNEUMONIA = Concept(value="233604007", scheme="SCT", meaning="Pneumonia")
PNEUMOTHORAX = Concept(value="36118008", scheme="SCT", meaning="Pneumothorax")
PRESENT = Concept(value="52101004", scheme="SCT", meaning="Present")
ABSENT = Concept(value="2667000", scheme="SCT", meaning="Absent")
CALCIUM_SCORE = Concept(value="112058", scheme="DCM", meaning="Calcium score")
NO_UNITS = Concept(value="1", scheme="UCUM", meaning="no units")


def a_card(**changes: Any) -> Card:
    """Return the card of a model of `LABELS`; keywords replace its tables."""
    return Card.model_validate(
        {
            "schema": 1,
            "id": "test-structures",
            "name": "Test structures",
            "version": "1.2",
            "manufacturer": "Test maker",
            "licence": "MIT",
            "intended_use": "tests",
            "regulatory": {"status": "research"},
            "selection": {},
            "networks": {"main": {}},
            "preparation": {
                "kind": "volume",
                "orientation": "RAS",
                "fit": "resize",
                "size": [32, 32, 32],
                "normalisation": "min-max",
            },
            "inference": {"strategy": "whole"},
            "interpretation": {"kind": "labels"},
            "labels": [label.model_dump() for label in LABELS],
        }
        | changes
    )


def a_nodule_card(**changes: Any) -> Card:
    """Return the card of a model of `LABELS` that also counts nodules."""
    labels = [label.model_dump() for label in (*LABELS, NODULE)]
    return a_card(**({"id": "test-nodules", "name": "Test nodules", "labels": labels} | changes))


def an_ecg_card() -> Card:
    """Return the card of a model that reads lead II."""
    return a_card(
        id="test-ecg",
        name="Test ECG",
        labels=[],
        preparation={
            "kind": "waveform",
            "channel": "II",
            "sampling_frequency_hz": 500,
            "samples": 5000,
            "normalisation": "average-rank",
        },
        inference={"strategy": "window", "trust_s": [2.0, 8.0]},
        interpretation={
            "kind": "ecg",
            "frame_classes": ["other", "P", "QRS", "T"],
            "beat_classes": ["none"],
            "rhythm_classes": ["sinus"],
            "rhythm_concepts": {"sinus": SINUS.model_dump()},
        },
    )


def load(folder: Path) -> LoadedSeries:
    """Read all files of a folder as one series."""
    return load_series(sorted(folder.iterdir()), max_voxels=10**8)


def an_ecg() -> LoadedSeries:
    """Return pydicom's 12-lead ECG."""
    return load_series([Path(str(pydicom.data.get_testdata_file("waveform_ecg.dcm")))], max_voxels=1)


def a_reading(series: LoadedSeries) -> Reading:
    """Return two lopsided structures that touch, with true volumes or areas, and a third that is missing."""
    source = series.source
    assert isinstance(source, Volume | Image)
    slices, rows, columns = source.array.shape
    z, y, x = np.ogrid[-1 : 1 : slices * 1j, -1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    if slices <= _FEW_SLICES:  # else there would be nothing on any of them
        z = z * 0.3
    labels = np.zeros(source.array.shape, np.uint8)
    labels[(z + 0.1) ** 2 + (y - 0.1) ** 2 + x**2 < 0.5] = LABELS[0].number
    labels[(z**2 + y**2 + x**2 < 0.3) & (x > 0.05)] = LABELS[1].number
    return Reading(
        labels=labels,
        structures=tuple(_structure(label, labels, source) for label in LABELS[:2]),
        missing=LABELS[2:],
        runtime="none",
        warnings=("The answer was known before.",),
    )


def _structure(label: Label, labels: NDArray[np.uint8], source: Volume | Image) -> Structure:
    if isinstance(source, Image):
        found = structure_of(label, labels, source.spacing_mm)
        assert found is not None
        return found
    voxels = int((labels == label.number).sum())
    measurement = Measurement(name=VOLUME, value=voxels * source.voxel_ml, unit=ML)
    return Structure(label=label, voxels=voxels, measurements=(measurement,))


def nothing_found(series: LoadedSeries) -> Reading:
    """Return a reading that found none of the labels."""
    assert isinstance(series.source, Volume)
    return Reading(labels=np.zeros(series.source.array.shape, np.uint8), missing=LABELS, runtime="none")


def detections_reading(series: LoadedSeries, *, masks: bool = True) -> Reading:
    """Return two nodules of which the first lies on a slice beside the middle one; the model of `a_nodule_card`.

    With masks, on a volume, beside a structure that the first nodule lies within, so that their voxels overlap.
    Without, as a detector says it that draws no mask, also on images without a place in space.
    """
    assert isinstance(series.source, Volume | Image)
    if not masks:
        return _outlined_detections(series.source)
    assert isinstance(series.source, Volume)
    volume = series.source
    structures = a_reading(series)
    slices, rows, columns = volume.array.shape
    z, y, x = np.ogrid[:slices, :rows, :columns]
    nodules = np.zeros(volume.array.shape, np.uint8)
    for centre, radius in (((slices // 2 + 1, rows // 2 - 1, columns // 2 - 3), 3.4), ((slices // 4, 4, 5), 1.9)):
        apart = ((z - centre[0]) * 2.0) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
        nodules[apart <= radius**2] = NODULE.number
    instances, found = take_instances(nodules, (NODULE,), volume)
    told = ((87.5, UPPER_LOBE, "left"), (12.25, None, None))
    return Reading(
        labels=structures.labels,
        structures=structures.structures,
        missing=structures.missing,
        instances=instances,
        detections=tuple(
            replace(
                detection,
                measurements=(
                    *detection.measurements,
                    Measurement(name=PROBABILITY, value=probability, unit=PERCENT),
                ),
                site=site,
                laterality=side,  # type: ignore[arg-type]
            )
            for detection, (probability, site, side) in zip(found, told, strict=True)
        ),
        runtime="none",
    )


def _outlined_detections(source: Volume | Image) -> Reading:
    slices, rows, columns = source.array.shape
    corners = ((0.25, 0.25), (0.25, 0.5), (0.5, 0.625), (0.5, 0.25))
    outline = tuple((row * rows, column * columns) for row, column in corners)
    return Reading(
        detections=tuple(
            Detection(
                number=number,
                label=NODULE,
                slice_index=slice_index,
                outline=outline,
                measurements=(
                    Measurement(name=DIAMETER, value=diameter_mm, unit=MILLIMETRE),
                    Measurement(name=PROBABILITY, value=probability, unit=PERCENT),
                ),
                site=UPPER_LOBE,
                laterality="right",
            )
            for number, (slice_index, diameter_mm, probability) in enumerate(
                (((slices - 1) // 2, 12.0, 91.5), (slices - 1, 7.25, 33.0)), start=1
            )
        ),
        runtime="none",
    )


def classified(series: LoadedSeries) -> Reading:
    """Return two answers about the whole image, one present and one absent, and a number of it; nothing is drawn."""
    assert isinstance(series.source, Volume | Image)
    return Reading(
        findings=(
            Finding(name=PNEUMONIA, value=PRESENT, certainty_percent=93.75),
            Finding(name=PNEUMOTHORAX, value=ABSENT, certainty_percent=98.5),
        ),
        measurements=(Measurement(name=CALCIUM_SCORE, value=43.75, unit=NO_UNITS),),
        runtime="none",
    )


def an_ecg_reading(channel: str = "II") -> Reading:
    """Return a rhythm, two numbers and the marks of six beats."""
    waves = (("P", 0.0, 0.1), ("QRS", 0.16, 0.08), ("T", 0.35, 0.2))
    return Reading(
        findings=(Finding(name=CARDIAC_RHYTHM, value=SINUS, certainty_percent=97.3),),
        measurements=(
            Measurement(name=HEART_RATE, value=61.1, unit=BEATS_PER_MINUTE, method=MEAN),
            Measurement(name=RR_INTERVAL, value=982.0, unit=MILLISECOND, method=MEAN),
        ),
        marks=tuple(
            Mark(kind=kind, start_s=beat * 0.98 + start, end_s=beat * 0.98 + start + length, channel=channel)
            for beat in range(2, 8)
            for kind, start, length in waves
        ),
        runtime="none",
    )


def provenance_of(series: LoadedSeries, card: Card, **changes: Any) -> Provenance:
    """Return the provenance of a reading of this series."""
    values: dict[str, Any] = {
        "card": card,
        "model_digest": "ab" * 32,
        "inputs_digest": series.inputs_digest,
        "recipe_digest": "cd" * 32,
        "read_at": READ_AT,
        "runtime": "none",
    }
    return Provenance(**(values | changes))


def case_of(series: LoadedSeries, reading: Reading, card: Card, **changes: Any) -> Case:
    """Return the case of a reading; keywords change its provenance, `report` the site's wishes."""
    report = changes.pop("report", None)
    return Case.of(series, reading, provenance_of(series, card, **changes), report)
