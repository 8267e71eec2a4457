"""The picture as a Secondary Capture Image (PS3.3 A.8.1): one frame of true colour, which every viewer shows."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from worker.case.case import Case
from worker.case.picture_words import banner
from worker.instances.source_repairs import lossy_compression_of
from worker.objects.object_encoding import stamp
from worker.pictures.picture import pixels_of
from worker.pictures.shown_images import shown_places, told_of_shown


def build_summary_image(case: Case) -> Dataset:
    """Return the Secondary Capture of a reading."""
    pixels = pixels_of(case)
    image = Dataset()
    stamp(image, case, kind="SC", sop_class_uid=SecondaryCaptureImageStorage)
    image.ConversionType = "WSD"
    image.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    image.PatientOrientation = ""  # Type 2C: several images are in it
    # These ask whether a patient can be told from the pixels: our words name the model alone, a source's may name more.
    for keyword, value in told_of_shown(case).items():
        setattr(image, keyword, value)
    image.DerivationDescription = banner(case)
    if sources := _sources(case):
        image.SourceImageSequence = sources
    if case.head.get("LossyImageCompression") == "01":
        image.update(lossy_compression_of(case.head))
    image.SamplesPerPixel = 3
    image.PhotometricInterpretation = "RGB"
    image.PlanarConfiguration = 0
    image.Rows, image.Columns = pixels.shape[:2]
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit = 7
    image.PixelRepresentation = 0
    image.PixelData = np.ascontiguousarray(pixels).tobytes()
    return image


def _sources(case: Case) -> list[Dataset]:
    """Return references to the images whose slices are shown; a waveform is no image, and has none."""
    series = case.series
    references = []
    for k in shown_places(case):
        source = series.datasets[0] if series.frame_numbers else series.datasets[k]
        reference = Dataset()
        reference.ReferencedSOPClassUID = source.SOPClassUID
        reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
        if series.frame_numbers:
            reference.ReferencedFrameNumber = series.frame_numbers[k]
        references.append(reference)
    return references
