"""Whether a rule of ``[[critical]]`` can ever fire for its card: nobody would notice that nobody is ever told. Pure."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

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
from models.card.card_inference import Command
from models.card.card_interpretation import (
    BoxInterpretation,
    ClassificationInterpretation,
    EcgInterpretation,
    LabelMapInterpretation,
    NumberCard,
    NumbersInterpretation,
)
from models.card.card_parts import Concept, Label
from models.card.card_preparation import ImagePreparation

if TYPE_CHECKING:
    from models.card.manifest import Card


def rule_problem(card: "Card", rule: CriticalRule) -> str:
    """Return what is wrong with a rule, behind its place in the card, with what is allowed; empty where it may fire."""
    if isinstance(rule, NumberRule):
        return _of_number(card, rule)
    if isinstance(rule, CertaintyRule) or (isinstance(rule, PresenceRule) and rule.concept is not None):
        return _of_answer(card, rule.concept)
    return _of_label(card, rule)


def _of_number(card: "Card", rule: NumberRule) -> str:
    how = card.interpretation
    numbers = how.numbers if isinstance(how, NumbersInterpretation | EcgInterpretation) else ()
    number = next((each for each in numbers if each.name.code == rule.concept.code), None)
    if number is None:
        allowed = _listed(each.name for each in numbers) or "none: only kind = numbers and kind = ecg have any"
        return f".concept: this model never tells it; allowed are {allowed}"
    return _of_limit(number, rule)


def _of_limit(number: NumberCard, rule: NumberRule) -> str:
    """Say where no plausible number crosses a limit, which is then mostly in another unit: 0.3 for 30 %."""
    lowest, highest = number.plausible.min, number.plausible.max
    too_high = rule.at_least is not None and highest is not None and rule.at_least > highest
    too_low = rule.at_most is not None and lowest is not None and rule.at_most < lowest
    if not (too_high or too_low):
        return ""
    return (
        f".{'at_least' if too_high else 'at_most'}: this rule would never fire: {number.name.meaning} is "
        f"{number.plausible}, in {number.unit.value}"
    )


def _of_answer(card: "Card", concept: Concept | None) -> str:
    how = card.interpretation
    if isinstance(how, EcgInterpretation):
        answers = list(how.rhythm_concepts.values())
    elif isinstance(how, ClassificationInterpretation):
        answers = [each.concept for each in how.classes if each.concept is not None]
    elif isinstance(card.inference, Command):
        return ""  # its findings.json may answer anything
    else:
        answers = []
    if concept in answers:
        return ""
    rule = 'is when = "number"' if isinstance(how, NumbersInterpretation) else "names a label of [[labels]]"
    allowed = _listed(answers) or f"none: kind = {how.kind} answers no question, and a rule of it {rule}"
    return f".concept: this model never answers it; allowed are {allowed}"


def _of_label(card: "Card", rule: CriticalRule) -> str:
    how, name = card.interpretation, getattr(rule, "label", "")
    labels = card.labels if isinstance(how, LabelMapInterpretation | BoxInterpretation) else ()
    label = next((each for each in labels if each.name == name), None)
    if label is None:
        allowed = ", ".join(each.name for each in labels) or f"none: kind = {how.kind} finds nothing that has a label"
        return f".label: no label is named {name!r}; allowed are {allowed}"
    if isinstance(rule, CountRule) and not label.counted:
        return f'.label: {name} has no count; add "count" to its measurements'
    lacking = _lacking(card, label, rule)
    return f": this rule would never fire: {lacking}" if lacking else ""


def _lacking(card: "Card", label: Label, rule: CriticalRule) -> str:
    """Return what a rule asks for and nothing on this card gives; empty where it may fire."""
    if not isinstance(rule, (ProbabilityRule, DiameterRule, VolumeRule)):
        return ""
    how = card.interpretation
    if isinstance(how, BoxInterpretation):
        return {
            "probability": "",
            "diameter": "" if how.diameter != "none" else 'set interpretation.diameter = "longer-side"',
            "volume": "boxes have no volume",
        }[rule.when]
    if isinstance(card.preparation, ImagePreparation):
        return f"what is outlined on images has an area, and no {rule.when}"
    # What comes as code draws labels, of which nobody knows how certain they are.
    certain = label.instances and how.kind == "probability" and bool(card.networks)
    wide = label.instances or "diameters" in label.measurements
    return {
        "probability": "" if certain else "only instances = true with kind = probability of a network are so certain",
        "diameter": "" if wide else f'add "diameters" to the measurements of {label.name}, or instances = true',
        "volume": "",
    }[rule.when]


def _listed(concepts: Iterable[Concept]) -> str:
    return ", ".join(f"{each.value} {each.scheme} {each.meaning}" for each in concepts)
