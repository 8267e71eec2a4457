"""A network that classifies a recording of several channels: what it is given, and what becomes of its answer."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.card.card_parts import Concept
from models.card.manifest import Card
from models.errors import InputRefused
from models.findings import Finding, Reading
from models.interpreting.ecg import CARDIAC_RHYTHM
from models.interpreting.signal_classification import prepare_signals
from models.reading import read
from models.runtimes.runtime import Arrays
from models.volume import Waveform
from tests.readings import ABSENT, PNEUMONIA, PRESENT, SINUS, a_card, an_ecg, case_of
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import children, content_items, name_of, parsed
from worker.results import build

FIBRILLATION = Concept(value="49436004", scheme="SCT", meaning="Atrial fibrillation")
INFARCTION = Concept(value="401303003", scheme="SCT", meaning="Acute ST segment elevation myocardial infarction")
NO = Concept(value="373067005", scheme="SCT", meaning="No")
YES = Concept(value="373066001", scheme="SCT", meaning="Yes")
BLOCK = Concept(value="63467002", scheme="SCT", meaning="Left bundle branch block")
ANSWERS = (
    Finding(name=FIBRILLATION, value=ABSENT, certainty_percent=97.0),
    Finding(name=INFARCTION, value=PRESENT, certainty_percent=96.0),
    Finding(name=BLOCK, value=ABSENT),
    Finding(name=CARDIAC_RHYTHM, value=SINUS, certainty_percent=80.0),
)


def a_signal_card(**preparation: Any) -> Card:
    """Return the card of a classifier of leads V1 and II."""
    return a_card(
        labels=[],
        preparation={
            "kind": "signals",
            "channels": ["V1", "II"],
            "sampling_frequency_hz": 250,
            "samples": 2000,
            "normalisation": "z-score",
        }
        | preparation,
        interpretation={
            "kind": "classification",
            "activation": "none",
            "classes": [
                {"name": "One", "concept": PNEUMONIA.model_dump()},
                {"name": "Two", "concept": SINUS.model_dump()},
            ],
        },
    )


def a_waveform(**changes: Any) -> Waveform:
    """Return ten seconds of two sines at 500 Hz."""
    time = np.arange(5000) / 500
    array = np.stack([3 + np.sin(time * 9), 0.5 * np.cos(time * 7)]).astype(np.float32)
    return Waveform(**({"array": array, "channels": ("II", "V1"), "sampling_frequency_hz": 500.0} | changes))


def test_channels_come_in_the_cards_order_resampled_and_scaled() -> None:
    """By name, at the card's frequency, mean 0 and deviation 1; the shape of the signal is kept."""
    preparation: Any = a_signal_card().preparation
    array = prepare_signals(a_waveform(), preparation)
    assert array.shape == (1, 2, 2000)
    assert array.dtype == np.float32
    np.testing.assert_allclose(array.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(array.std(axis=2), 1, atol=1e-5)
    assert np.corrcoef(array[0, 0], np.cos(np.arange(2000) / 250 * 7))[0, 1] > 0.999
    assert np.corrcoef(array[0, 1], np.sin(np.arange(2000) / 250 * 9))[0, 1] > 0.999


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": ("II", "V2")}, "channels V1 are needed"),
        ({"array": np.ones((2, 5000), np.float32)}, "flat"),
        ({"array": np.full((2, 5000), np.nan, np.float32)}, "no numbers"),
        ({"sampling_frequency_hz": 1000.0}, "at least 8 s"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    """A missing, flat, broken or short recording never reaches the network."""
    preparation: Any = a_signal_card().preparation
    with pytest.raises(InputRefused, match=words):
        prepare_signals(a_waveform(**changes), preparation)


@pytest.mark.parametrize(("seconds", "told"), [(10.0, ("Read from second 0 to 8 of 10.",)), (8.04, ()), (8.0, ())])
def test_what_lies_behind_the_window_is_told(seconds: float, told: tuple[str, ...]) -> None:
    """A longer recording is read from its beginning, and the reading says how far."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        del network, inputs
        return {"p": np.array([[0.25, 0.875]], np.float32)}

    source = a_waveform(array=a_waveform().array[:, : round(seconds * 500)])
    assert read(a_signal_card(), source, infer).warnings == told


def test_its_findings_pass_the_gate() -> None:
    """On a real 12-lead ECG: the answer becomes findings, and every object of them passes the gate."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        assert (network, inputs["input"].shape) == ("main", (1, 2, 2000))
        return {"p": np.array([[0.25, 0.875]], np.float32)}

    series, card = an_ecg(), a_signal_card()
    assert isinstance(series.source, Waveform)
    reading = read(card, series.source, infer)
    assert (reading.findings[1].value, reading.findings[1].certainty_percent) == (PRESENT, pytest.approx(87.5))
    case = case_of(series, reading, card)
    made = build(case)
    output_gate.check(made, case)
    assert "TEXT-SR" in {each.kind for each in made}


def answers_of(report: Dataset) -> list[tuple[str, str, list[float]]]:
    """Return what the qualitative analysis says: name and value of each item, and its certainties."""
    (section,) = children(report, "122145", "DCM")
    return [
        (
            item.ConceptNameCodeSequence[0].CodeMeaning,
            item.ConceptCodeSequence[0].CodeMeaning,
            [float(each.MeasuredValueSequence[0].NumericValue) for each in children(item, "111012", "DCM")],
        )
        for item in section.ContentSequence
    ]


def test_the_report_names_what_is_present_and_what_is_absent() -> None:
    """What is present is an ECG finding by its own name; what is absent is named as well, and is none."""
    case = case_of(an_ecg(), Reading(findings=ANSWERS, runtime="none"), a_signal_card())
    made = build(case, ("ECG-SR", "TEXT-SR"))
    output_gate.check(made, case)
    assert answers_of(next(parsed(each.data) for each in made if each.kind == "ECG-SR")) == [
        ("Atrial fibrillation", "Absent", [97.0]),
        ("ECG finding", "Acute ST segment elevation myocardial infarction", [96.0]),
        ("Left bundle branch block", "Absent", []),
        ("ECG finding", "Normal sinus rhythm", [80.0]),
    ]


def test_every_answer_is_told_with_what_was_asked() -> None:
    """Yes is what was asked, No stands under its name, and what is neither has the question among its properties."""
    answers = (
        Finding(name=FIBRILLATION, value=NO, certainty_percent=97.0),
        Finding(name=INFARCTION, value=YES),
        Finding(name=CARDIAC_RHYTHM, value=SINUS, certainty_percent=80.0),
    )
    case = case_of(an_ecg(), Reading(findings=answers, runtime="none"), a_signal_card())
    made = build(case, ("ECG-SR", "TEXT-SR"))
    output_gate.check(made, case)
    report = next(parsed(each.data) for each in made if each.kind == "ECG-SR")
    assert answers_of(report) == [
        ("Atrial fibrillation", "No", [97.0]),
        ("ECG finding", "Acute ST segment elevation myocardial infarction", []),
        ("ECG finding", "Normal sinus rhythm", [80.0]),
    ]
    asked = [item for item in content_items(report) if name_of(item) == (CARDIAC_RHYTHM.value, CARDIAC_RHYTHM.scheme)]
    assert [item.ConceptCodeSequence[0].CodeMeaning for item in asked] == ["Normal sinus rhythm"]


def test_where_nothing_is_present_a_sentence_is_the_finding() -> None:
    """TID 3717 asks for an ECG finding, in a code or in words; what is absent is none of the codes."""
    case = case_of(an_ecg(), Reading(findings=ANSWERS[:1], runtime="none"), a_signal_card())
    made = build(case, ("ECG-SR", "TEXT-SR"))
    output_gate.check(made, case)
    report = next(parsed(each.data) for each in made if each.kind == "ECG-SR")
    (told,) = [item for item in content_items(report) if name_of(item) == ("271921002", "SCT")]
    assert (told.ValueType, told.TextValue) == ("TEXT", "Atrial fibrillation: Absent (certainty 97 %).")


def test_an_answer_to_another_question_stays_in_the_house() -> None:
    """A rhythm told as the answer about a block would name the wrong thing, though its own code is right."""
    case = case_of(an_ecg(), Reading(findings=ANSWERS, runtime="none"), a_signal_card())
    other = (*ANSWERS[:3], replace(ANSWERS[3], name=BLOCK))
    made = build(replace(case, reading=replace(case.reading, findings=other)), ("ECG-SR",))
    with pytest.raises(OutputRefused, match="numbers: the answers of the ECG report differ from the reading"):
        output_gate.check(made, case)


@pytest.mark.parametrize(
    "wrong",
    [
        Finding(name=BLOCK, value=PRESENT, certainty_percent=96.0),
        Finding(name=INFARCTION, value=ABSENT, certainty_percent=96.0),
        Finding(name=INFARCTION, value=SINUS, certainty_percent=96.0),
        Finding(name=INFARCTION, value=PRESENT, certainty_percent=95.0),
        Finding(name=INFARCTION, value=PRESENT),
        None,
    ],
)
def test_a_report_of_another_answer_stays_in_the_house(wrong: Finding | None) -> None:
    """The gate asks of an ECG's report that it names each answer, says the same of it, and leaves none out."""
    told = tuple(one for one in (ANSWERS[0], wrong, *ANSWERS[2:]) if one is not None)
    case = case_of(an_ecg(), Reading(findings=ANSWERS, runtime="none"), a_signal_card())
    other = replace(case, reading=replace(case.reading, findings=told))
    with pytest.raises(OutputRefused, match="numbers: the answers of the ECG report differ from the reading"):
        output_gate.check(build(other, ("ECG-SR",)), case)
