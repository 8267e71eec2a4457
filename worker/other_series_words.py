"""What is said where a study has more that fits a model as well: what was read, and how much was not."""

from collections.abc import Iterator
from typing import Any

from models.volume import Image, Waveform
from worker.case import Case

#: Of ViewPosition (0018,5101): a Code String (PS3.5 6.2) is at most so long.
_LONGEST_CODE = 16
_SIDES = {"L": "left", "R": "right"}
#: Where these name somebody, free text that does so too is not repeated.
_NAMING = ("PatientName", "OtherPatientNames", "PatientID", "PatientBirthDate", "AccessionNumber")
_SHORTEST_NAME = 2


def other_series_sentences(case: Case) -> tuple[str, ...]:
    """Return what a reader must know before everything else; empty where only what was read fits the model."""
    words, others = case.words, case.others
    if not others:
        return ()
    if isinstance(case.series.source, Waveform):
        unread = words.count(
            "{count} other recording of this study fits this model too and was not read.",
            "{count} other recordings of this study fit this model too and were not read.",
            others.images,
        )
    elif isinstance(case.series.source, Image):
        unread = words.count(
            "{count} other image of this study fits this model too and was not read.",
            "{count} other images of this study fit this model too and were not read.",
            others.images,
        )
    else:
        unread = words.count(
            "{count} other series of this study fits this model equally well and was not read.",
            "{count} other series of this study fit this model equally well and were not read.",
            others.series,
        )
    return words.say("Only this was read: {which}.", which=", ".join(_which(case))), unread


def description_sentences(case: Case) -> tuple[str, ...]:
    """Return the description of the series that was read, where others fit too and it names nobody."""
    told = str(case.head.get("SeriesDescription") or "").strip()
    if not case.others or not told or _names_somebody(told, case.head):
        return ()
    return (case.words.say("Description of the series that was read: {description}", description=told),)


def _which(case: Case) -> Iterator[str]:
    """Yield what tells what was read from the rest of its study: of a header what is a number or a code."""
    words, heads = case.words, case.series.datasets
    number = case.head.get("SeriesNumber")
    views = dict.fromkeys(view for head in heads if (view := _view_of(head)))
    sides = dict.fromkeys(side for head in heads if (side := _side_of(head)))
    if number is not None and str(number):
        yield words.say("series {number}", number=str(number))
    if views:
        yield words.say("view {view}", view="/".join(words.term(view) for view in views))
    if sides:
        yield "/".join(words.term(side) for side in sides)
    if not views and (number is None or not str(number)):
        yield words.say("series {number}", number=str(case.head.SeriesInstanceUID))


def _view_of(head: Any) -> str:
    position = str(head.get("ViewPosition") or "").strip()
    if position and len(position) <= _LONGEST_CODE and not _names_somebody(position, head):
        return position
    codes = head.get("ViewCodeSequence") or ()
    meaning = str(codes[0].get("CodeMeaning") or "").strip() if codes else ""
    return "" if _names_somebody(meaning, head) else meaning


def _side_of(head: Any) -> str:
    return _SIDES.get(str(head.get("ImageLaterality") or head.get("Laterality") or "").strip(), "")


def _names_somebody(text: str, head: Any) -> bool:
    """Say whether free text holds a part of the patient's name, or a number of theirs: people write them there."""
    told = text.casefold()
    values = " ".join(str(head.get(keyword) or "") for keyword in _NAMING)
    for mark in "^=\\,[]'":
        values = values.replace(mark, " ")
    return any(len(part) >= _SHORTEST_NAME and part.casefold() in told for part in values.split())
