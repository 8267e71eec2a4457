"""What the images of a series show: part of the body, side and view; how finely, and how they were taken."""

from typing import Any

from models.volume import Image, Volume, Waveform
from worker.instances.acquired import Acquired, acquired_in
from worker.instances.depicted import Depicted, depicted_in
from worker.instances.sampling import Sampling
from worker.series.image_frames import said_between_slices_mm
from worker.series.series_volume import LoadedSeries


def depicted(series: LoadedSeries) -> dict[Depicted, Any]:
    """Return each that is shown, with the first image that shows it; of a volume all images show the same."""
    if isinstance(series.source, Waveform):
        return {}
    images = series.datasets if isinstance(series.source, Image) else series.datasets[:1]
    shown: dict[Depicted, Any] = {}
    for image in images:
        shown.setdefault(depicted_in(image), image)
    return shown


def sampling(series: LoadedSeries) -> Sampling | None:
    """Return how far apart slices and pixels of a volume lie; None where there is none."""
    return Sampling.of(series.source.spacing_mm) if isinstance(series.source, Volume) else None


def acquired(series: LoadedSeries) -> Acquired | None:
    """Return how the images of a volume were taken; None where there is none."""
    if not isinstance(series.source, Volume):
        return None
    first, frame = series.datasets[0], min(series.frame_numbers, default=1)
    return acquired_in(
        first,
        frame=frame,
        thickness_mm=said_between_slices_mm(first, "SliceThickness", frame),
        reach_mm=len(series.source.array) * series.source.spacing_mm[0],
    )
