"""Which of a card's ``[[critical]]`` rules a reading fulfils. Pure: the same reading, the same reasons."""

from collections.abc import Iterator, Mapping, Sequence

from models.card.card_critical import (
    CertaintyRule,
    CountRule,
    CriticalRule,
    DiameterRule,
    NumberRule,
    PresenceRule,
    ProbabilityRule,
    VolumeRule,
)
from models.card.card_parts import DECIDING_DIGITS, Concept
from models.findings import Detection, Finding, Measurement, Reading, Structure
from models.interpreting.counting import counts_in
from models.interpreting.critical_reason import CriticalReason
from models.interpreting.presence import denies, only_present

#: What names a number of a detection or structure; the first that it has is taken.
_PROBABILITY = (("111047", "DCM"), ("111012", "DCM"))
DIAMETERS = (("81827009", "SCT"), ("103339001", "SCT"))
VOLUMES = (("118565006", "SCT"),)
#: UCUM units that a rule's own unit may be measured in.
_PERCENT = {"%": 1.0, "1": 100.0}
MM = {"mm": 1.0, "cm": 10.0}
ML = {"ml": 1.0, "mL": 1.0, "cm3": 1.0, "mm3": 1e-3}


def critical_reasons(rules: Sequence[CriticalRule], reading: Reading) -> tuple[CriticalReason, ...]:
    """Return why this reading is critical, in the order of the rules; empty where it is not."""
    return tuple(reason for rule in rules for reason in _reasons(rule, reading))


def _reasons(rule: CriticalRule, reading: Reading) -> Iterator[CriticalReason]:
    if isinstance(rule, CertaintyRule):
        yield from _certain(rule, reading.findings)
    elif isinstance(rule, PresenceRule):
        yield from _present(rule, reading)
    elif isinstance(rule, ProbabilityRule):
        yield from _detected(rule, reading.detections, _PROBABILITY, _PERCENT, "%")
    elif isinstance(rule, DiameterRule):
        yield from _detected(rule, (*reading.structures, *reading.detections), DIAMETERS, MM, "mm")
    elif isinstance(rule, VolumeRule):
        yield from _sized(rule, reading)
    elif isinstance(rule, NumberRule):
        yield from _numbered(rule, reading.measurements)
    else:
        yield from _counted(rule, reading)


def _certain(rule: CertaintyRule, findings: Sequence[Finding]) -> Iterator[CriticalReason]:
    for finding in findings:
        certainty = finding.certainty_percent
        if certainty is None or not _says(finding, rule.concept):
            continue
        if round(certainty, DECIDING_DIGITS) >= rule.at_least:
            yield CriticalReason(
                kind="certainty",
                name=finding.name.meaning,
                concept=finding.name,
                answer=_answer(finding),
                value=certainty,
                unit="%",
                at_least=rule.at_least,
            )


def _present(rule: PresenceRule, reading: Reading) -> Iterator[CriticalReason]:
    if rule.concept is not None:
        for finding in reading.findings:
            if _says(finding, rule.concept):
                yield CriticalReason(
                    kind="present", name=finding.name.meaning, concept=finding.name, answer=_answer(finding)
                )
        return
    found: list[Structure | Detection] = [*reading.structures, *reading.detections]
    label = next((each.label for each in found if each.label.name == rule.label), None)
    if label is not None:
        yield CriticalReason(kind="present", name=label.name, concept=label.concept, names=label.names)


def _detected(
    rule: ProbabilityRule | DiameterRule,
    things: Sequence[Structure | Detection],
    names: Sequence[tuple[str, str]],
    units: Mapping[str, float],
    unit: str,
) -> Iterator[CriticalReason]:
    for thing in things:
        value = _measured(thing.measurements, names, units) if thing.label.name == rule.label else None
        if value is not None and value >= rule.at_least:
            yield CriticalReason(
                kind=rule.when,
                name=thing.label.name,
                concept=thing.label.concept,
                names=thing.label.names,
                value=value,
                unit=unit,
                at_least=rule.at_least,
                number=thing.number if isinstance(thing, Detection) else None,
                cut=thing.cut,
            )


def _sized(rule: VolumeRule, reading: Reading) -> Iterator[CriticalReason]:
    things: list[Structure | Detection] = [*reading.structures, *reading.detections]
    for thing in things:
        value = _measured(thing.measurements, VOLUMES, ML) if thing.label.name == rule.label else None
        if value is not None and _crosses(rule, value):
            yield CriticalReason(
                kind="volume",
                name=thing.label.name,
                concept=thing.label.concept,
                names=thing.label.names,
                value=value,
                unit="ml",
                at_least=rule.at_least,
                at_most=rule.at_most,
                number=thing.number if isinstance(thing, Detection) else None,
                cut=thing.cut,
            )


def _counted(rule: CountRule, reading: Reading) -> Iterator[CriticalReason]:
    for count in counts_in(reading):
        value = count.measurement.value
        if count.label.name == rule.label and _crosses(rule, value):
            yield CriticalReason(
                kind="count",
                name=count.label.name,
                concept=count.label.concept,
                names=count.label.names,
                value=value,
                at_least=rule.at_least,
                at_most=rule.at_most,
            )


def _numbered(rule: NumberRule, measurements: Sequence[Measurement]) -> Iterator[CriticalReason]:
    for measurement in measurements:
        value = round(measurement.value, DECIDING_DIGITS)
        if measurement.name.code == rule.concept.code and _crosses(rule, value):
            yield CriticalReason(
                kind="number",
                name=measurement.name.meaning,
                concept=measurement.name,
                value=value,
                unit=measurement.unit.value,
                at_least=rule.at_least,
                at_most=rule.at_most,
            )


def _crosses(rule: VolumeRule | CountRule | NumberRule, value: float) -> bool:
    too_high = rule.at_least is not None and value >= rule.at_least
    too_low = rule.at_most is not None and value <= rule.at_most
    return too_high or too_low


def _says(finding: Finding, concept: Concept) -> bool:
    """Tell whether a finding is about the concept, as its question or its answer, and does not deny it."""
    return not denies(finding) and concept.code in (finding.value.code, finding.name.code)


def _answer(finding: Finding) -> Concept | None:
    """Return what has to be told beside the question; None for *present*, which the question's name says alone."""
    return None if only_present(finding) else finding.value


def _measured(
    measurements: Sequence[Measurement], names: Sequence[tuple[str, str]], units: Mapping[str, float]
) -> float | None:
    """Return the first measurement of one of these names in one of these units, in the unit whose factor is 1."""
    for name in names:
        for measurement in measurements:
            if measurement.name.code == name and measurement.unit.value in units:
                return round(measurement.value * units[measurement.unit.value], DECIDING_DIGITS)
    return None
