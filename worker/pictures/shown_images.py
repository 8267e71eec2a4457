"""Which images of a source the picture of a reading shows, and whether they say that a patient can be told from them.

What is burnt into a source's pixels, as a name into an ultrasound frame, is in every picture of them.
"""

from collections.abc import Sequence
from typing import Any

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from models.findings import Reading
from worker.case.case import Case
from worker.objects.key_slices import key_slices

#: (0028,0301) and (0028,0302): text that identifies a patient, and a face.
TELLING = ("BurnedInAnnotation", "RecognizableVisualFeatures")


def shown_places(case: Case) -> list[int]:
    """Return the slices or frames of the source that are drawn; a waveform is no image, and has none."""
    if "Rows" not in case.head:
        return []
    labels = case.reading.labels
    slices = len(case.series.frame_numbers) or len(case.series.datasets)
    return key_slices(case.reading, slices if labels is None else labels.shape[0])


def shown_uids(reading: Reading, uids: Sequence[str]) -> set[str]:
    """Return which of these images a picture shows: `uids` has the SOP Instance UID of each slice of the source."""
    return {uids[k] for k in key_slices(reading, len(uids))}


def told_of_shown(case: Case) -> dict[str, str]:
    """Return YES or NO for each of `TELLING`: YES where any image that is drawn says so of itself."""
    sources = case.series.datasets
    drawn = [sources[0 if case.series.frame_numbers else k] for k in shown_places(case)]
    return {keyword: "YES" if any(says_yes(each, keyword) for each in drawn) else "NO" for keyword in TELLING}


def says_yes(dataset: Any, keyword: str) -> bool:
    """Say whether an image says YES; a value that cannot be read says nothing."""
    try:
        return str(dataset.get(keyword) or "").strip().upper() == "YES"
    except PARSE_ERRORS:
        return False
