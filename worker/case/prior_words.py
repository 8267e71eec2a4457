"""What is said of an earlier read: when it was, and a sentence for each number that can be compared."""

from collections.abc import Callable, Iterator
from itertools import groupby

from models.card.card_parts import Concept, Label
from models.findings import NO_UNITS, Measurement
from worker.case.prior import Change, Gone, Obstacle, Prior
from worker.case.rounding import UNLIMITED, Limits
from worker.case.sentences import Words


def comparison_sentences(
    prior: Prior, words: Words, limits_about: Callable[[Label | Concept], Limits] = lambda _: UNLIMITED
) -> tuple[str, ...]:
    """Return the sentences in the language of these words, no number on another side of the limits about it."""

    def limits(change: Change) -> Limits:
        return limits_about(change.label or change.name)

    when = {"date": words.date(prior.studied_on), "time": _days(prior.days, words)}
    if prior.obstacle in (Obstacle.VERSION, Obstacle.MODEL):
        return (words.say("There is a read of the study of {date} ({time} earlier).", **when), _why_not(prior, words))
    told = [words.say("Compared with the study of {date} ({time} earlier):", **when)]
    if prior.obstacle is Obstacle.THRESHOLDS:
        told.append(words.say("What is counted is not compared: this site's thresholds were others then."))
    if prior.changes or prior.differing:
        told += _taken_otherwise(prior, words)
    if prior.reach is not None and (prior.gone or prior.unpaired or any(map(_is_count, prior.changes))):
        earlier, now = (words.number(millimetres, 0) for millimetres in prior.reach)
        told.append(
            words.say(
                "The slices reached over {earlier} mm then, {now} mm now: what is found may differ by that alone.",
                earlier=earlier,
                now=now,
            )
        )
    for _, group in groupby(prior.changes, key=lambda change: (change.label, change.number)):
        changes = list(group)
        # A bare number beside a name could be of anything.
        alone = len(changes) == 1 and changes[0].unit.value != NO_UNITS.value
        told += [_sentence(change, words, limits(change), alone=alone) for change in changes]
    if any(change.number is not None for change in prior.changes):
        told.append(words.say("What is counted was paired with the earlier study by size: its place was not compared."))
    told += [_differing(change, words, limits(change)) for change in prior.differing]
    told += [_gone(one, words, limits_about(one.label)) for one in prior.gone]
    told += [
        words.say("{name}: found more than once then or now, so sizes are not compared.", name=words.label(label))
        for label in prior.unpaired
    ]
    if prior.cut:
        names = ", ".join(words.label(label) for label in prior.cut)
        told.append(
            words.say(
                "Cut by the edge of the images or of the model's view then or now, so sizes are not compared: {names}.",
                names=names,
            )
        )
    return tuple(told)


def _taken_otherwise(prior: Prior, words: Words) -> Iterator[str]:
    """Yield what differs between the images of then and now, so that sizes in them may differ for that alone."""
    if prior.contrasted is True:
        yield words.say("A contrast agent is named by the images now and was not then: sizes may differ by that alone.")
    elif prior.contrasted is False:
        yield words.say("A contrast agent was named by the images then and is not now: sizes may differ by that alone.")
    if prior.sampled is not None:
        earlier, now = (" / ".join(map(words.number, one.distances)) for one in prior.sampled)
        yield words.say(
            "Slices, rows and columns lay {earlier} mm apart then, {now} mm now: sizes may differ by that alone.",
            earlier=earlier,
            now=now,
        )
    if prior.thickness is not None:
        earlier, now = map(words.number, prior.thickness)
        yield words.say(
            "Slices were {earlier} mm thick then, {now} mm now: sizes may differ by that alone.",
            earlier=earlier,
            now=now,
        )
    if prior.kernels is not None:
        earlier, now = prior.kernels
        yield words.say(
            "The reconstruction kernel was {earlier} then, {now} now: sizes may differ by that alone.",
            earlier=earlier,
            now=now,
        )


def _is_count(change: Change) -> bool:
    return change.label is not None and change.number is None and change.unit.value == NO_UNITS.value


def _why_not(prior: Prior, words: Words) -> str:
    if prior.obstacle is Obstacle.VERSION:
        return words.say(
            "Another version of this model, {version}, made it: its numbers are not compared.",
            version=prior.model_version,
        )
    return words.say("This model had other weights or settings then: its numbers are not compared.")


def _sentence(change: Change, words: Words, limits: Limits, *, alone: bool) -> str:
    told = _told(change, words, limits, alone=alone)
    if change.percent is None:
        said = words.say("{name}: {earlier} → {now}", **told)
    else:
        percent = ("+" if round(change.percent, 1) > 0 else "") + words.number(change.percent, 1)
        said = words.say("{name}: {earlier} → {now} ({percent} %)", percent=percent, **told)
    if change.doubling_days is None:
        return said
    return words.say("{change}; doubling time {time}", change=said, time=_days(round(change.doubling_days), words))


def _differing(change: Change, words: Words, limits: Limits) -> str:
    return words.say(
        "{name}: {earlier} then, {now} now; they differ so much that they may not be the same one.",
        **_told(change, words, limits, alone=True),
    )


def _gone(one: Gone, words: Words, limits: Limits) -> str:
    size = words.measured(one.largest, limits)
    told = {"name": words.label(one.label), "size": words.say("at least {size}", size=size) if one.cut else size}
    if one.count == 1:
        return words.say("{name}: {size} then, not found now.", **told)
    return words.say("{name}: {count} then, the largest {size}; none found now.", count=one.count, **told)


def _told(change: Change, words: Words, limits: Limits, *, alone: bool) -> dict[str, str]:
    earlier, now = (
        words.measured(Measurement(name=change.name, value=value, unit=change.unit), limits)
        for value in (change.earlier, change.now)
    )
    return {"name": _name(change, words, alone=alone), "earlier": earlier, "now": now}


def _days(days: int, words: Words) -> str:
    return words.count("{count} day", "{count} days", days)


def _name(change: Change, words: Words, *, alone: bool) -> str:
    """Return what a number is of; what was measured only where the name of the thing does not say it."""
    if change.label is None:
        return words.concept(change.name)
    name = words.label(change.label) + (f" {change.number}" if change.number is not None else "")
    return name if alone else f"{name} ({words.within(change.name)})"
