"""What the images of a series show: part of the body, side and view."""

from typing import Any

from models.volume import Image, Waveform
from worker.instances.depicted import Depicted, depicted_in
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
