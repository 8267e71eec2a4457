"""Rules of a card that call a read critical."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from models.card.card_critical import CriticalRule
from models.card.card_parts import Concept
from models.card.ecg_concepts import BEATS_PER_MINUTE, HEART_RATE
from models.card.manifest import Card, explained, load_card
from models.catalog import CARD_FILE
from models.errors import CardError
from models.findings import Detection, Finding, Measurement, Reading, Structure
from models.interpreting.counting import counts_of, number_of
from models.interpreting.critical import critical_reasons
from models.interpreting.ecg import CARDIAC_RHYTHM
from models.interpreting.instances import CERTAINTY, DIAMETER, MILLIMETRE, PERCENT, VOLUME
from models.testing import write_threshold_model
from tests.number_models import FRACTION, numbers_card
from tests.readings import (
    ABSENT,
    LABELS,
    NODULE,
    PNEUMONIA,
    PRESENT,
    PROBABILITY,
    SINUS,
    a_card,
    a_nodule_card,
    an_ecg_card,
)

CORTEX = LABELS[0]
CENTIMETRE = Concept(value="cm", scheme="UCUM", meaning="centimeter")
MM3 = Concept(value="mm3", scheme="UCUM", meaning="cubic millimeter")
CODE = PNEUMONIA.model_dump()
NO = Concept(value="373067005", scheme="SCT", meaning="No")
NEGATIVE = Concept(value="260385009", scheme="SCT", meaning="Negative")
YES = Concept(value="373066001", scheme="SCT", meaning="Yes")


def measured(name: Concept, value: float, unit: Concept) -> Measurement:
    """Return a number."""
    return Measurement(name=name, value=value, unit=unit)


def structure(volume_mm3: float) -> Structure:
    """Return a cortex of so many cubic millimetres."""
    return Structure(label=CORTEX, voxels=1, measurements=(measured(VOLUME, volume_mm3, MM3),))


def nodule(number: int, *numbers: Measurement) -> Detection:
    """Return a nodule with these numbers."""
    outline = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    return Detection(number=number, label=NODULE, slice_index=0, outline=outline, measurements=numbers)


def pneumonia(answer: Concept, certainty_percent: float | None) -> Reading:
    """Return the answer about one lung film."""
    return Reading(findings=(Finding(name=PNEUMONIA, value=answer, certainty_percent=certainty_percent),))


def under(*rules: dict[str, Any]) -> Card:
    """Return a card with these rules, whether it could fulfil them or not."""
    critical = TypeAdapter(tuple[CriticalRule, ...]).validate_python(rules)
    return a_nodule_card().model_copy(update={"critical": critical})


def fired(card: Card, reading: Reading) -> list[tuple[str, float | None, int | None]]:
    """Return what the card's rules say: kind, value and number."""
    return [(reason.kind, reason.value, reason.number) for reason in critical_reasons(card.critical, reading)]


@pytest.mark.parametrize(
    ("answer", "certainty_percent", "kinds"),
    [
        (PRESENT, 80.0, ["certainty"]),
        (PRESENT, 79.9, []),
        (PRESENT, None, []),
        (ABSENT, 99.0, []),
        (NO, 99.0, []),
        (NEGATIVE, 99.0, []),
        (YES, 99.0, ["certainty"]),
    ],
)
def test_certainty_of_a_present_finding(answer: Concept, certainty_percent: float | None, kinds: list[str]) -> None:
    """The limit itself is critical; a finding that is surely absent, or of unknown certainty, is not."""
    card = under({"when": "certainty", "concept": CODE, "at_least": 80})
    assert [kind for kind, _, _ in fired(card, pneumonia(answer, certainty_percent))] == kinds


def test_an_answer_may_be_critical_itself() -> None:
    """A rhythm is an answer, not a question: the rule names it."""
    rule = {"when": "certainty", "concept": SINUS.model_dump(), "at_least": 90}
    card = an_ecg_card().model_copy(update={"critical": under(rule).critical})
    reading = Reading(findings=(Finding(name=CARDIAC_RHYTHM, value=SINUS, certainty_percent=97.0),))
    assert fired(card, reading) == [("certainty", 97.0, None)]


