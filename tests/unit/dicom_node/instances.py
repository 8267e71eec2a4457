"""Small DICOM instances for tests."""

from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.contexts import IMPLEMENTATION_CLASS_UID
from dicom_node.datasets.origin import Origin

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY, SERIES, SOP = "1.2.3.1", "1.2.3.1.1", "1.2.3.1.1.1"


def dataset(**values: Any) -> Dataset:
    """Return a CT instance without pixels; a value of None leaves the element out."""
    content: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": SOP,
        "Manufacturer": "somebody",
        "PatientName": "Canary^Bird",
        "PatientID": "canary",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        **values,
    }
    result = Dataset()
    for keyword, value in content.items():
        if value is not None:
            setattr(result, keyword, value)
    return result


def encode(content: Dataset, *, implicit: bool = False, big_endian: bool = False) -> bytes:
    """Return a dataset's bytes without file meta information."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, not big_endian
    write_dataset(stream, content)
    return bytes(stream.getvalue())


def incoming(content: Dataset | bytes | None = None, **values: Any) -> tuple[Origin, bytes]:
    """Return what a C-STORE request says and brings, for a dataset or for the usual one."""
    data = content if isinstance(content, bytes) else encode(content or dataset())
    fields: dict[str, Any] = {
        "sop_class_uid": CT,
        "sop_instance_uid": SOP,
        "transfer_syntax_uid": str(ExplicitVRLittleEndian),
        "calling_ae_title": "SENDER",
        "called_ae_title": "WETREAD",
        "sender_address": "127.0.0.1",
        **values,
    }
    return Origin(**fields), data


def write_file(path: Path, content: Dataset | None = None, *, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a dataset as a DICOM file, in a syntax that is not compressed."""
    content = content or dataset()
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = syntax
    content.file_meta.MediaStorageSOPClassUID = content.SOPClassUID
    content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID
    content.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    stream = BytesIO()
    content.save_as(stream, enforce_file_format=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue())
    return path
