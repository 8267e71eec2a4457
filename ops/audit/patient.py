"""Whose study a file is of, for the audit trail and nobody else."""

from pathlib import Path

import structlog

from dicom_node.archives.identity import StudyIdentity
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import NodeError
from worker.instances.bounded_inflating import read_header

_log = structlog.get_logger()

_TAGS = ["SpecificCharacterSet", *StudyIdentity.keywords()]


def patient_of(file: Path) -> StudyIdentity:
    """Read it; a message without a patient is better than none."""
    try:
        return StudyIdentity.of(read_header(file, _TAGS))
    except (NodeError, *PARSE_ERRORS) as error:
        # Not its words: pydicom quotes the value.
        _log.warning("audit message without patient", file=str(file), kind=type(error).__name__)
        return StudyIdentity()
