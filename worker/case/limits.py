"""Which limits decide about numbers of a thing: those of the card's critical rules, and the site's."""

from collections.abc import Iterable

from models.card.card_critical import CertaintyRule, CriticalRule, DiameterRule, ProbabilityRule, VolumeRule
from models.card.card_parts import Label
from models.findings import Detection, Finding, Structure
from worker.case.case import Case
from worker.case.rounding import Between, Limits


def limits_of(case: Case, thing: Finding | Detection | Structure) -> Limits:
    """Return them: whoever compares what is told with one of them must come to what was decided."""
    if not isinstance(thing, Finding):
        return limits_of_label(case, thing.label)
    rules = [rule for rule in case.provenance.card.critical if isinstance(rule, CertaintyRule)]
    return Limits(percent=_percent(case, (rule for rule in rules if _is_about(rule, thing))))


def limits_of_label(case: Case, label: Label) -> Limits:
    """Return those of all things of a label."""
    rules = [rule for rule in case.provenance.card.critical if getattr(rule, "label", None) == label.name]
    diameters = [rule.at_least for rule in rules if isinstance(rule, DiameterRule)]
    volumes = [rule for rule in rules if isinstance(rule, VolumeRule)]
    return Limits(
        percent=_percent(case, (rule for rule in rules if isinstance(rule, ProbabilityRule))),
        mm=Between(at_least=tuple(limit for limit in (*diameters, case.report.min_diameter_mm) if limit > 0)),
        ml=Between(
            at_least=tuple(rule.at_least for rule in volumes if rule.at_least is not None),
            at_most=tuple(rule.at_most for rule in volumes if rule.at_most is not None),
        ),
    )


def _percent(case: Case, rules: Iterable[CertaintyRule | ProbabilityRule]) -> tuple[float, ...]:
    site = case.report.min_certainty_percent
    return (*(rule.at_least for rule in rules), *((site,) if site > 0 else ()))


def _is_about(rule: CriticalRule, finding: Finding) -> bool:
    asked = isinstance(rule, CertaintyRule) and (rule.concept.value, rule.concept.scheme)
    return asked in ((finding.name.value, finding.name.scheme), (finding.value.value, finding.value.scheme))
