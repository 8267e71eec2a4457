"""Small planar images for tests: X-ray, mammography, ultrasound, valid by dciodvfy where a mammogram's codes are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.uid as uids
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset

from worker.provenance import derived_uid

CLASSES: Mapping[str, tuple[str, str]] = {
    "CR": ("CR", uids.ComputedRadiographyImageStorage),
    "DX": ("DX", uids.DigitalXRayImageStorageForPresentation),
    "DX for processing": ("DX", uids.DigitalXRayImageStorageForProcessing),
    "MG": ("MG", uids.DigitalMammographyXRayImageStorageForPresentation),
    "US": ("US", uids.UltrasoundImageStorage),
    "US multi-frame": ("US", uids.UltrasoundMultiFrameImageStorage),
    "XA": ("XA", uids.XRayAngiographicImageStorage),
    "SC": ("OT", uids.SecondaryCaptureImageStorage),
}


def write_planar_image(
    file: Path,
    array: NDArray[np.generic],
    *,
    kind: str = "DX",
    seed: int = 0,
    number: int = 1,
    bits: int = 12,
    photometric: str = "MONOCHROME2",
    attributes: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
) -> Path:
    """Write one image and return its file.

    Args:
        file: Its folder is made if need be.
        array: Stored values, uint8 or uint16 ``(rows, columns)``, ``(frames, rows, columns)`` of a multi-frame kind,
            or uint8 with a last axis of three colours.
        kind: One of `CLASSES`.
        seed: Decides study and series; images of one seed are one series.
        number: Instance Number; decides the instance.
        bits: Bits Stored of grey values.
        photometric: Photometric Interpretation.
        attributes: Keywords to set after everything else.
        without: Keywords to leave out.
    """
    dataset = _common(seed, number, *CLASSES[kind])
    dataset.PixelSpacing = ["0.2", "0.25"]
    if dataset.Modality in ("DX", "MG"):
        dataset.ImagerPixelSpacing = ["0.2", "0.25"]
    _store_pixels(dataset, array, bits, photometric, frames="multi-frame" in kind or kind == "XA")
    for keyword, value in (attributes or {}).items():
        setattr(dataset, keyword, value)
    for keyword in without:
        if keyword in dataset:
            delattr(dataset, keyword)
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uids.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationClassUID = derived_uid("test", "implementation")
    dataset.save_as(file, enforce_file_format=True)
    return file


def a_chest(rows: int = 60, columns: int = 48) -> NDArray[np.uint16]:
    """Return a bright body with two darker lungs, 12 bits, as MONOCHROME2; lopsided, so that no turn of it fits."""
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    lungs = (((x - 0.4) / 0.25) ** 2 + (y / 0.6) ** 2 < 1) | (((x + 0.4) / 0.28) ** 2 + ((y + 0.1) / 0.5) ** 2 < 1)
    return np.asarray(3000 - 2000 * lungs + 100 * (x + y), np.uint16)


def groups_at(*times: int) -> list[Dataset]:
    """Return functional groups of frames that were taken at these times (Temporal Position Index (0020,9128))."""
    groups = []
    for time in times:
        content, group = Dataset(), Dataset()
        content.TemporalPositionIndex = time
        group.FrameContentSequence = [content]
        groups.append(group)
    return groups


def _common(seed: int, number: int, modality: str, sop_class: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = derived_uid("test", "planar", str(seed), modality, "instance", str(number))
    dataset.StudyInstanceUID = derived_uid("test", "planar", str(seed), "study")
    dataset.SeriesInstanceUID = derived_uid("test", "planar", str(seed), modality, "series")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20240102"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "101112"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.AccessionNumber = f"ACC{seed}"
    dataset.Modality = modality
    dataset.Manufacturer = "wetread test"
    dataset.ReferringPhysicianName = ""
    dataset.PatientName = "Test^Chest"
    dataset.PatientID = "TEST-2"
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "F"
    dataset.PatientAge = "054Y"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.Laterality = ""
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = number
    return dataset


def _store_pixels(dataset: Dataset, array: NDArray[np.generic], bits: int, photometric: str, *, frames: bool) -> None:
    colour = not photometric.startswith("MONOCHROME")
    grey = array.shape[:-1] if colour else array.shape
    if frames:
        dataset.NumberOfFrames = grey[0]
        if dataset.Modality == "US":
            dataset.FrameTime = "40"
            dataset.FrameIncrementPointer = 0x00181063
    dataset.Rows, dataset.Columns = grey[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = photometric
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = array.dtype.itemsize * 8
    dataset.BitsStored = 8 if array.dtype.itemsize == 1 else bits
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    data = np.ascontiguousarray(array).tobytes()
    dataset.PixelData = data + b"\x00" * (len(data) % 2)
