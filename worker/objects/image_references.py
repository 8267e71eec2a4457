"""How a result names an image that was read: by instance and, of a multi-frame one, by frame."""

from pydicom.dataset import Dataset

from worker.case.case import Case


def image_count(case: Case) -> int:
    """Return how many images, or frames, were read; 0 for a waveform."""
    return len(case.series.frame_numbers or case.series.datasets) if "Rows" in case.head else 0


def image_reference(case: Case, slice_index: int) -> Dataset:
    """Return the Image SOP Instance Reference (PS3.3 10.3) of a slice of the source."""
    frames = case.series.frame_numbers
    source = case.series.datasets[0 if frames else slice_index]
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    if frames:
        reference.ReferencedFrameNumber = frames[slice_index]
    return reference


def image_references(case: Case, slice_indices: list[int]) -> list[Dataset]:
    """Return references to these slices, in their order; the frames of one multi-frame image in one item."""
    frames = case.series.frame_numbers
    if not frames or not slice_indices:
        return [image_reference(case, k) for k in slice_indices]
    reference = image_reference(case, slice_indices[0])
    reference.ReferencedFrameNumber = [frames[k] for k in slice_indices]
    return [reference]
