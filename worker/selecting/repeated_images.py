"""What is told of a read where an image of it came more than once, and the versions differ in what a read depends on.

An admin has said that the newest is to be read (`worker.selecting.image_versions`); who reads the result has
not seen that.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import NodeError
from worker.instances.bounded_inflating import read_header
from worker.instances.inputs_digest import by_folder
from worker.instances.series_repairs import came_with_another_place, came_with_other_content, came_with_other_pixels
from worker.selecting.image_versions import arrived, first_version, pixels_alike, read_alike


def repeated_images(files: Sequence[Path]) -> tuple[str, ...]:
    """Return a sentence of each kind of difference between what is read and what came of it before; none where none is.

    Args:
        files: What is read, in the spool, series after series.

    Raises OSError where their folder cannot be read.
    """
    pixels: list[int] = []
    places: list[int] = []
    unnumbered = 0
    for place, series in enumerate(by_folder(files)):
        for file, earlier in _with_earlier(series):
            if read_alike([file, *earlier]):
                continue
            # The numbers of the images are those of the first series.
            number = _number(file) if place == 0 else None
            if number is None:
                unnumbered += 1
            else:
                (places if pixels_alike([file, *earlier]) else pixels).append(number)
    return (
        *((came_with_other_pixels(pixels),) if pixels else ()),
        *((came_with_another_place(places),) if places else ()),
        *((came_with_other_content(unnumbered),) if unnumbered else ()),
    )


def _with_earlier(series: Sequence[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield the images of a series that came more than once, each with what had come of it before."""
    versions: dict[str, list[Path]] = {}
    for file in series[0].parent.iterdir():
        versions.setdefault(first_version(file.name), []).append(file)
    for file in series:
        others = [one for one in versions.get(first_version(file.name), ()) if one != file]
        earlier = [one for one in others if arrived(one) < arrived(file)]
        if earlier:
            yield file, sorted(earlier)


def _number(file: Path) -> int | None:
    """Return the number by which a viewer shows an image; None where frames are shown, or there is no such."""
    try:
        head = read_header(file, ["InstanceNumber", "NumberOfFrames", "Rows"])
        frames, number = int(head.get("NumberOfFrames") or 1), head.get("InstanceNumber")
        return None if frames > 1 or "Rows" not in head or number in (None, "") else int(number)
    except (*PARSE_ERRORS, NodeError):
        return None
