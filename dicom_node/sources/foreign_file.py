"""Other people's DICOM files: their meta information as it should be, also where a dataset has none.

Older tools store a dataset as it comes over an association, without preamble and file meta information (PS3.10 7.1).
Nothing in such a file says that it is DICOM, so it counts as one only where it begins as images do and has all four
UIDs in their places.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import IO

from dicom_node.datasets.elements import encoding_of, read_element
from dicom_node.datasets.head import Head, first_of_group, read_head
from dicom_node.datasets.origin import require_uid
from dicom_node.datasets.part10 import FileMeta, encode_meta, mapped, meta_in
from dicom_node.datasets.wholeness import is_whole
from dicom_node.errors import HeadUnreadable, InvalidUid, MetaUnreadable, NotDicom

_IMPLICIT, _EXPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
#: Group 0008, with which the dataset of every composite instance begins, in little and in big endian.
_LITTLE_FIRST, _BIG_FIRST = b"\x08\x00", b"\x00\x08"
_PIXELS = 0x7FE0
_UNCOMPRESSED = 0x0008  # (7FE0,0008) and on hold pixels; before them are the tables of encapsulated frames


def may_be_dicom(start: bytes) -> bool:
    """Say whether a file that begins so, with its first 132 bytes, is a DICOM file or may be a dataset alone."""
    return start[128:132] == b"DICM" or start[:2] in (_LITTLE_FIRST, _BIG_FIRST)


def read_meta_to_send(file: Path) -> FileMeta:
    """Read a file's meta information with the dataset's own UIDs, which a request must name (PS3.4 B.2.3).

    Anonymisers leave others in the meta information, and a dataset may have none. Raises NotDicom, OSError.
    """
    with mapped(file) as view:
        if bytes(view[128:132]) != b"DICM":
            return _of_bare(file, view)
        meta = meta_in(file, view)
        try:
            with view[meta.dataset_start :] as dataset:
                head = read_head(dataset, meta.transfer_syntax_uid)
        except HeadUnreadable:
            return meta
    own = (head.sop_class_uid or meta.sop_class_uid, head.sop_instance_uid or meta.sop_instance_uid)
    if own == (meta.sop_class_uid, meta.sop_instance_uid):
        return meta
    return replace(meta, sop_class_uid=own[0], sop_instance_uid=own[1], corrected=True)


def write_with_meta(file: FileMeta, to: IO[bytes], *, calling_ae_title: str, called_ae_title: str) -> None:
    """Write a file with the meta information that `read_meta_to_send` found, and its dataset as it is."""
    to.write(
        encode_meta(
            sop_class_uid=file.sop_class_uid,
            sop_instance_uid=file.sop_instance_uid,
            transfer_syntax_uid=file.transfer_syntax_uid,
            calling_ae_title=calling_ae_title,
            called_ae_title=called_ae_title,
        )
    )
    with file.file.open("rb") as source:
        source.seek(file.dataset_start)
        shutil.copyfileobj(source, to)


def _of_bare(file: Path, view: memoryview) -> FileMeta:
    """Return the meta information that a dataset without any should have. Raises NotDicom."""
    none = f"{file}: no DICM at byte 128; is it a DICOM file (PS3.10)?"
    syntax = _syntax_of(view)
    if syntax is None:
        raise NotDicom(none)
    try:
        head = read_head(view, syntax)
        sop_class_uid, sop_instance_uid = _required(head)
    except (HeadUnreadable, InvalidUid) as error:
        raise NotDicom(none) from error
    if not is_whole(view, syntax):
        raise MetaUnreadable(f"{file}: a dataset without file meta information, and truncated; copy the file anew")
    pixels = first_of_group(view, syntax, _PIXELS)
    if pixels is not None and pixels.tag[0] == _PIXELS and (pixels.length is None or pixels.tag[1] < _UNCOMPRESSED):
        raise MetaUnreadable(
            f"{file}: compressed pixels, and no file meta information that says how; write the file anew with a DICOM "
            "tool that knows"
        )
    return FileMeta(
        file=file,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=syntax,
        source_ae_title="",
        dataset_start=0,
        size_bytes=len(view),
        corrected=True,
    )


def _syntax_of(view: memoryview) -> str | None:
    """Return how a dataset is encoded by how it begins; None where it begins as none does."""
    start = bytes(view[:2])
    if start == _LITTLE_FIRST:
        return _EXPLICIT if _has_vr(view, _EXPLICIT) else _IMPLICIT
    # Retired, and explicit alone: ACR-NEMA's implicit one never was a transfer syntax.
    return _BIG_ENDIAN if start == _BIG_FIRST and _has_vr(view, _BIG_ENDIAN) else None


def _has_vr(view: memoryview, syntax: str) -> bool:
    """Say whether the first element has a VR; of an implicit one there stands the length, which is a small number."""
    try:
        read_element(view, 0, encoding_of(syntax))
    except HeadUnreadable:
        return False
    return True


def _required(head: Head) -> tuple[str, str]:
    """Return SOP Class and Instance UID. Raises InvalidUid where one of the four UIDs is missing or none."""
    uids = (head.sop_class_uid, head.sop_instance_uid, head.study_instance_uid, head.series_instance_uid)
    for uid in uids:
        require_uid("a UID", uid or "")
    return uids[0] or "", uids[1] or ""
