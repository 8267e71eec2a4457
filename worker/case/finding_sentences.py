"""What a reading says, in sentences: one that sums it up, the numbers, what was looked at, and what to beware of."""

from itertools import groupby

from models.card.card_interpretation import ClassificationInterpretation, EcgInterpretation
from models.card.card_parts import Concept, Label
from models.card.manifest import Card
from models.findings import Detection, Finding, Measurement, Structure
from models.interpreting.counting import number_shown
from models.interpreting.presence import affirms, denies
from worker.case.case import Case
from worker.case.images_read import image_number, warnings_of, what_was_read, what_was_read_with_it
from worker.case.labels_told import abnormal
from worker.case.limits import limits_of
from worker.case.other_series_words import description_sentences, other_series_sentences, which_sentences

_SIDES = {"left": "left", "right": "right"}
#: UCUM units of lengths, areas and volumes.
_SIZES = ("mm", "cm", "mm2", "cm2", "mm3", "cm3", "ml", "mL")
#: Numbers of the whole input that a read is summed up by.
_MOST_NUMBERS = 5


def summary_of(case: Case) -> str:
    """Return what was found, in a sentence or some: first what is critical, then what is there; what is absent last."""
    reading, words = case.reading, case.words
    denied = [_finding(case, finding) + "." for finding in reading.findings if denies(finding)]
    told = [_finding(case, finding) + "." for finding in _foremost_first(case) if not denies(finding)]
    for _, group in groupby(sorted(reading.detections, key=_by_label), key=_by_label):
        told.append(_counted(case, list(group)))
    # What is no anatomy is named: a count of structures would hide it.
    told += [_structure(case, structure) + "." for structure in reading.structures if abnormal(structure.label)]
    anatomy = sum(not abnormal(structure.label) for structure in reading.structures)
    if anatomy:
        told.append(
            words.count(
                "{count} structure was outlined and measured.",
                "{count} structures were outlined and measured.",
                anatomy,
            )
        )
    # A rhythm sums an ECG up, without its intervals.
    if not isinstance(case.provenance.card.interpretation, EcgInterpretation) or not (told or denied):
        told += _numbers_of_the_whole(case)
    told += denied
    if told:
        told += [_missing(case, label) for label in reading.missing if abnormal(label)]
        return " ".join(told)
    # What is below a threshold may well have been found: a blank "nothing" would deny it.
    if case.report.has_thresholds:
        return words.say("Nothing was found that reaches this site's thresholds.")
    return words.say("Nothing was found of what was looked for.")


def _numbers_of_the_whole(case: Case) -> list[str]:
    """Return the first numbers of the whole input, as many as a reader takes in at a glance, and how many there are."""
    numbers, words = case.reading.measurements, case.words
    told = [_whole(case, measurement) + "." for measurement in numbers[:_MOST_NUMBERS]]
    if more := len(numbers) - len(told):
        told.append(words.count("{count} more number was measured.", "{count} more numbers were measured.", more))
    return told


def caveats_of(case: Case) -> tuple[str, ...]:
    """Return what stands beside every read: unverified, first; what else fits; research; what is not reported."""
    words, report = case.words, case.report
    caveats = [words.say("Made by an AI model, not verified by a physician."), *other_series_sentences(case)]
    if case.provenance.card.research:
        caveats.append(words.say("RESEARCH: this model is not cleared for clinical use."))
    if report.min_certainty_percent > 0:
        percent = words.exact(report.min_certainty_percent)
        caveats.append(words.say("What is less than {percent} % certain is not reported.", percent=percent))
    if report.min_diameter_mm > 0:
        size = f"{words.exact(report.min_diameter_mm)} mm"
        caveats.append(words.say("What is smaller than {size} is not reported.", size=size))
    return tuple(caveats)


def findings_of(case: Case) -> tuple[str, ...]:
    """Return what was found, measured and not found, one sentence each, in the order of the card's labels."""
    return (*found_of(case), *(_missing(case, label) for label in case.reading.missing), *warnings_of(case))


def found_of(case: Case) -> tuple[str, ...]:
    """Return what was found and measured alone, one sentence each."""
    reading = case.reading
    return (
        *(_finding(case, finding) for finding in reading.findings),
        *(_whole(case, measurement) for measurement in reading.measurements),
        *(_detection(case, detection) for detection in reading.detections),
        *(_structure(case, structure) for structure in reading.structures),
    )


def missing_in_one(case: Case) -> tuple[str, ...]:
    """Return what was not found in one sentence, where there is little room; none where nothing is missing."""
    words, names = case.words, ", ".join(map(case.words.label, case.reading.missing))
    return (words.say("Looked for and not found: {name}.", name=names),) if names else ()


