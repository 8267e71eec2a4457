"""What the objects of the benchmark are made of: a CT-like series of 300 slices, label maps of 1, 5 and 104 labels."""

import colorsys
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.card.card_parts import Concept, Label
from models.findings import Measurement, Reading, Structure
from models.volume import Volume
from tests.readings import ML, VOLUME, a_card, provenance_of
from worker.case.case import Case
from worker.series.series_volume import LoadedSeries, load_series
from worker.testing import write_mr_series

SHAPE = (300, 512, 512)
LABELS = (1, 5, 104)
#: Radii in slices, rows and columns of the blob, or of each: an organ of the body, a few large ones, all of them.
_RADII = {1: (90, 150, 170), 5: (50, 80, 80), 104: (26, 28, 28)}
_TISSUE = Concept(value="85756007", scheme="SCT", meaning="Tissue")


def write_inputs(folder: Path) -> None:
    """Write the series, the label maps and what dcmqi needs to know of them."""
    rng = np.random.default_rng(0)
    values = rng.integers(1000, 1060, size=SHAPE, dtype=np.uint16)
    attributes = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"}
    write_mr_series(folder / "series", array=values, spacing_mm=(1.5, 0.8, 0.8), attributes=attributes)
    np.save(folder / "values.npy", values)
    # Read once: what follows measures objects, not decoding.
    series = load_series(sorted((folder / "series").iterdir()), max_voxels=10**9)
    without_values = replace(_volume(series), array=np.zeros(1, np.float32))
    (folder / "series.pickle").write_bytes(pickle.dumps(replace(series, source=without_values)))
    (folder / "uids.json").write_text(json.dumps([str(dataset.SOPInstanceUID) for dataset in series.datasets]))
    for count in LABELS:
        labels = blobs(count)
        np.save(folder / f"labels-{count}.npy", labels)
        _write_nrrd(folder / f"labels-{count}.nrrd", labels, series)
        (folder / f"meta-{count}.json").write_text(json.dumps(_dcmqi_metadata(count)))


def blobs(count: int) -> NDArray[np.uint8]:
    """Return ellipsoids that do not overlap, numbered from 1, spread over the grid like organs over a body."""
    radii = _RADII[count]
    labels = np.zeros(SHAPE, np.uint8)
    per_axis = next(n for n in range(1, 10) if n**3 >= count)
    grid = np.stack(np.meshgrid(*[np.arange(per_axis)] * 3, indexing="ij"), -1).reshape(-1, 3)
    centres = ((grid[np.argsort(np.random.default_rng(count).random(len(grid)))[:count]] + 0.5) / per_axis) * SHAPE
    for number, centre in enumerate(centres, start=1):
        box = tuple(
            slice(max(0, int(c - r)), min(size, int(c + r) + 1))
            for c, r, size in zip(centre, radii, SHAPE, strict=True)
        )
        axes = [(np.arange(part.start, part.stop) - c) / r for part, c, r in zip(box, centre, radii, strict=True)]
        z, y, x = np.ix_(*axes)
        part = labels[box]
        part[(z**2 + y**2 + x**2 < 1) & (part == 0)] = number
    return labels


def case_of(folder: Path, count: int) -> Case:
    """Return the case of a reading that found these labels."""
    series: LoadedSeries = pickle.loads((folder / "series.pickle").read_bytes())  # noqa: S301  # written above
    labels = np.load(folder / f"labels-{count}.npy")
    volume = replace(_volume(series), array=np.load(folder / "values.npy", mmap_mode="r"))
    series = replace(series, source=volume)
    # Slice by slice: of the whole it would make eight bytes a voxel.
    voxels = sum(np.bincount(image.ravel(), minlength=count + 1) for image in labels)
    structures = tuple(
        Structure(
            label=label,
            voxels=int(voxels[label.number]),
            measurements=(Measurement(name=VOLUME, value=int(voxels[label.number]) * volume.voxel_ml, unit=ML),),
        )
        for label in labels_of(count)
    )
    card = a_card(labels=[label.model_dump() for label in labels_of(count)])
    return Case.of(series, Reading(labels=labels, structures=structures, runtime="none"), provenance_of(series, card))


def _volume(series: LoadedSeries) -> Volume:
    if not isinstance(series.source, Volume):
        raise TypeError("the series of the benchmark is a volume")
    return series.source


def labels_of(count: int) -> tuple[Label, ...]:
    """Return labels with names and colours of their own."""
    return tuple(
        Label(number=number, name=f"Structure {number}", concept=_TISSUE, colour_rgb=_colour(number, count))
        for number in range(1, count + 1)
    )


def _colour(number: int, count: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number / count, 0.8, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def _write_nrrd(file: Path, labels: NDArray[np.uint8], series: LoadedSeries) -> None:
    vectors = ["({:.9g},{:.9g},{:.9g})".format(*_volume(series).affine[:3, axis]) for axis in (2, 1, 0, 3)]
    header = [
        "NRRD0004", "type: unsigned char", "dimension: 3", "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, labels.shape[::-1]))}", f"space directions: {' '.join(vectors[:3])}",
        "kinds: domain domain domain", "encoding: raw", f"space origin: {vectors[3]}",
    ]  # fmt: skip
    file.write_bytes("\n".join(header).encode() + b"\n\n" + labels.tobytes())


def _dcmqi_metadata(count: int) -> dict[str, object]:
    tissue = {"CodeValue": _TISSUE.value, "CodingSchemeDesignator": _TISSUE.scheme, "CodeMeaning": _TISSUE.meaning}
    return {
        "ContentCreatorName": "none",
        "SeriesDescription": "benchmark",
        "SeriesNumber": "9000",
        "InstanceNumber": "1",
        "BodyPartExamined": "ABDOMEN",
        "segmentAttributes": [
            [
                {
                    "labelID": label.number,
                    "SegmentDescription": label.name,
                    "SegmentAlgorithmType": "AUTOMATIC",
                    "SegmentAlgorithmName": "benchmark",
                    "SegmentedPropertyCategoryCodeSequence": tissue,
                    "SegmentedPropertyTypeCodeSequence": tissue,
                    "recommendedDisplayRGBValue": list(label.colour_rgb),
                }
                for label in labels_of(count)
            ]
        ],
    }
