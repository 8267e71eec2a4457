"""Which images were read and which were not, by the numbers under which a viewer shows them, and what to beware of."""

from collections.abc import Iterable, Iterator

from models.volume import Waveform
from worker.case.case import Case

#: Of a clip with blank frames between the others, so many stretches are told by their numbers; then it is cut short.
_MOST_STRETCHES = 12


def image_number(case: Case, slice_index: int) -> int:
    """Return the number by which a viewer shows a slice: its frame, its Instance Number (0020,0013), else its place."""
    if case.series.frame_numbers:
        return case.series.frame_numbers[slice_index]
    number = case.series.datasets[slice_index].get("InstanceNumber")
    # 0 is a number too: some count their images from it.
    return slice_index + 1 if number is None or number == "" else int(number)


def what_was_read(case: Case) -> str:
    """Return what was read, and how many of its images were where not all were."""
    words, modality = case.words, str(case.head.get("Modality", ""))
    if isinstance(case.series.source, Waveform):
        return words.say("It read one {modality} recording.", modality=modality)
    images, unread = len(case.series.frame_numbers) or len(case.series.datasets), len(case.reading.unread)
    if unread:
        return words.say(
            "It read {count} of {total} images of one {modality} series.",
            count=images - unread,
            total=images,
            modality=modality,
        )
    return words.count(
        "It read one {modality} image.",
        "It read one {modality} series of {count} images.",
        images,
        modality=modality,
    )


def what_was_read_with_it(case: Case) -> tuple[str, ...]:
    """Return that further series were channels of the network; nothing where there were none."""
    series = len({str(dataset.SeriesInstanceUID) for dataset in case.series.others})
    if not series:
        return ()
    told = case.words.count(
        "It read {count} further series with it.", "It read {count} further series with it.", series
    )
    return (told,)


def warnings_of(case: Case) -> tuple[str, ...]:
    """Return what a reader must know of how it was read, and which images were not: a negative is of the others."""
    words, reading = case.words, case.reading
    told = [words.tell(warning) for warning in reading.warnings]
    if reading.unread:
        numbers = _in_stretches(image_number(case, index) for index in reading.unread)
        told.append(words.say("Not read, by their image numbers: {numbers}.", numbers=numbers))
    return tuple(told)


def _in_stretches(numbers: Iterable[int]) -> str:
    """Return numbers as people write them: 1, 4-9."""
    told = list(_stretches(sorted(set(numbers))))
    return ", ".join([*told[:_MOST_STRETCHES], *(["…"] if len(told) > _MOST_STRETCHES else [])])


def _stretches(numbers: list[int]) -> Iterator[str]:
    start = 0
    for place, number in enumerate(numbers):
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            first = numbers[start]
            yield f"{first}" if first == number else f"{first}-{number}"
            start = place + 1
