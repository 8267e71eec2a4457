"""What the images of an earlier read were, by the image libraries of its reports (TID 1600)."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pydicom.dataset import Dataset

from worker.gate.bundle import children, content_items, name_of
from worker.instances.acquired import Acquired
from worker.instances.depicted import Depicted, depicted_by
from worker.instances.instance_hierarchy import listed_references
from worker.instances.sampling import Sampling

_LIBRARY_GROUP = ("126200", "DCM")
#: What TID 1602 says of an image: side, view, part of the body; and TID 1604, of distances of slices, rows, columns,
#: and how thick a slice is.
_DESCRIPTORS = (("111027", "DCM"), ("111031", "DCM"), ("123014", "DCM"))
_DISTANCES = (("112226", "DCM"), ("111066", "DCM"), ("111026", "DCM"))
_THICKNESS = ("112225", "DCM")
_KERNEL = ("113961", "DCM")
_AGENT = ("123011", "DCM")
_AGENTS = {("7140000", "SCT"): True, ("260413007", "SCT"): False}
_MILLIMETRE = "mm"


def depicted_then(reports: Iterable[Dataset]) -> Iterator[Depicted]:
    """Yield what each image of the reports' libraries shows."""
    for image in _images(reports):
        side, view, region = (
            [child.ConceptCodeSequence[0] for child in children(image, *name)[:1]] for name in _DESCRIPTORS
        )
        yield depicted_by(side=side, view=view, region=region)


def sampling_then(reports: Iterable[Dataset]) -> Sampling | None:
    """Return how far apart slices and pixels lay; None where the reports do not say it, or say several things."""
    found = {sampling for image in _images(reports) if (sampling := _sampling_of(image)) is not None}
    return found.pop() if len(found) == 1 else None


def acquired_then(reports: Iterable[Dataset]) -> Acquired:
    """Return how the images were taken; what the reports do not say, or say in several ways, is None."""
    reports = list(reports)
    images = list(_images(reports))
    agents = {agent for image in images for agent in _agents(image)}
    kernels = {str(item.get("TextValue") or "") for image in images for item in children(image, *_KERNEL)}
    thick = {
        number for image in images for number in _millimetres(image, _THICKNESS) if math.isfinite(number) and number > 0
    }
    return Acquired(
        contrast=agents.pop() if len(agents) == 1 else None,
        thickness_mm=thick.pop() if len(thick) == 1 else None,
        kernel=kernels.pop() if len(kernels) == 1 else "",
        reach_mm=_reach_mm(reports),
    )


def _reach_mm(reports: Sequence[Dataset]) -> float | None:
    """Return how far the slices reached: the evidence lists those that were read, of each series by itself.

    None of a multi-frame image, which is listed as one.
    """
    found, sampling = set(), sampling_then(reports)
    for report in reports:
        listed = listed_references(report, "CurrentRequestedProcedureEvidenceSequence")
        series_of = {one.sop_instance_uid: one.series_instance_uid for one in listed}
        slices = Counter(series_of.values())
        for image in _images([report]):
            found.add(slices[series_of.get(str(image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID), "")])
    count = found.pop() if len(found) == 1 else 0
    return count * sampling.slices if sampling is not None and count > 1 else None


def _agents(image: Dataset) -> Iterator[bool | None]:
    """Yield whether a contrast agent is said to be named; None for what neither says it nor denies it."""
    for item in children(image, *_AGENT):
        code = item.ConceptCodeSequence[0]
        yield _AGENTS.get((str(code.get("CodeValue")), str(code.get("CodingSchemeDesignator"))))


def _sampling_of(image: Dataset) -> Sampling | None:
    said = [list(_millimetres(image, name)) for name in _DISTANCES]
    if any(len(numbers) != 1 for numbers in said):
        return None
    (slices,), (rows,), (columns,) = said
    sampling = Sampling.of((slices, rows, columns))
    return sampling if sampling.is_sound() else None


def _millimetres(image: Dataset, name: tuple[str, str]) -> Iterator[float]:
    for item in children(image, *name):
        for measured in item.get("MeasuredValueSequence") or ():
            if measured.MeasurementUnitsCodeSequence[0].CodeValue == _MILLIMETRE:
                yield float(measured.NumericValue)


def _images(reports: Iterable[Dataset]) -> Iterator[Dataset]:
    groups = (item for report in reports for item in content_items(report) if name_of(item) == _LIBRARY_GROUP)
    return (child for group in groups for child in group.get("ContentSequence", ()) if child.ValueType == "IMAGE")
