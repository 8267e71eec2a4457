"""What numbers and answers of a report must be: finite, plausible for the card, and those of the reading."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from pydicom.dataset import Dataset

from models.card.card_interpretation import EcgInterpretation, NumbersInterpretation
from models.card.card_parts import Label, Range
from models.card.manifest import Card
from models.findings import Count, Finding, Measurement, Reading
from models.interpreting.counting import number_of
from models.interpreting.presence import affirms, denies
from worker.gate.bundle import Bundle, children, name_of
from worker.gate.report_checks import is_drawn
from worker.objects.report import WHOLE_IMAGE
from worker.objects.segments import Thing, counting_name, numbered, segmented, side_of, tracking_name

_TRACKING_IDENTIFIER = ("112039", "DCM")
_FINDING = ("121071", "DCM")
_VOLUME = ("118565006", "SCT")
_ML = {"ml": 1.0, "mL": 1.0, "mm3": 1e-3}
_LEAD_GROUP = ("122159", "DCM")
#: Certainty of Finding, Probability of cancer: shares of a hundred.
_SHARES = (("111012", "DCM"), ("111047", "DCM"))
_CERTAINTY = ("111012", "DCM")
_LATERALITY = ("272741003", "SCT")
_ECG_REPORT = ("28010-7", "LN")
_QUALITATIVE_ANALYSIS = ("122145", "DCM")
_ECG_FINDING = ("271921002", "SCT")
_FULL_PERCENT = 100.0
#: What a DS of 16 characters keeps of a number.
_SAME_NUMBER = 1e-6

#: Value and scheme of the name, the number, value of the unit.
_Number = tuple[str, str, float, str]


def numbers(bundle: Bundle) -> Iterator[str]:
    """Every number is finite, plausible for the card, and the one of the reading."""
    for items in bundle.items:
        for item in (item for item in items if item.ValueType == "NUM"):
            value = _number(item)
            if not math.isfinite(value):
                yield "a number is not finite"
            elif name_of(item) in _SHARES and not 0.0 <= value <= _FULL_PERCENT:
                yield "a certainty or probability is not from 0 to 100 percent"
    if bundle.card:
        yield from _implausible(bundle, bundle.card)
    if bundle.reading:
        yield from _misquoted(bundle, bundle.reading)
        yield from _wrong_answers(bundle, bundle.reading)


def _implausible(bundle: Bundle, card: Card) -> Iterator[str]:
    tracked = _tracked_groups(bundle)
    for label in card.labels:
        volumes = [
            ml
            for name, groups in tracked.items()
            if _names(name, label)
            for group in groups
            for ml in _volumes_ml(group)
        ]
        if any(volume not in label.plausible_volume_ml for volume in volumes):
            yield f"the volume of {label.name} is not plausible"
        # Fewer than plausible there may be: what the site does not want to be told is not counted.
        most = Range(max=label.plausible_count.max)
        if label.counted and any(count not in most for count in _counts_of(label, tracked)):
            yield f"how many there are of {label.name} is not plausible"
    counted = {(label.counted_as.value, label.counted_as.scheme) for label in card.labels if label.counted}
    counts = [_number(item) for items in bundle.items for item in items if _is_number_of(item, counted)]
    if any(count < 0 or count != math.floor(count) for count in counts if math.isfinite(count)):
        yield "a count is no whole number"
    if isinstance(card.interpretation, EcgInterpretation | NumbersInterpretation):
        items = [item for items in bundle.items for item in items]
        for number in card.interpretation.numbers:
            told = (_number(item) for item in items if _is_number_of(item, {number.name.code}))
            if any(value not in number.plausible for value in told):
                yield f"{number.name.meaning} is not plausible"


def _counts_of(label: Label, tracked: Mapping[str, list[Dataset]]) -> Iterator[float]:
    """Yield how many there are of a label: a number of its structure, or of a group of its own."""
    code = label.counted_as.value, label.counted_as.scheme
    for name in (label.name, counting_name(Count(label=label, measurement=number_of(label, 0)))):
        for group in tracked.get(name, ()):
            yield from (_number(item) for item in group.get("ContentSequence", ()) if _is_number_of(item, {code}))


def _names(tracked: str, label: Label) -> bool:
    """Say whether a tracking identifier is of this label or of one of its detections."""
    number = re.search(r" (\d+)$", tracked)
    return tracked == label.name or (
        label.instances and number is not None and tracked == numbered(label, int(number[1]))
    )


def _misquoted(bundle: Bundle, reading: Reading) -> Iterator[str]:
    tracked = _tracked_groups(bundle)
    things: tuple[Thing, ...] = (*reading.structures, *reading.detections)
    for thing in things:
        expected = [_as_number(measurement) for measurement in thing.measurements]
        if not all(_same(_numbers_in(group), expected) for group in tracked.get(tracking_name(thing), ())):
            yield f"the numbers of {tracking_name(thing)} differ from the reading"
    yield from _untold(bundle, segmented(reading), drawn=False)
    yield from _untold(bundle, reading.detections, drawn=True)
    yield from _miscounted(bundle, reading, tracked)
    whole = [_as_number(measurement) for measurement in reading.measurements]
    if not all(_same(_numbers_in(group), whole) for group in tracked.get(WHOLE_IMAGE, ())):
        yield "the numbers of the whole image differ from the reading"
    leads = [item for items in bundle.items for item in items if name_of(item) == _LEAD_GROUP]
    if not all(_same(_numbers_in(group), whole) for group in leads):
        yield "the numbers of the recording differ from the reading"


def _miscounted(bundle: Bundle, reading: Reading, tracked: Mapping[str, list[Dataset]]) -> Iterator[str]:
    """Each report of things without coordinates says once how many there are, as the reading has it."""
    reports = sum(bool(groups) and not is_drawn(groups[0]) for groups in bundle.groups)
    for count in reading.counts:
        groups = tracked.get(counting_name(count), [])
        if len(groups) != reports or not all(_same(_numbers_in(g), [_as_number(count.measurement)]) for g in groups):
            yield f"how many there are of {count.label.name} differs from the reading"


def _untold(bundle: Bundle, things: Iterable[Thing], *, drawn: bool) -> Iterator[str]:
    """Each report of groups of this kind tells every one of these things once and in order, and draws no other."""
    names = [tracking_name(thing) for thing in things]
    for groups in bundle.groups:
        if groups and is_drawn(groups[0]) == drawn:
            told = [str(children(group, *_TRACKING_IDENTIFIER)[0].TextValue) for group in groups]
            if told[: len(names)] != names or (drawn and len(told) != len(names)):
                yield "a report does not tell each thing that was found once"


def _wrong_answers(bundle: Bundle, reading: Reading) -> Iterator[str]:
    for groups in (groups for groups in bundle.groups if groups and not is_drawn(groups[0])):
        for finding in reading.findings:
            # A structure or a count may be of the same concept: one of them all is the answer.
            if not any(_is_about(group, finding) and _answers(group, finding) for group in groups):
                yield f"the answer about {finding.name.meaning} differs from the reading"
    for report in (report for report in bundle.reports if name_of(report) == _ECG_REPORT):
        if not _names_each(report, reading.findings):
            yield "the answers of the ECG report differ from the reading"
    tracked = _tracked_groups(bundle)
    for label in reading.missing:
        side = side_of(label.laterality)
        if any(_sides_in(group) != ([side.value] if side else []) for group in tracked.get(label.name, ())):
            yield f"the side on which {label.name} is absent differs from the reading"


def _sides_in(group: Dataset) -> list[str]:
    return [str(item.ConceptCodeSequence[0].get("CodeValue")) for item in children(group, *_LATERALITY)]


def _is_about(group: Dataset, finding: Finding) -> bool:
    return any(_code(item) == (finding.name.value, finding.name.scheme) for item in children(group, *_FINDING))


def _answers(group: Dataset, finding: Finding) -> bool:
    values = {
        str(item.ConceptCodeSequence[0].get("CodeValue"))
        for item in group.get("ContentSequence", ())
        if item.ValueType == "CODE"
    }
    return finding.value.value in values and _as_certain(group, finding)


def _names_each(report: Dataset, findings: Sequence[Finding]) -> bool:
    """Say whether an ECG's report tells each answer once, in order, and by a name that says what it is about."""
    sections = children(report, *_QUALITATIVE_ANALYSIS)
    items = [item for section in sections for item in section.ContentSequence if item.ValueType == "CODE"]
    return len(items) == len(findings) and all(
        (name_of(item), _code(item)) == _ecg_answer(finding) and _asked(item, finding) and _as_certain(item, finding)
        for item, finding in zip(items, findings, strict=True)
    )


