"""Small series for tests: written as files, valid by dciodvfy, with UIDs that a seed decides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from worker.provenance import derived_uid

#: Rows run to the patient's left, columns to the back: axial, slices to the head.
_STRAIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
#: The same turned by 20 degrees about the left-right axis, then by 10 about the slice axis.
_OBLIQUE_DEGREES = (20.0, 10.0)


def write_mr_series(
    folder: Path,
    *,
    seed: int = 0,
    slices: int = 12,
    rows: int = 32,
    columns: int = 28,
    spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0),
    oblique: bool = False,
    patient_name: str = "Test^Head",
    patient_id: str = "TEST-1",
    character_set: str | list[str] = "ISO_IR 192",
    array: NDArray[np.uint16] | None = None,
    attributes: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
) -> list[Path]:
    """Write an axial single-frame MR series and return its files in slice order (feet to head).

    The seed decides the Study, Series, Frame of Reference and SOP Instance UIDs and the noise, nothing else does.

    Args:
        folder: Made if need be; the files are ``0000.dcm`` and so on.
        seed: Another seed is another study.
        slices: Number of files.
        rows: Of each image.
        columns: Of each image.
        spacing_mm: Between slices, rows and columns.
        oblique: Turn the grid out of the patient's axes.
        patient_name: (0010,0010), encoded in ``character_set``.
        patient_id: (0010,0020).
        character_set: (0008,0005); an empty string leaves it out.
        array: Values, uint16 ``(slices, rows, columns)``; left out, a bright ellipsoid with a darker core in noise.
        attributes: Keywords to set on every file after everything else.
        without: Keywords to leave out of every file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = head_phantom(slices, rows, columns, seed=seed) if array is None else array
    affine = _affine(values.shape, spacing_mm, oblique=oblique)
    files = []
    for k in range(values.shape[0]):
        dataset = _common(seed, patient_name, patient_id, character_set)
        _place(dataset, affine, spacing_mm, k)
        _store_pixels(dataset, values[k])
        dataset.SOPInstanceUID = derived_uid("test", str(seed), "instance", str(k))
        dataset.InstanceNumber = k + 1
        for keyword, value in (attributes or {}).items():
            setattr(dataset, keyword, value)
        for keyword in without:
            if keyword in dataset:
                delattr(dataset, keyword)
        files.append(_save(dataset, folder / f"{k:04d}.dcm"))
    return files


def head_phantom(slices: int, rows: int, columns: int, *, seed: int = 0) -> NDArray[np.uint16]:
    """Return an ellipsoid that fills two thirds of the grid, with a darker core; uint16 ``(slices, rows, columns)``."""
    z, y, x = np.ogrid[-1 : 1 : slices * 1j, -1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    radius = np.sqrt(z**2 + y**2 + x**2)
    noise = np.random.default_rng(seed).integers(0, 30, size=(slices, rows, columns))
    return np.asarray(800 * (radius < 2 / 3) - 400 * (radius < 1 / 3) + noise, dtype=np.uint16)


def _affine(shape: tuple[int, ...], spacing_mm: tuple[float, float, float], *, oblique: bool) -> NDArray[np.float64]:
    along_row, along_column = (np.array(direction) for direction in _STRAIGHT)
    turn = _rotation(*_OBLIQUE_DEGREES) if oblique else np.eye(3)
    along_row, along_column = turn @ along_row, turn @ along_column
    affine = np.eye(4)
    affine[:3, 0] = np.cross(along_row, along_column) * spacing_mm[0]
    affine[:3, 1] = along_column * spacing_mm[1]
    affine[:3, 2] = along_row * spacing_mm[2]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _rotation(about_x_degrees: float, about_z_degrees: float) -> NDArray[np.float64]:
    a, b = np.radians(about_x_degrees), np.radians(about_z_degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return np.asarray(about_x @ about_z, dtype=np.float64)


def _common(seed: int, patient_name: str, patient_id: str, character_set: str | list[str]) -> Dataset:
    dataset = Dataset()
    if character_set:
        dataset.SpecificCharacterSet = character_set
    dataset.SOPClassUID = MRImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20240102"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "101112"
    dataset.AccessionNumber = f"ACC{seed}"
    dataset.Modality = "MR"
    dataset.Manufacturer = "wetread test"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "HEAD"
    dataset.SeriesDescription = "T1w 3D"
    dataset.PatientName = patient_name
    dataset.PatientID = patient_id
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "F"
    dataset.PatientAge = "054Y"
    dataset.BodyPartExamined = "HEAD"
    dataset.ScanningSequence = "GR"
    dataset.SequenceVariant = "MP"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "3D"
    dataset.RepetitionTime = "2300"
    dataset.EchoTime = "2.98"
    dataset.EchoTrainLength = 1
    dataset.MagneticFieldStrength = "3"
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = derived_uid("test", str(seed), "study")
    dataset.SeriesInstanceUID = derived_uid("test", str(seed), "series")
    dataset.FrameOfReferenceUID = derived_uid("test", str(seed), "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.StudyID = "1"
    dataset.SeriesNumber = 3
    return dataset


def _place(dataset: Dataset, affine: NDArray[np.float64], spacing_mm: tuple[float, float, float], k: int) -> None:
    # A DS holds at most 16 characters (PS3.5 6.2).
    dataset.ImagePositionPatient = [f"{value:.8f}"[:16] for value in affine[:3, :3] @ (k, 0, 0) + affine[:3, 3]]
    along_row, along_column = affine[:3, 2] / spacing_mm[2], affine[:3, 1] / spacing_mm[1]
    dataset.ImageOrientationPatient = [f"{value:.12f}"[:16] for value in (*along_row, *along_column)]
    dataset.PixelSpacing = [f"{spacing_mm[1]:.8g}", f"{spacing_mm[2]:.8g}"]
    dataset.SliceThickness = f"{spacing_mm[0]:.8g}"
    dataset.SpacingBetweenSlices = f"{spacing_mm[0]:.8g}"


def _store_pixels(dataset: Dataset, image: NDArray[np.uint16]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.ascontiguousarray(image, dtype="<u2").tobytes()


def _save(dataset: Dataset, file: Path) -> Path:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationClassUID = derived_uid("test", "implementation")
    dataset.save_as(file, enforce_file_format=True)
    return file
