"""What people read is said in every language, completely."""

import pickle
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import models
import worker
from models.card.card_parts import Concept, Label
from models.findings import Measurement
from models.interpreting import classification, detection, ecg, image_labels, instances, interpretation, measuring
from models.sentence import Sentence
from worker.case.sentences import Words, catalogue_file, words_in
from worker.languages import LANGUAGES, Language

TRANSLATED: tuple[Language, ...] = ("de", "fr", "es", "ja", "zh")
_KEYWORDS = {"say": None, "count": (1, 2), "Sentence": None}


def catalogue(language: Language) -> Catalog:
    """Return a language's catalogue."""
    with catalogue_file(language).open("rb") as file:
        return read_po(file, locale=language)


def said() -> Iterator[tuple[str, ...]]:
    """Yield every message in the source, with its plural where it has one."""
    for package in (models, worker):
        folder = Path(str(package.__file__)).parent
        for _, _, message, _, _ in extract_from_dir(str(folder), [("**.py", "python")], keywords=_KEYWORDS):
            # `str.count` takes one text: only a pair of patterns is a message of ours.
            if isinstance(message, tuple):
                yield tuple(part for part in message if part is not None)
            else:
                yield (message,)


def placeholders(text: str) -> set[str]:
    """Return the names in braces."""
    return set(re.findall(r"{(\w+)}", text))


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_of_the_source_is_translated(language: Language) -> None:
    """Each message id is in the catalogue, translated, with the same placeholders."""
    known = catalogue(language)
    messages = set(said())
    assert len(messages) > 30
    for message in messages:
        entry = known.get(message[0])
        assert entry is not None, message
        translations = (entry.string,) if isinstance(entry.string, str) else entry.string
        for translation in translations:
            assert translation, message
            # A singular may leave its "1" out, as "It read one image" does.
            assert placeholders(message[0]) <= placeholders(translation) <= placeholders(message[-1]), message


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_no_sentence_that_nobody_says(language: Language) -> None:
    """What is no longer in the source leaves the catalogues too."""
    messages = {message[0] for message in said()}
    kept = {
        entry.id if isinstance(entry.id, str) else entry.id[0] for entry in catalogue(language) if not entry.context
    }
    assert kept - messages - {""} == set()


def test_catalogues_know_the_same_terms() -> None:
    """A name of a thing that is translated into one language is translated into all."""
    terms = [{entry.id for entry in catalogue(language) if entry.context} for language in TRANSLATED]
    assert terms[0]
    assert all(found == terms[0] for found in terms)


def test_every_name_that_models_measure_by_is_translated() -> None:
    """What a card may ask for, and what an ECG is measured by, is told in the site's language."""
    measured = {
        value.meaning
        for module in (classification, detection, ecg, image_labels, instances, interpretation, measuring)
        for value in vars(module).values()
        if isinstance(value, Concept) and value.scheme != "UCUM"
    }
    assert {"Volume", "Standard Deviation", "QT interval per lead"} <= measured
    assert measured <= {entry.id for entry in catalogue(TRANSLATED[0]) if entry.context}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks(language: Language) -> None:
    """Each has its words, and says a sentence of another room in them."""
    words = words_in(language)
    told = words.tell(Sentence("{count} duplicate slices with equal pixels were left out.", count=1200))
    assert "{" not in told
    assert "200" in told
    assert (told == "1,200 duplicate slices with equal pixels were left out.") == (language == "en")


def test_numbers_and_dates_have_the_languages_form() -> None:
    """Comma or point, order of day and month, four digits of the year, units as people write them."""
    volume = Measurement(
        name=Concept(value="1", scheme="T", meaning="Volume"),
        value=1234.5678,
        unit=Concept(value="ml", scheme="UCUM", meaning="milliliter"),
    )
    small = Measurement(name=volume.name, value=7.891, unit=Concept(value="mm2", scheme="UCUM", meaning="mm2"))
    german, english, japanese = Words("de"), Words("en"), Words("ja")
    assert (german.measured(volume), english.measured(volume)) == ("1.235 ml", "1,235 ml")
    assert (german.measured(small), english.measured(small)) == ("7,89 mm²", "7.89 mm²")
    age = Measurement(name=volume.name, value=9.5, unit=Concept(value="a", scheme="UCUM", meaning="year"))
    assert [words.measured(age) for words in (german, english, japanese)] == ["9,50 Jahre", "9.50 years", "9.50 年"]
    assert german.date(date(2026, 2, 1)) == "01.02.2026"
    assert english.date(date(2026, 2, 1)) == "1 Feb 2026"
    assert japanese.date(date(2026, 2, 1)) == "2026/02/01"
    assert english.date_time(datetime(2026, 2, 1, 13, 5, tzinfo=UTC)) == "1 Feb 2026 13:05"


def test_what_is_small_is_not_told_as_nothing() -> None:
    """A lesion of four microlitres has a volume, and a limit of three is below it; large numbers stay as they were."""
    words = words_in("en")
    assert [words.number(value) for value in (0.0042, 0.003, 0.0999, 0.1, 6.4, 0.0)] == [
        *("0.0042", "0.0030", "0.100", "0.10", "6.40", "0.00"),
    ]
    unit = Concept(value="[hnsf'U]", scheme="UCUM", meaning="Hounsfield unit")
    assert words.measured(Measurement(name=unit, value=-12.5, unit=unit)).endswith(" HU")


def test_a_cards_own_names_count_most() -> None:
    """A label is named by its card in this language, else by the catalogue, else in English."""
    concept = Concept(value="1", scheme="T", meaning="Thing")
    label = Label(number=1, name="Hippocampi", names={"de": "Seepferdchen"}, concept=concept, colour_rgb=(1, 2, 3))
    assert Words("de").label(label) == "Seepferdchen"
    assert Words("fr").label(label) == "Hippocampes"
    assert Words("fr").label(label.model_copy(update={"name": "Unheard-of"})) == "Unheard-of"


def test_a_sentence_is_its_english_text_and_travels() -> None:
    """Whoever does not translate has a plain text, in another process too."""
    sentence = Sentence("{count} of {total} beats look {kind}.", count=2, total=9, kind="paced")
    assert sentence == "2 of 9 beats look paced."
    travelled = pickle.loads(pickle.dumps(sentence))  # noqa: S301  # our own bytes
    assert (travelled, travelled.pattern, travelled.values) == (sentence, sentence.pattern, sentence.values)