def _ecg_answer(finding: Finding) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return name and value of an answer: what is present is an ECG finding, what is absent stands under its name."""
    name, value = ((concept.value, concept.scheme) for concept in (finding.name, finding.value))
    if denies(finding):
        return name, value
    return _ECG_FINDING, name if affirms(finding) else value


def _asked(item: Dataset, finding: Finding) -> bool:
    """Say whether an answer that is neither yes nor no tells what was asked."""
    told = [_code(each) for each in children(item, finding.name.value, finding.name.scheme)]
    return told == ([] if affirms(finding) or denies(finding) else [(finding.value.value, finding.value.scheme)])


def _as_certain(item: Dataset, finding: Finding) -> bool:
    sent = [_number(each) for each in children(item, *_CERTAINTY)]
    read = [] if finding.certainty_percent is None else [finding.certainty_percent]
    return len(sent) == len(read) and np.allclose(sent, read, rtol=_SAME_NUMBER, atol=0)


def _code(item: Dataset) -> tuple[str, str]:
    code = item.ConceptCodeSequence[0]
    return str(code.get("CodeValue")), str(code.CodingSchemeDesignator)


def _as_number(measurement: Measurement) -> _Number:
    return measurement.name.value, measurement.name.scheme, measurement.value, measurement.unit.value


def _same(sent: list[_Number], read: list[_Number]) -> bool:
    return len(sent) == len(read) and all(
        (one[0], one[1], one[3]) == (other[0], other[1], other[3])
        and math.isclose(one[2], other[2], rel_tol=_SAME_NUMBER, abs_tol=0.0)
        for one, other in zip(sent, read, strict=True)
    )


def _tracked_groups(bundle: Bundle) -> dict[str, list[Dataset]]:
    """Return the measurement groups of all reports by tracking identifier."""
    found: dict[str, list[Dataset]] = {}
    for group in (group for groups in bundle.groups for group in groups):
        for item in children(group, *_TRACKING_IDENTIFIER):
            found.setdefault(str(item.TextValue), []).append(group)
    return found


def _numbers_in(group: Dataset) -> list[_Number]:
    return [
        (*name_of(item), _number(item), _unit(item))
        for item in group.get("ContentSequence", ())
        if item.ValueType == "NUM"
    ]


def _is_number_of(item: Dataset, names: Collection[tuple[str, str]]) -> bool:
    return item.get("ValueType") == "NUM" and name_of(item) in names


def _number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def _unit(item: Dataset) -> str:
    return str(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue)


def _volumes_ml(group: Dataset) -> Iterator[float]:
    for item in children(group, *_VOLUME):
        if _unit(item) in _ML:
            yield _number(item) * _ML[_unit(item)]