def test_a_reason_names_the_question_with_its_answer() -> None:
    """Whether the rule is about the question or the answer: "Yes" alone names no disease; Present needs no word."""
    rules = [
        {"when": "certainty", "concept": CODE, "at_least": 90},
        {"when": "certainty", "concept": YES.model_dump(), "at_least": 90},
        {"when": "present", "concept": YES.model_dump()},
    ]
    card = under(*rules)
    told = [(reason.name, reason.answer) for reason in critical_reasons(card.critical, pneumonia(YES, 98.0))]
    assert told == [("Pneumonia", YES)] * 3
    (present,) = critical_reasons(card.critical, pneumonia(PRESENT, 98.0))
    assert (present.name, present.answer) == ("Pneumonia", None)


def test_presence_of_a_label_or_a_finding() -> None:
    """Present is found as a structure, as a detection, or as an answer that does not deny it; once each."""
    rules = [
        {"when": "present", "label": "Cerebral cortex"},
        {"when": "present", "label": "Nodule"},
        {"when": "present", "concept": CODE},
    ]
    card = under(*rules)
    both = Reading(structures=(structure(1.0),), detections=(nodule(1), nodule(2)))
    assert [reason.name for reason in critical_reasons(card.critical, both)] == ["Cerebral cortex", "Nodule"]
    assert fired(card, pneumonia(PRESENT, None)) == [("present", None, None)]
    assert fired(card, pneumonia(ABSENT, None)) == []
    assert fired(card, Reading()) == []


def test_detections_are_judged_one_by_one() -> None:
    """Each detection over the limit is a reason with its own number; centimetres are understood."""
    rules = [
        {"when": "diameter", "label": "Nodule", "at_least": 8},
        {"when": "probability", "label": "Nodule", "at_least": 65},
    ]
    reading = Reading(
        detections=(
            nodule(1, measured(DIAMETER, 7.9, MILLIMETRE), measured(PROBABILITY, 70.0, PERCENT)),
            nodule(2, measured(DIAMETER, 1.2, CENTIMETRE), measured(CERTAINTY, 10.0, PERCENT)),
        )
    )
    label = NODULE.model_dump() | {"number": 1}
    card = a_card(labels=[label], critical=rules, interpretation={"kind": "probability"})
    assert fired(card, reading) == [("diameter", 12.0, 2), ("probability", 70.0, 1)]


@pytest.mark.parametrize(
    ("limit", "volume_ml", "fires"),
    [
        ({"at_least": 30}, 30.0, True),
        ({"at_least": 30}, 29.9, False),
        ({"at_most": 5}, 5.0, True),
        ({"at_most": 5}, 5.1, False),
    ],
)
def test_volume_has_a_lower_or_an_upper_limit(limit: dict[str, Any], volume_ml: float, fires: bool) -> None:  # noqa: FBT001
    """A structure is too large or too small, in millilitres whatever it was measured in."""
    card = a_card(critical=[{"when": "volume", "label": "Cerebral cortex", **limit}])
    assert fired(card, Reading(structures=(structure(volume_ml * 1000),))) == (
        [("volume", volume_ml, None)] if fires else []
    )


def test_what_was_not_found_is_not_too_small() -> None:
    """A model that misses a structure has failed to see it; that is no small volume."""
    card = a_card(critical=[{"when": "volume", "label": "Cerebral cortex", "at_most": 5}])
    assert fired(card, Reading(missing=LABELS)) == []


COUNTED_NODULE = NODULE.model_copy(update={"measurements": ("count",)})
COUNTED_CORTEX = CORTEX.model_copy(update={"measurements": ("count",)})


