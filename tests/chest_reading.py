"""A chest CT of an open data set and a reading of it whose answer is known: no network runs.

The images: Lung-PET-CT-Dx (Li et al., The Cancer Imaging Archive, 2020, CC BY 4.0), patient A0001.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from scipy import ndimage

from models.card.card_parts import Concept, Label
from models.card.manifest import Card
from models.findings import Detection, Measurement, Reading, Structure
from models.interpreting.instances import DIAMETER, MILLIMETRE
from models.volume import Volume
from tests.readings import ML, NODULE, VOLUME, a_card
from worker.series.series_volume import LoadedSeries

#: Through the tumour; OHIF opens the last of them first.
_SLICES = slice(36, 47)
_AIR_HU = -500.0
_BOX = re.compile(r"<[xy](?:min|max)>(\d+)<")
#: Columns of the image between which it lies.
_TRACHEA = slice(254, 272)
#: Row, column and radius in mm of the region that is made up.
_MADE_UP = (250.0, 190.0, 6.0)

#: By the side of the image on which they lie.
LUNGS = (
    Label(
        number=1,
        name="Right lung",
        concept=Concept(value="3341006", scheme="SCT", meaning="Right lung"),
        colour_rgb=(40, 140, 230),
    ),
    Label(
        number=2,
        name="Left lung",
        concept=Concept(value="44029006", scheme="SCT", meaning="Left lung"),
        colour_rgb=(240, 160, 30),
    ),
)


def chest_card() -> Card:
    """Return the card of a model of lungs and nodules."""
    labels = [label.model_dump() for label in (*LUNGS, NODULE)]
    return a_card(id="test-chest", name="Test chest", labels=labels)


def chest_files(shared_data: Path, folder: Path) -> list[Path]:
    """Link the slices through the tumour into a folder and return them, feet to head."""
    found = sorted(
        (shared_data / "chest-ct/series-2").rglob("*.dcm"),
        key=lambda file: float(dcmread(file, stop_before_pixels=True).ImagePositionPatient[2]),
    )[_SLICES]
    folder.mkdir(parents=True)
    for file in found:
        (folder / file.name).symlink_to(file)
    return [folder / file.name for file in found]


def chest_reading(series: LoadedSeries, shared_data: Path) -> Reading:
    """Return the lungs by a threshold, the tumour as the data set's box, and a region of 12.0 mm that is made up."""
    volume = series.source
    assert isinstance(volume, Volume)
    labels = _lungs(volume)
    tumour = _tumour(series, shared_data / "chest-ct/annotation")
    return Reading(
        labels=labels,
        structures=tuple(_structure(label, int((labels == label.number).sum()), volume) for label in LUNGS),
        detections=(tumour, _made_up(volume, tumour.slice_index)),
        runtime="none",
        warnings=("Lungs by a threshold, regions by hand: nothing here was found by a model.",),
    )


def _lungs(volume: Volume) -> NDArray[np.uint8]:
    """Return the large bodies of air on either side within the patient, each with the vessels that it encloses."""
    air, _ = ndimage.label(volume.array < _AIR_HU)
    rim = (air[:, 0], air[:, -1], air[:, :, 0], air[:, :, -1])
    air[np.isin(air, np.unique(np.concatenate([side.ravel() for side in rim])))] = 0
    inner = ndimage.binary_closing(air > 0, np.ones((1, 5, 5)))
    inner = ndimage.binary_opening(inner, ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 4)[None])
    labels = np.zeros(volume.array.shape, np.uint8)
    for label, side in zip(LUNGS, (slice(None, _TRACHEA.start), slice(_TRACHEA.stop, None)), strict=True):
        parts, _ = ndimage.label(inner[:, :, side])
        largest = int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
        labels[:, :, side][parts == largest] = label.number
    return labels


def _structure(label: Label, voxels: int, volume: Volume) -> Structure:
    return Structure(
        label=label, voxels=voxels, measurements=(Measurement(name=VOLUME, value=voxels * volume.voxel_ml, unit=ML),)
    )


def _tumour(series: LoadedSeries, annotations: Path) -> Detection:
    boxes = {
        k: [float(number) for number in _BOX.findall(file.read_text())]
        for k, dataset in enumerate(series.datasets)
        if (file := annotations / f"{dataset.SOPInstanceUID}.xml").is_file()
    }
    place, (left, top, right, bottom) = max(boxes.items(), key=lambda item: item[1][3] - item[1][1])
    spacing_mm = float(series.datasets[0].PixelSpacing[0])
    return _detection(
        1, place, ((top, left), (top, right), (bottom, right), (bottom, left)), (bottom - top) * spacing_mm
    )


def _made_up(volume: Volume, place: int) -> Detection:
    row, column, radius_mm = _MADE_UP
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    outline = tuple(
        (
            row + radius_mm / volume.spacing_mm[1] * float(np.sin(a)),
            column + radius_mm / volume.spacing_mm[2] * float(np.cos(a)),
        )
        for a in angles
    )
    return _detection(2, place, outline, 2 * radius_mm)


def _detection(number: int, place: int, outline: tuple[tuple[float, float], ...], diameter_mm: float) -> Detection:
    return Detection(
        number=number,
        label=NODULE,
        slice_index=place,
        outline=outline,
        measurements=(Measurement(name=DIAMETER, value=diameter_mm, unit=MILLIMETRE),),
    )
