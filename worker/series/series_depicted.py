"""What the images of a series show: part of the body, side and view; and how finely."""

from typing import Any

from models.volume import Image, Volume, Waveform
from worker.instances.depicted import Depicted, depicted_in
from worker.instances.sampling import Sampling
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
