"""SR-A: what was found where, a Comprehensive 3D SR by TID 1500 that viewers draw on the source images.

A TID 1410 group with one region for each detection and no other kind of group: OHIF shows nothing of a report in which
one has no coordinates, and draws the labels of two regions of one group on top of each other.
"""

import numpy as np
from highdicom.sr import GraphicTypeValues, ImageRegion, SourceImageForRegion
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from models.findings import Detection
from worker.case.case import Case
from worker.case.other_series_words import what_was_measured
from worker.objects.graphic_points import within_limit
from worker.objects.measurement_groups import Groups, measurement_report


def build_region_report(case: Case) -> Dataset:
    """Return the SR of a reading's detections, of which there is at least one."""
    groups = Groups.of(case)
    made = [groups.of_thing(detection, "1410", [_region(case, detection)]) for detection in case.reading.detections]
    return measurement_report(case, made, case.series.evidence, "REGION-SR", comments=what_was_measured(case))


def _region(case: Case, detection: Detection) -> ImageRegion:
    series = case.series
    # One dataset of several frames, or one dataset a slice.
    frame = series.frame_numbers[detection.slice_index] if series.frame_numbers else None
    image = series.datasets[0 if frame else detection.slice_index]
    return ImageRegion(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=graphic_data(detection, rows=int(image.Rows), columns=int(image.Columns)),
        source_image=SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID, [frame] if frame else None),
    )


def graphic_data(detection: Detection, *, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the outline as Graphic Data, ``(points, 2)`` column and row, closed by its first point (PS3.3 C.18.6.1).

    There (0.5, 0.5) is the centre of the first pixel. What lies outside the image is brought to its edge.
    """
    corners = np.asarray(detection.outline, np.float64)[:, ::-1] + 0.5
    closed = within_limit(np.vstack([corners, corners[:1]]))
    return np.clip(closed, 0.0, (columns, rows)).astype(np.float32)
