"""Which series was read, and which before; where a study or the series has more, how much was not read."""

from collections.abc import Iterator, Sequence
from typing import Any

from models.volume import Image, Waveform
from worker.case.case import Case
from worker.case.changed_series import ChangedSeries
from worker.case.images_read import warnings_of
from worker.case.sentences import Words
from worker.case.series_names import describable, names_somebody

#: Of ViewPosition (0018,5101): a Code String (PS3.5 6.2) is at most so long.
_LONGEST_CODE = 16
_SIDES = {"L": "left", "R": "right"}


def other_series_sentences(case: Case) -> tuple[str, ...]:
    """Return what a reader must know before everything else; empty where all was read that might seem to be."""
    if not _is_of_more(case):
        return ()
    which = case.words.say("Only this was read: {which}.", which=", ".join(_which(case)))
    return (which, *_unread(case), *_left_out(case))


def _is_of_more(case: Case) -> bool:
    return bool(case.others) or case.others.left_out > 0


def _unread(case: Case) -> Iterator[str]:
    words, others = case.words, case.others
    if not others:
        return
    if isinstance(case.series.source, Waveform):
        yield words.count(
            "{count} other recording of this study fits this model too and was not read.",
            "{count} other recordings of this study fit this model too and were not read.",
            others.images,
        )
    elif isinstance(case.series.source, Image):
        yield words.count(
            "{count} other image of this study fits this model too and was not read.",
            "{count} other images of this study fit this model too and were not read.",
            others.images,
        )
    else:
        yield words.count(
            "{count} other series of this study fits this model equally well and was not read.",
            "{count} other series of this study fit this model equally well and were not read.",
            others.series,
        )


def _left_out(case: Case) -> Iterator[str]:
    if not case.others.left_out:
        return
    if isinstance(case.series.source, Waveform):
        yield case.words.count(
            "{count} other recording of this series is not of the kind that this model reads, and was not read.",
            "{count} other recordings of this series are not of the kind that this model reads, and were not read.",
            case.others.left_out,
        )
    else:
        yield case.words.count(
            "{count} other image of this series is not of the kind that this model reads, and was not read.",
            "{count} other images of this series are not of the kind that this model reads, and were not read.",
            case.others.left_out,
        )


def what_was_measured(case: Case) -> tuple[str, ...]:
    """Return what must be known of where numbers and answers come from; empty where there is nothing to say."""
    repeated = (case.words.tell(sentence) for sentence in case.repeated)
    changed = changed_series_sentences(case.changed, case.words)
    return (*other_series_sentences(case), *changed, *repeated, *warnings_of(case))


def which_sentences(case: Case) -> tuple[str, ...]:
    """Return which series was read, where only it fits: the numbers of its images are those of no other series.

    Empty where there is more, which is told before everything else, or where the header has no number for it.
    """
    if _is_of_more(case) or not str(case.head.get("SeriesNumber") or ""):
        return ()
    return (case.words.say("This was read: {which}.", which=", ".join(_which(case))),)


def changed_series_sentences(changed: Sequence[ChangedSeries], words: Words) -> tuple[str, ...]:
    """Return that another series was read than before: what is measured may differ, and the patient not have changed.

    Nothing where the earlier read was made on the same.
    """
    return tuple(_changed(change, words) for change in changed)


def description_sentences(case: Case) -> tuple[str, ...]:
    """Return the description of the series that was read, where there is more beside it, or it is another than before.

    Of that the description follows. None of them is told where it names somebody.
    """
    told = [_read(case.words, describable(case.head))] if _is_of_more(case) else []
    for change in case.changed:
        told.append(_read(case.words, change.now.description))
        if change.before is not None and change.before.description:
            told.append(
                case.words.say(
                    "Description of the series that was read before: {description}",
                    description=change.before.description,
                )
            )
    return tuple(dict.fromkeys(filter(None, told)))


def _read(words: Words, description: str) -> str:
    if not description:
        return ""
    return words.say("Description of the series that was read: {description}", description=description)


def _changed(change: ChangedSeries, words: Words) -> str:
    now, before = change.now, change.before
    if before is None:
        which = words.say("series {number}", number=now.number or now.uid)
        return words.say("Another series was read than before, which is no longer here: now {which}.", which=which)
    # Scanners and archives give one number to several series.
    by_number = now.number and before.number and now.number != before.number
    which, instead = (
        words.say("series {number}", number=one.number if by_number else one.uid) for one in (now, before)
    )
    return words.say("Another series was read than before: {which}, not {before}.", which=which, before=instead)


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
    if position and len(position) <= _LONGEST_CODE and not names_somebody(position, head):
        return position
    codes = head.get("ViewCodeSequence") or ()
    meaning = str(codes[0].get("CodeMeaning") or "").strip() if codes else ""
    return "" if names_somebody(meaning, head) else meaning


def _side_of(head: Any) -> str:
    return _SIDES.get(str(head.get("ImageLaterality") or head.get("Laterality") or "").strip(), "")
