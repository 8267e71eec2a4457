"""The tables of docs/conformance.md about defects of sources, made from the code, so that they cannot differ."""

import re

from models.sentence import Sentence
from ops.reference.generated_section import rewrite, with_section
from worker.instances.identity_rules import RULES, Rule, named
from worker.instances.series_repairs import SERIES_REPAIRS
from worker.refusals import REFUSALS

#: Looked at where they are used.
_OTHERS = (
    (
        f"| {named('SpecificCharacterSet')} | … does not cover the characters of patient and study, nor does "
        "`assume_character_set` of the sender | held |"
    ),
    f"| {named('FrameOfReferenceUID')} | … is missing or not a UID, where a volume is segmented | refused |",
    f"| {named('BodyPartExamined')}, {named('PatientOrientation')} | nothing, where they are not valid | left out |",
)


def tables() -> str:
    """Return the tables of repairs of identities, of repairs of series, and of refusals, in Markdown."""
    identity = [
        "##### Patient and study attributes",
        "",
        "In this order. What is told stands in the text SR, one sentence each, without the value.",
        "",
        "| attributes | told | outcome |",
        "|---|---|---|",
        *(f"| {', '.join(map(named, rule.keywords))} | {_told(rule)} | {rule.outcome} |" for rule in RULES),
        *_OTHERS,
    ]
    series = [
        "##### Images and recordings",
        "",
        "| told | where |",
        "|---|---|",
        *(f"| {_pattern(told)} | {where} |" for told, where in SERIES_REPAIRS),
    ]
    refusals = [
        "##### Series that are refused, by name",
        "",
        "| name | what is wrong | what to do |",
        "|---|---|---|",
        *(f"| {name} | {refusal.meaning} | {refusal.remedy} |" for name, refusal in REFUSALS.items()),
    ]
    return "\n".join([*identity, "", *series, "", *refusals])


def replaced(document: str) -> str:
    """Return the document with its tables as they should be."""
    return with_section(document, "sources", tables())


def _told(rule: Rule) -> str:
    return rule.told(rule.keywords[0]).replace(named(rule.keywords[0]), "…")


def _pattern(told: str) -> str:
    return re.sub(r"\{\w+\}", "…", told.pattern) if isinstance(told, Sentence) else told


if __name__ == "__main__":
    rewrite(replaced)
