"""Which limits decide about the certainty of a thing: those of the card's critical rules, and the site's."""

from models.card.card_critical import CertaintyRule, CriticalRule, ProbabilityRule
from models.findings import Detection, Finding, Structure
from worker.case.case import Case


def limits_of(case: Case, thing: Finding | Detection | Structure) -> tuple[float, ...]:
    """Return them in percent: whoever compares what is told with one of them must come to what was decided."""
    found = [
        rule.at_least
        for rule in case.provenance.card.critical
        if isinstance(rule, CertaintyRule | ProbabilityRule) and _is_about(rule, thing)
    ]
    site = case.report.min_certainty_percent
    return (*found, site) if site > 0 else tuple(found)


def _is_about(rule: CriticalRule, thing: Finding | Detection | Structure) -> bool:
    if isinstance(thing, Finding):
        asked = isinstance(rule, CertaintyRule) and (rule.concept.value, rule.concept.scheme)
        return asked in ((thing.name.value, thing.name.scheme), (thing.value.value, thing.value.scheme))
    return isinstance(rule, ProbabilityRule) and rule.label == thing.label.name