def counting(**rule: Any) -> Card:
    """Return the card of a model that counts nodules and parts of the cortex, with one rule."""
    labels = [label.model_dump() for label in (COUNTED_CORTEX, COUNTED_NODULE)]
    return a_nodule_card(labels=labels, critical=[{"when": "count", **rule}])


@pytest.mark.parametrize(
    ("limit", "count", "fires"),
    [
        ({"at_least": 3}, 3, True),
        ({"at_least": 3}, 2, False),
        ({"at_most": 1}, 1, True),
        ({"at_most": 1}, 2, False),
        ({"at_most": 1}, 0, True),
    ],
)
def test_a_count_has_a_lower_or_an_upper_limit(limit: dict[str, int], count: int, fires: bool) -> None:  # noqa: FBT001
    """There are many or few, of detections and of a structure's parts; that there is none is a count too."""
    expected = [("count", count, None)] if fires else []
    things = tuple(replace(nodule(number + 1), label=COUNTED_NODULE) for number in range(count))
    missing = () if count else (COUNTED_NODULE,)
    detected = Reading(detections=things, missing=missing, counts=counts_of(things, missing))
    assert fired(counting(label="Nodule", **limit), detected) == expected
    assert fired(counting(label="Cerebral cortex", **limit), detected) == []
    parts = (*structure(1.0).measurements, number_of(COUNTED_CORTEX, count))
    read = Reading(structures=(replace(structure(1.0), label=COUNTED_CORTEX, measurements=parts),))
    assert fired(counting(label="Cerebral cortex", **limit), read) == expected


def test_what_is_not_counted_has_no_rule() -> None:
    """The error says what to add to the card."""
    with pytest.raises(
        ValidationError, match=r'critical\.0\.label: Nodule has no count; add "count" to its measurements'
    ):
        a_nodule_card(critical=[{"when": "count", "label": "Nodule", "at_least": 3}])


@pytest.mark.parametrize(
    ("limit", "value", "fires"),
    [
        ({"at_most": 30}, 30.0, True),
        ({"at_most": 30}, 30.1, False),
        ({"at_least": 70}, 70.0, True),
        ({"at_least": 70}, 69.9, False),
        ({"at_most": 30}, 30.0 + 1e-12, True),
    ],
)
def test_a_number_has_a_lower_or_an_upper_limit(limit: dict[str, Any], value: float, fires: bool) -> None:  # noqa: FBT001
    """An ejection fraction is too low, in the card's unit; of another number the rule says nothing."""
    card = numbers_card(critical=[{"when": "number", "concept": FRACTION.model_dump(), **limit}])
    (rule,) = card.critical
    other = measured(PNEUMONIA, value, PERCENT)
    told = critical_reasons([rule], Reading(measurements=(other, measured(FRACTION, value, PERCENT))))
    assert [(one.kind, one.name, one.unit) for one in told] == [("number", FRACTION.meaning, "%")] * fires


def test_a_heart_rate_has_limits_too() -> None:
    """An ECG's numbers are known, so that a rule may be about them."""
    rule = {"when": "number", "concept": HEART_RATE.model_dump(), "at_least": 150}
    card = Card.model_validate(an_ecg_card().model_dump(by_alias=True) | {"critical": [rule]})
    assert fired(card, Reading(measurements=(measured(HEART_RATE, 160.0, BEATS_PER_MINUTE),))) == [
        ("number", 160.0, None)
    ]


ANSWERED = {
    "kind": "classification",
    "activation": "sigmoid",
    "classes": [{"name": "Pneumonia", "concept": PNEUMONIA.model_dump()}],
}
BY_CODE = {
    "inference": {"strategy": "entry-point", "name": "a", "version": "1"},
    "preparation": {"kind": "none"},
    "networks": {},
}
ABOUT_A_FINDING = {"when": "present", "concept": CODE}
ABOUT_A_LABEL = {"when": "present", "label": LABELS[0].name}
NO_QUESTION = "critical.0.concept: this model never answers it; allowed are none: kind = labels answers no question"


