"""Several series of one study as the channels of one volume."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from models.preparing.grid import grid_of, share_covered
from models.volume import Volume
from worker.errors import SeriesRefused
from worker.instances.inputs_digest import digest_of_channels
from worker.instances.series_repairs import covered_in_part
from worker.selecting.tag_rules import TagRule
from worker.series.series_volume import LoadedSeries, load_series

#: How much of the first series' space a channel must show. Ordinary scans of one organ differ in field of view: of a
#: T1 with neck and air around the head, 40 to 50 % lie within an oblique FLAIR. Well below that it is another level or
#: another body part, and the model would read mostly what was filled in.
LEAST_COVERED = 0.25
#: Less, and the report says so: by then it is more than rounding and a patient who has moved.
_NEARLY_ALL = 0.9


def load_channels(
    series: Sequence[Sequence[Path]],
    *,
    max_voxels: int,
    same_frame_of_reference: bool = True,
    images: Sequence[TagRule | None] = (),
) -> LoadedSeries:
    """Read one series, or several of which the first is the volume and the others its channels.

    Args:
        series: Files of each, the first one's first.
        max_voxels: Of each.
        same_frame_of_reference: Whether the others must lie in the first one's Frame of Reference (PS3.3 C.7.4.1).
        images: Which frames of each are read where it is one multi-frame image; left out, all.

    Raises SeriesRefused, SeriesUnreadable.
    """
    first, *others = [
        load_series(files, max_voxels=max_voxels, images=rule) for files, rule in zip_longest(series, images)
    ]
    if not others:
        return first
    volumes, covered = [], []
    for place, other in enumerate(others, start=1):
        if not (isinstance(first.source, Volume) and isinstance(other.source, Volume)):
            raise SeriesRefused("no volumes: only series with a place in patient space can be channels of one another")
        for keyword in ("StudyInstanceUID", "PatientID"):
            if first.datasets[0].get(keyword) != other.datasets[0].get(keyword):
                raise SeriesRefused(f"two studies: channel {place} differs from the first series in {keyword}")
        frames = [one.datasets[0].get("FrameOfReferenceUID") for one in (first, other)]
        if same_frame_of_reference and (frames[0] != frames[1] or not frames[0]):
            raise SeriesRefused(f"another frame of reference: channel {place} does not lie in the first series' space")
        covered += _coverage(place, first.source, other.source)
        volumes.append(other.source)
    assert isinstance(first.source, Volume)  # noqa: S101  # looked at above
    return replace(
        first,
        source=replace(first.source, others=tuple(volumes)),
        inputs_digest=digest_of_channels([one.inputs_digest for one in (first, *others)]),
        repairs=tuple(dict.fromkeys((*(told for one in (first, *others) for told in one.repairs), *covered))),
        others=tuple(dataset for one in others for dataset in one.datasets),
    )


def _coverage(place: int, first: Volume, other: Volume) -> list[str]:
    """Return what is to be told of how much of the first series a channel shows. Raises SeriesRefused."""
    share = share_covered(grid_of(first), grid_of(other))
    if share < LEAST_COVERED:
        raise SeriesRefused(
            f"too little in common: channel {place} shows {math.floor(100 * share)}% of the first series' space, at "
            f"least {LEAST_COVERED:.0%} needed"
        )
    return [covered_in_part(round(100 * share))] if share < _NEARLY_ALL else []