def scope_of(case: Case) -> tuple[str, ...]:
    """Return who read what, what it looked for and what not, and what was mended on the way."""
    card, words = case.provenance.card, case.words
    names = ", ".join([*map(words.label, card.labels), *map(words.concept, _asked(card))])
    return (
        words.say(
            "Model: {name}, version {version}, {manufacturer}.",
            name=card.name,
            version=card.version,
            manufacturer=card.manufacturer,
        ),
        what_was_read(case),
        *what_was_read_with_it(case),
        *which_sentences(case),
        *description_sentences(case),
        words.say("Read on {moment}.", moment=words.date_time(case.provenance.read_at)),
        *_what_was_looked_for(case, names),
        *([words.say("Limits of this model: {limits}", limits=card.limits)] if card.limits else ()),
        *(words.tell(repair) for repair in (*case.repeated, *case.series.repairs, *case.identity.repairs)),
    )


def _what_was_looked_for(case: Case, names: str) -> tuple[str, ...]:
    words = case.words
    if not names:
        return (words.say("Nothing was looked at but what is told here."),)
    return words.say("It looked for: {names}.", names=names), words.say("Nothing else was looked at.")


def _foremost_first(case: Case) -> list[Finding]:
    """Return answers with those first that somebody is told of at once, then those that something is there."""
    urgent = {(reason.concept.value, reason.concept.scheme) for reason in case.critical}

    def place(finding: Finding) -> int:
        return 0 if (finding.name.value, finding.name.scheme) in urgent else 1 if affirms(finding) else 2

    return sorted(case.reading.findings, key=place)


def _asked(card: Card) -> list[Concept]:
    """Return what a classifier is asked about the whole input."""
    interpretation = card.interpretation
    if not isinstance(interpretation, ClassificationInterpretation):
        return []
    if interpretation.question is not None:
        return [interpretation.question]
    return [each.concept for each in interpretation.classes if each.concept is not None]


def _finding(case: Case, finding: Finding) -> str:
    words = case.words
    told = {"name": words.concept(finding.name), "value": words.concept(finding.value)}
    if finding.certainty_percent is None:
        return words.say("{name}: {value}", **told)
    percent = words.certainty(finding.certainty_percent, limits_of(case, finding).percent)
    return words.say("{name}: {value} (certainty {percent} %)", percent=percent, **told)


def _structure(case: Case, structure: Structure) -> str:
    words = case.words
    told = words.say("{name}: {numbers}", name=words.label(structure.label), numbers=_numbers(case, structure))
    return words.cut(told) if structure.cut else told


def _missing(case: Case, label: Label) -> str:
    return case.words.say("Looked for and not found: {name}.", name=case.words.label(label))


def _whole(case: Case, measurement: Measurement) -> str:
    words, limits = case.words, limits_of(case, measurement)
    told = {"name": words.concept(measurement.name), "numbers": words.measured(measurement, limits)}
    if measurement.method is None:
        return words.say("{name}: {numbers}", **told)
    return words.say("{name} ({method}): {numbers}", method=words.within(measurement.method), **told)


def _counted(case: Case, detections: list[Detection]) -> str:
    words = case.words
    told = {"name": words.label(detections[0].label), "count": number_shown(detections, case.series.source)}
    sizes = [m for detection in detections if (m := size_of(detection)) is not None]
    if not sizes:
        return words.say("{name}: {count} found.", **told)
    alike = [m for m in sizes if (m.name, m.unit) == (sizes[0].name, sizes[0].unit)]
    largest = max(alike, key=lambda m: m.value)
    size = words.measured(largest, limits_of(case, detections[0]))
    if any(detection.cut for detection in detections):
        size = words.say("at least {size}", size=size)
    return words.say("{name}: {count} found, the largest {size}.", size=size, **told)


def size_of(detection: Detection) -> Measurement | None:
    """Return the first number that says how large it is; a certainty does not."""
    return next((m for m in detection.measurements if m.unit.value in _SIZES), None)


def _detection(case: Case, detection: Detection) -> str:
    words = case.words
    place = [words.concept(detection.site)] if detection.site else []
    place += [words.term(_SIDES[detection.laterality])] if detection.laterality else []
    name = f"{words.label(detection.label)} {detection.number}"
    told = words.say(
        "{name}: {numbers}; image {image}",
        name=f"{name} ({', '.join(place)})" if place else name,
        numbers=_numbers(case, detection),
        image=str(image_number(case, detection.slice_index)),
    )
    return words.cut(told) if detection.cut else told


def _numbers(case: Case, thing: Structure | Detection) -> str:
    """Return numbers with their names; a single size needs none, since the name of its thing says it."""
    words, limits = case.words, limits_of(case, thing)
    if len(thing.measurements) == 1:
        return words.alone(thing.measurements[0], limits)
    return ", ".join(words.named(measurement, limits) for measurement in thing.measurements)


def _by_label(detection: Detection) -> int:
    return detection.label.number
