"""Whose study a file is of, for the audit trail and nobody else."""

from pathlib import Path

import structlog
from pydicom import dcmread

from dicom_node.errors import NodeError
from dicom_node.identity import StudyIdentity
from dicom_node.part10 import read_meta
from worker.bounded_inflating import is_deflated, read_deflated_header
from worker.pydicom_errors import PARSE_ERRORS

_log = structlog.get_logger()

_TAGS = ["SpecificCharacterSet", *StudyIdentity.keywords()]


def patient_of(file: Path) -> StudyIdentity:
    """Read it; a message without a patient is better than none."""
    try:
        meta = read_meta(file)
        if is_deflated(meta):
            return StudyIdentity.of(read_deflated_header(file, meta.dataset_start, _TAGS))
        return StudyIdentity.of(dcmread(file, stop_before_pixels=True, specific_tags=_TAGS))
    except (NodeError, *PARSE_ERRORS) as error:
        # Not its words: pydicom quotes the value.
        _log.warning("audit message without patient", file=str(file), kind=type(error).__name__)
        return StudyIdentity()
