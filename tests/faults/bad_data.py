"""Instances that are wrong in one way, and what a node made of them; for the rows of bad data."""

from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from dicom_node.datasets.part10 import encode_meta, read_meta
from dicom_node.errors import NotDicom
from tests.faults.a_node import ANode
from tests.faults.wire_bytes import EXPLICIT
from tests.unit.dicom_node.instances import CT, SOP, encode
from worker.jobs.admin_rows import JobRow

#: The model that the node of these rows has.
MODEL = "constant-answer"


def announced(path: Path, data: bytes, *, sop: str = SOP, syntax: str = EXPLICIT) -> Path:
    """Write a file whose meta information, and so the request made from it, says what it is told to."""
    meta = encode_meta(
        sop_class_uid=CT, sop_instance_uid=sop, transfer_syntax_uid=syntax, calling_ae_title="A", called_ae_title="B"
    )
    path.write_bytes(meta + data)
    return path


def jobs_of(node: ANode, study: str) -> list[JobRow]:
    """Return the model's jobs for a study, oldest first."""
    return sorted(
        (job for job in node.jobs() if (job.study_instance_uid, job.model_id) == (study, MODEL)), key=lambda job: job.id
    )


def study_of(files: list[Path]) -> str:
    """Return the study that files belong to."""
    return str(pydicom.dcmread(files[0]).StudyInstanceUID)


def with_uid(content: Dataset, keyword: str, uid: str) -> bytes:
    """Return a dataset's bytes with whatever stands for a UID in one element."""
    setattr(content, keyword, "1.2.17")
    value = uid.encode("latin-1")
    value += b"\0" if len(value) % 2 else b""
    data = encode(content)
    tag = pydicom.datadict.tag_for_keyword(keyword)
    assert tag is not None
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + b"UI"
    start = data.index(head)
    return data[:start] + head + len(value).to_bytes(2, "little") + value + data[start + 8 + 6 :]


def everything(folder: Path) -> set[Path]:
    """Return every file that is no log and no database: what a request can have written."""
    return {
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".log" and not path.name.startswith("ledger.sqlite3")
    }


def changed(files: list[Path], folder: Path, change: Callable[[Dataset], None]) -> list[Path]:
    """Write files anew with something changed in each."""
    folder.mkdir()
    made = []
    for file in files:
        content = pydicom.dcmread(file)
        change(content)
        made.append(folder / file.name)
        content.save_as(made[-1])
    return made


COMPRESSED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")


def odd_files(shared_data: Path) -> list[Path]:
    """Return the DICOM files among real odd ones."""
    found = []
    for path in sorted((shared_data / "odd-series").rglob("*")):
        if path.is_file():
            try:
                found.append(read_meta(path).file)
            except NotDicom:
                continue
    return found