@pytest.mark.parametrize(
    ("changes", "rule", "told"),
    [
        ({}, ABOUT_A_FINDING, NO_QUESTION),
        ({}, {"when": "certainty", "concept": CODE, "at_least": 80}, NO_QUESTION),
        (BY_CODE, ABOUT_A_FINDING, NO_QUESTION),
        ({"interpretation": {"kind": "boxes"}}, ABOUT_A_FINDING, "a rule of it names a label of [[labels]]"),
        (
            {"interpretation": ANSWERED},
            ABOUT_A_LABEL,
            "label is named 'Cerebral cortex'; allowed are none: kind = classification finds nothing that has a label",
        ),
        (
            {},
            {"when": "number", "concept": FRACTION.model_dump(), "at_most": 30},
            "critical.0.concept: this model never tells it; allowed are none: only kind = numbers and",
        ),
        (
            BY_CODE
            | {"interpretation": {"kind": "probability"}, "labels": [{**LABELS[0].model_dump(), "instances": True}]},
            {"when": "probability", "label": LABELS[0].name, "at_least": 50},
            "critical.0: this rule would never fire: only instances = true with kind = probability of a network",
        ),
        (
            BY_CODE,
            {"when": "diameter", "label": LABELS[0].name, "at_least": 50},
            'critical.0: this rule would never fire: add "diameters" to the measurements of Cerebral cortex',
        ),
    ],
)
def test_a_rule_of_another_kind_of_card_is_refused(changes: dict[str, Any], rule: dict[str, Any], told: str) -> None:
    """A network of labels answers no question, one of answers finds nothing at a place, and nobody would notice."""
    with pytest.raises(ValidationError) as refused:
        a_card(**changes, critical=[rule])
    assert told in explained(refused.value)


def test_a_program_may_answer_whatever_it_likes() -> None:
    """Its findings.json is beyond the card, so that no rule about a finding is refused."""
    command = {"strategy": "command", "argv": ["/opt/run", "{output}"], "sha256": "0" * 64}
    assert a_card(**(BY_CODE | {"inference": command}), critical=[ABOUT_A_FINDING]).critical


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"concept": CODE, "at_most": 30}, "never tells it; allowed are 10230-1 LN Left Ventricular Ejection Fraction"),
        (
            {"at_most": 0.3},
            "critical.0.at_most: this rule would never fire: Left Ventricular Ejection Fraction is at",
        ),
        ({"at_least": 95}, "critical.0.at_least: this rule would never fire: Left Ventricular Ejection Fraction is at"),
        ({"at_least": 95}, "Left Ventricular Ejection Fraction is at least 5 and at most 90, in %"),
        ({"at_least": 1, "at_most": 3}, "critical.0: needs either at_least or at_most; both limits are two rules"),
        ({}, "critical.0: needs either at_least or at_most"),
    ],
)
def test_a_limit_of_a_number_is_in_its_unit(rule: dict[str, Any], told: str) -> None:
    """0.3 for 30 % would never be critical; the refusal says what is plausible, and in which unit."""
    with pytest.raises(ValidationError) as refused:
        numbers_card(critical=[{"when": "number", "concept": FRACTION.model_dump()} | rule])
    assert told in explained(refused.value)


