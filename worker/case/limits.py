"""Which limits decide about numbers of a thing: those of the card's critical rules, and the site's."""

from collections.abc import Iterable

from models.card.card_critical import (
    CertaintyRule,
    CriticalRule,
    DiameterRule,
    NumberRule,
    ProbabilityRule,
    VolumeRule,
)
from models.card.card_parts import Concept, Label
from models.findings import Detection, Finding, Measurement, Structure
from worker.case.case import Case
from worker.case.rounding import Between, Limits


def limits_of(case: Case, thing: Finding | Measurement | Detection | Structure) -> Limits:
    """Return them: whoever compares what is told with one of them must come to what was decided.

    A measurement is one of the whole input.
    """
    if isinstance(thing, Measurement):
        return limits_about(case, thing.name)
    if not isinstance(thing, Finding):
        return limits_about(case, thing.label)
    rules = [rule for rule in case.provenance.card.critical if isinstance(rule, CertaintyRule)]
    return Limits(percent=_percent(case, (rule for rule in rules if _is_about(rule, thing))))


def limits_about(case: Case, what: Label | Concept) -> Limits:
    """Return those of all things of a label, or of the number of the whole input that has this name."""
    if isinstance(what, Concept):
        numbers = [rule for rule in case.provenance.card.critical if isinstance(rule, NumberRule)]
        return Limits(number=_between(rule for rule in numbers if rule.concept.code == what.code))
    rules = [rule for rule in case.provenance.card.critical if getattr(rule, "label", None) == what.name]
    diameters = [rule.at_least for rule in rules if isinstance(rule, DiameterRule)]
    return Limits(
        percent=_percent(case, (rule for rule in rules if isinstance(rule, ProbabilityRule))),
        mm=Between(at_least=tuple(limit for limit in (*diameters, case.report.min_diameter_mm) if limit > 0)),
        ml=_between(rule for rule in rules if isinstance(rule, VolumeRule)),
    )


def _between(rules: Iterable[VolumeRule | NumberRule]) -> Between:
    rules = list(rules)
    return Between(
        at_least=tuple(rule.at_least for rule in rules if rule.at_least is not None),
        at_most=tuple(rule.at_most for rule in rules if rule.at_most is not None),
    )


def _percent(case: Case, rules: Iterable[CertaintyRule | ProbabilityRule]) -> tuple[float, ...]:
    site = case.report.min_certainty_percent
    return (*(rule.at_least for rule in rules), *((site,) if site > 0 else ()))


def _is_about(rule: CriticalRule, finding: Finding) -> bool:
    return isinstance(rule, CertaintyRule) and rule.concept.code in (finding.name.code, finding.value.code)
