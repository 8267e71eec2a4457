"""Whether the images of a series were taken in one way and mean one thing. Pure."""

from collections.abc import Iterator, Sequence

from worker.errors import SeriesRefused
from worker.series.image_frames import Frame
from worker.series.slice_geometry import Stack

#: What no scan changes from slice to slice. Others of a frame's kind it may: slices are taken in several acquisitions
#: (interleaved, or bed by bed), each at a time of its own.
_OF_ALL = ("EchoTime", "EffectiveEchoTime", "DiffusionBValue")
#: Less apart than this share of the larger one are two figures for the same.
_SAME = 0.05


def require_one_acquisition(frames: Sequence[Frame], found: Stack) -> None:
    """Raise SeriesRefused, its message beginning with the name of what is wrong, where there is more than one.

    Also where the images of two acquisitions lie at different places, so that together they look like a volume.
    """
    for group in found.groups:
        kinds = {frames[index].kind for index in group}
        if len(kinds) > 1:
            different = {text for kind in kinds for text in kind if not all(text in other for other in kinds)}
            keywords = ", ".join(sorted({text.split(" ", 1)[0] for text in different}))
            raise SeriesRefused(f"several acquisitions: images of one position differ in {keywords or 'their kind'}")
    for keyword in _OF_ALL:
        numbers = list(_numbers(frames, keyword))
        if numbers and max(numbers) - min(numbers) > _SAME * max(map(abs, numbers)):
            raise SeriesRefused(f"several acquisitions: images of this series differ in {keyword}")
    if len({frame.unit for frame in frames if frame.unit}) > 1:
        # A word of the header may be anything, so it is not repeated.
        raise SeriesRefused("mixed units: the values of this series' images are in different units")


def _numbers(frames: Sequence[Frame], keyword: str) -> Iterator[float]:
    """Yield what the images say of it that is a number."""
    for frame in frames:
        for text in frame.kind:
            name, _, value = text.partition(" ")
            if name == keyword:
                try:
                    yield float(value)
                except ValueError:
                    continue