def test_a_rule_of_numbers_is_about_a_number() -> None:
    """Whoever takes the rule of a finding is told which is meant."""
    with pytest.raises(ValidationError, match='answers no question, and a rule of it is when = "number"'):
        numbers_card(critical=[{"when": "certainty", "concept": FRACTION.model_dump(), "at_least": 5}])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"when": "volume", "label": "Cortex", "at_least": 3}, ("critical.0.label", "Cortex", "Left thalamus")),
        ({"when": "volume", "label": "Hippocampus"}, ("critical.0.volume", "either at_least or at_most")),
        ({"when": "volume", "label": "Hippocampus", "at_least": 1, "at_most": 2}, ("either at_least or at_most",)),
        ({"when": "count", "label": "Hippocampus"}, ("critical.0.count", "either at_least or at_most")),
        ({"when": "count", "label": "Hippocampus", "at_least": 2.5}, ("critical.0.count.at_least", "integer")),
        ({"when": "large", "label": "Hippocampus"}, ("critical.0", "'certainty', 'present', 'probability'")),
        ({"when": "present"}, ("critical.0.present", "either label")),
        ({"when": "certainty", "concept": CODE, "at_least": 101}, ("critical.0.certainty.at_least", "100")),
    ],
)
def test_a_wrong_rule_is_refused_by_name(rule: dict[str, Any], words: tuple[str, ...]) -> None:
    """The error names the key and what is allowed."""
    with pytest.raises(ValidationError) as refusal:
        a_card(critical=[rule])
    text = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in refusal.value.errors())
    for word in words:
        assert word in text


def test_a_rule_about_what_a_model_never_answers_is_refused() -> None:
    """A rhythm that the model does not know can never fire; the error lists those that it knows."""
    card = an_ecg_card().model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="Normal sinus rhythm"):
        Card.model_validate(card | {"critical": [{"when": "present", "concept": CODE}]})


def test_a_structure_may_be_too_wide() -> None:
    """An aorta is no detection, and its diameter is measured all the same."""
    label = CORTEX.model_copy(update={"measurements": ("diameters",)})
    wide = Structure(label=label, voxels=1, measurements=(measured(DIAMETER, 72.0, MILLIMETRE),))
    rule = {"when": "diameter", "label": label.name, "at_least": 55.0}
    card = a_card(labels=[label.model_dump()], critical=[rule])
    (reason,) = critical_reasons(card.critical, Reading(structures=(wide,)))
    assert (reason.kind, reason.value, reason.number) == ("diameter", 72.0, None)


@pytest.mark.parametrize(
    ("when", "label", "interpretation", "lacks"),
    [
        ("diameter", {}, {"kind": "labels"}, "diameters"),
        ("diameter", {"measurements": ["diameters"]}, {"kind": "labels"}, ""),
        ("diameter", {"instances": True}, {"kind": "labels"}, ""),
        ("probability", {"instances": True}, {"kind": "labels"}, "kind = probability"),
        ("probability", {}, {"kind": "probability"}, "instances = true"),
        ("probability", {"instances": True}, {"kind": "probability"}, ""),
        ("volume", {}, {"kind": "labels"}, ""),
        ("volume", {}, {"kind": "boxes"}, "boxes have no volume"),
        ("probability", {}, {"kind": "boxes"}, ""),
        ("diameter", {}, {"kind": "boxes"}, "longer-side"),
        ("diameter", {}, {"kind": "boxes", "diameter": "longer-side"}, ""),
    ],
)
def test_a_rule_that_would_never_fire_is_refused(
    when: str, label: dict[str, Any], interpretation: dict[str, Any], lacks: str
) -> None:
    """With what is lacking: nobody would notice that nobody is ever told."""
    about = {**LABELS[0].model_dump(), "number": 1, **label}
    rule = {"when": when, "label": LABELS[0].name, "at_least": 50.0}
    changes = {"labels": [about], "critical": [rule], "interpretation": interpretation}
    if lacks:
        with pytest.raises(ValidationError, match=f"would never fire.*{lacks}"):
            a_card(**changes)
    else:
        assert a_card(**changes).critical


def test_a_wrong_key_names_the_file_and_the_right_key(tmp_path: Path) -> None:
    """As for every key of a card."""
    file = write_threshold_model(tmp_path) / CARD_FILE
    file.write_text(file.read_text() + '\n[[critical]]\nwhen = "volume"\nlabel = "Bright"\nat_lest = 3\n')
    with pytest.raises(CardError, match=r"model\.toml: critical\.0\.at_lest: unknown key, did you mean at_least\?"):
        load_card(file)
