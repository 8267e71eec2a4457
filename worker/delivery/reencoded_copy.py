"""Another encoding of a result for an archive that does not take the one it was made in: same object, same values."""

from io import BytesIO
from pathlib import Path

from pydicom import dcmread, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.datasets.part10 import read_meta
from models.durable_file import write_durably
from worker.delivery.destination_settings import Encoding

_SYNTAXES = {"explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian}


def in_encoding(file: Path, encoding: Encoding) -> Path:
    """Return the file, or a copy beside it in this encoding: made once and kept, so that a re-send is the same bytes.

    Raises OSError.
    """
    if encoding == "as-made" or read_meta(file).transfer_syntax_uid == _SYNTAXES[encoding]:
        return file
    copy = file.with_suffix(f".{encoding}.dcm")
    if not copy.exists():
        write_durably(copy, _encoded(file, encoding))
    return copy


def _encoded(file: Path, encoding: Encoding) -> bytes:
    dataset = dcmread(file)
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    for element in dataset.iterall():
        del element  # read, so that each is written anew instead of as its old bytes
    dataset.file_meta.TransferSyntaxUID = _SYNTAXES[encoding]
    buffer = BytesIO()
    implicit = encoding == "implicit"
    dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()
