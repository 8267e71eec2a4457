"""The voxels of a reading as a Label Map Segmentation (PS3.3 C.8.20.2), one number a voxel: small, and fast to load.

The same segments as in the SEG, under the same numbers and tracking UIDs.
"""

import highdicom as hd
from pydicom.uid import RLELossless

from worker.case.case import Case
from worker.objects.segmentation import segmentation_as
from worker.objects.segments import overlapping, segmented

#: Label Map Segmentation Storage; pydicom has no name for it yet.
LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"


def build_labelmap(case: Case) -> hd.seg.Segmentation | None:
    """Return the label map of a reading in RLE Lossless; None where nothing was found or a voxel has two segments.

    Raises SourceRefused when the source lacks its Frame of Reference or highdicom cannot place a segment in it.
    """
    if not segmented(case.reading) or overlapping(case.reading):
        return None
    made = segmentation_as(
        case,
        kind="LABELMAP",
        segmentation_type=hd.seg.SegmentationTypeValues.LABELMAP,
        transfer_syntax_uid=RLELossless,
    )
    # OHIF (3.13.2) gives the segments the colours of the items by their place, not by their number: with the background
    # first, each structure would have the colour of another. The order means nothing in DICOM (PS3.3 C.8.20.2).
    background, *segments = made.SegmentSequence
    made.SegmentSequence = [*segments, background]
    return made
