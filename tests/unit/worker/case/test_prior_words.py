"""What a radiologist reads of an earlier read, in short lines of any language."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from models.interpreting.instances import MILLILITRE, MILLIMETRE, VOLUME
from tests.readings import LABELS, NODULE, an_ecg_reading
from worker.case.prior import Change, Obstacle, Prior
from worker.case.prior_words import comparison_sentences
from worker.case.sentences import words_in
from worker.languages import LANGUAGES, Language

ARROW = "\N{RIGHTWARDS ARROW}"


def change(**changes: Any) -> Change:
    """Return the change of a thalamus."""
    values: dict[str, Any] = {
        "label": LABELS[1],
        "number": None,
        "name": VOLUME,
        "unit": MILLILITRE,
        "method": None,
        "earlier": 7.1,
        "now": 6.4,
    }
    return Change(**(values | changes))


def prior(*changes: Change, **values: Any) -> Prior:
    """Return a comparison."""
    told: dict[str, Any] = {
        "studied_on": date(2025, 11, 2),
        "days": 183,
        "model_version": "1",
        "changes": changes,
        "unpaired": (),
        "references": (),
    }
    return Prior(**(told | values))


def said(*changes: Change, **values: Any) -> tuple[str, ...]:
    """Say it in English."""
    return comparison_sentences(prior(*changes, **values), words_in("en"))


def test_when_and_how_much() -> None:
    """The date, the days between, both numbers and the percent."""
    first, second = said(change())
    assert first == f"Compared with the study of {words_in('en').date(date(2025, 11, 2))} (183 days earlier):"
    assert second == f"Left thalamus: 7.10 ml {ARROW} 6.40 ml (-9.9 %)"
    assert said(change(), days=1)[0].endswith("(1 day earlier):")
    assert said(change(), days=0)[0].endswith("(0 days earlier):")


def test_several_numbers_of_one_thing_are_named() -> None:
    """And a detection has its number of today."""
    diameter = VOLUME.model_copy(update={"meaning": "Diameter", "value": "81827009"})
    one = change(label=NODULE, number=2)
    lines = said(one, replace(one, name=diameter))
    assert lines[1].startswith("Nodule 2 (volume): ")
    assert lines[2].startswith("Nodule 2 (diameter): ")


def test_german_nouns_keep_their_capital() -> None:
    """Inside a sentence as well."""
    one = change(label=NODULE, number=2)
    two = replace(one, name=VOLUME.model_copy(update={"meaning": "Diameter", "value": "81827009"}))
    lines = comparison_sentences(prior(one, two), words_in("de"))
    assert "(Volumen): " in lines[1]
    assert "(Durchmesser): " in lines[2]


def test_nothing_has_no_sign() -> None:
    """Neither a plus nor a minus stands before what is told as 0.0 %."""
    for earlier, now in ((10.0, 9.996), (10.0, 10.004), (10.0, 10.0)):
        assert said(change(earlier=earlier, now=now))[1].endswith(" (0.0 %)")


def test_growth_has_its_doubling_time() -> None:
    """In whole days."""
    _, line, beware = said(change(label=NODULE, number=1, earlier=1.0, now=2.0, doubling_days=183.4))
    assert "paired with the earlier study by size" in beware
    assert line == f"Nodule 1: 1.00 ml {ARROW} 2.00 ml (+100.0 %); doubling time 183 days"


def test_nothing_before_has_no_percent() -> None:
    """From nothing to something is no share of it."""
    assert said(change(earlier=0.0))[1] == f"Left thalamus: 0.00 ml {ARROW} 6.40 ml"


def test_numbers_of_the_whole_input_say_what_they_are() -> None:
    """Such as the heart rate."""
    rate = an_ecg_reading().measurements[0]
    line = said(change(label=None, name=rate.name, unit=rate.unit, earlier=70.0, now=61.1))[1]
    assert line == f"Heart rate: 70.0 /min {ARROW} 61.1 /min (-12.7 %)"


def test_what_is_not_paired_is_told() -> None:
    """In a sentence of its own."""
    lines = said(change(), unpaired=(NODULE,))
    assert lines[-1] == "Nodule: found more than once then or now, so sizes are not compared."


def test_what_is_cut_is_told_instead_of_a_change() -> None:
    """All of it in one sentence: an examination of the abdomen cuts many organs."""
    lines = said(cut=(LABELS[1], NODULE))
    assert lines[1:] == (
        (
            "Cut by the edge of the images or of the model's view then or now, so sizes are not compared: "
            "Left thalamus, Nodule."
        ),
    )


def test_a_single_one_of_another_size_has_both_sizes() -> None:
    """Nobody is told that it was found more than once."""
    diameter = VOLUME.model_copy(update={"meaning": "Diameter", "value": "81827009"})
    grown = change(label=NODULE, number=1, name=diameter, unit=MILLIMETRE, earlier=5.0, now=11.0)
    assert said(differing=(grown,))[1:] == (
        "Nodule 1: 5.00 mm then, 11.0 mm now; they differ so much that they may not be the same one.",
    )
    told = comparison_sentences(prior(differing=(grown,)), words_in("de"))[1]
    assert told == "Rundherd 1: damals 5,00 mm, jetzt 11,0 mm; so verschieden, dass es nicht derselbe Befund sein muss."


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_all_of_it(language: Language) -> None:
    """Each has its own words, the same numbers, and no placeholder left over."""
    told = prior(change(), change(label=NODULE, doubling_days=40.0), unpaired=(NODULE,), obstacle=Obstacle.THRESHOLDS)
    lines = comparison_sentences(told, words_in(language))
    assert len(lines) == 5
    assert not any("{" in line for line in lines)
    assert "183" in lines[0]
    assert ("Compared with" in lines[0]) == (language == "en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("obstacle", [Obstacle.VERSION, Obstacle.MODEL])
def test_a_read_that_is_not_compared_is_told_with_the_reason(language: Language, obstacle: Obstacle) -> None:
    """When it was, and why no number of it is there; an arrow there is none."""
    when, why = comparison_sentences(prior(model_version="0.9", obstacle=obstacle), words_in(language))
    assert "183" in when
    assert ("0.9" in why) == (obstacle is Obstacle.VERSION)
    assert ("not compared" in why) == (language == "en")
    assert ARROW not in when + why
