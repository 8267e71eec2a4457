"""Everything that a person reads in a result is said here: in the site's language, with its numbers and dates.

A message is its English text; `locale/<language>.po` holds the translations, read by Babel, looked up by gettext.
"""

import gettext
import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from models.card.card_parts import Concept, Label
from models.findings import NO_UNITS, Measurement
from models.sentence import Sentence
from worker.case.rounding import NO_LIMITS, UNLIMITED, Between, Limits, digits_of, rounded
from worker.languages import Language

_CATALOGUES = Path(__file__).parent / "locale"
_SOURCE: Language = "en"
#: Context of names of things, as against sentences.
_TERM = "term"
#: UCUM codes that people write otherwise; words are terms of the catalogues.
_UNITS = {
    "{H.B.}/min": "/min",
    "{pixels}": "px",
    "1": "",
    "mm2": "mm²",
    "mm3": "mm³",
    "cm2": "cm²",
    "cm3": "cm³",
    "[hnsf'U]": "HU",
    "a": "years",
    "mo": "months",
    "wk": "weeks",
    "d": "days",
}
#: Units of what is a share of something that only its name tells.
_SHARES = ("%",)
#: Certainty of Finding and Probability of cancer; and their units, in percent.
_CERTAINTIES = (("111012", "DCM"), ("111047", "DCM"))
_IN_PERCENT = {"%": 1.0, "1": 100.0}
_DIGITS = 3
_SMALL, _MOST_DIGITS = 0.1, 9
_SMALL_NOUNS = ("en", "fr", "es")


class Words:
    """Says things in one language."""

    def __init__(self, language: Language) -> None:
        """Take the language's code."""
        self.language = language
        self._locale = Locale.parse(language)
        self._catalogue = _catalogue(language)

    def say(self, pattern: str, **values: Any) -> str:
        """Say an English pattern with these values; numbers are written in the language's way."""
        return self._filled(self._catalogue.gettext(pattern), values)

    def count(self, one: str, many: str, count: int, **values: Any) -> str:
        """Say what depends on a number, which both patterns may name as ``{count}``."""
        return self._filled(self._catalogue.ngettext(one, many, count), {"count": count, **values})

    def tell(self, sentence: str) -> str:
        """Say a `models.sentence.Sentence` that another room made; other text is told as it is."""
        return self.say(sentence.pattern, **sentence.values) if isinstance(sentence, Sentence) else sentence

    def term(self, english: str) -> str:
        """Return the name of a thing; the English one where the catalogue has none."""
        return self._catalogue.pgettext(_TERM, english)

    def concept(self, concept: Concept) -> str:
        """Return a code's meaning."""
        return self.term(concept.meaning)

    def within(self, concept: Concept) -> str:
        """Return a code's meaning as it stands inside a sentence: German writes nouns with a capital, English not."""
        told = self.concept(concept)
        if self.language not in _SMALL_NOUNS:
            return told
        return " ".join(word if word[:2].isupper() else word.lower() for word in told.split(" "))

    def label(self, label: Label) -> str:
        """Return a label's name: the card's own in this language, else the catalogue's, else the English one."""
        return label.names.get(self.language) or self.term(label.name)

    def number(self, value: float, digits: int | None = None, limits: Between = NO_LIMITS) -> str:
        """Return a number in the language's form; without `digits` about four significant ones, as people read them.

        Of what is small two: what was measured is not told as 0. More where these limits need them: 7.996 mm that is
        not critical from 8 mm on is not told as 8.00 mm.
        """
        if digits is None:
            digits = max(0, _DIGITS - len(str(int(abs(value)))))
            if 0 < abs(value) < _SMALL:
                digits = min(_MOST_DIGITS, 1 - math.floor(math.log10(abs(value))))
            digits = digits_of(value, digits, limits)
        value = round(value, digits) or 0.0  # a number that is told as nothing has no sign
        return str(format_decimal(value, format=f"#,##0.{'0' * digits}", locale=self._locale))

    def exact(self, value: float) -> str:
        """Return a number in the language's form with all of its digits and no more: 80, 0.25, for what a rule says."""
        exponent = Decimal(str(value)).normalize().as_tuple().exponent
        return self.number(value, max(0, -int(exponent)))

    def certainty(self, percent: float, limits: Sequence[float] = ()) -> str:
        """Return a certainty in whole percent, in more digits where these limits need them; 100 is nothing but 100."""
        shown, digits = rounded(percent, limits)
        if shown != percent and shown in (0, 100):
            return "<1" if shown == 0 else ">99"
        return self.number(shown, digits)

    def measured(self, measurement: Measurement, limits: Limits = UNLIMITED) -> str:
        """Return a measurement's number with its unit; a certainty without limits of its own as `certainty` does."""
        if _is_certainty(measurement) and limits.number == NO_LIMITS:
            return f"{self.certainty(measurement.value * _IN_PERCENT[measurement.unit.value], limits.percent)} %"
        return self.amount(measurement.value, measurement.unit.value, limits.of(measurement))

    def amount(self, value: float, unit: str, limits: Between = NO_LIMITS) -> str:
        """Return a number with its UCUM unit."""
        whole = unit == NO_UNITS.value and float(value).is_integer()
        return self.with_unit(self.number(value, 0 if whole else None, limits), unit)

    def with_unit(self, number: str, unit: str) -> str:
        """Return a number that is written already with what people write for a UCUM unit."""
        return f"{number} {self.term(_UNITS.get(unit, unit))}".strip()

    def named(self, measurement: Measurement, limits: Limits = UNLIMITED) -> str:
        """Return a measurement's name and number as they stand inside a sentence."""
        numbers = self.measured(measurement, limits)
        return self.say("{name} {numbers}", name=self.within(measurement.name), numbers=numbers)

    def alone(self, measurement: Measurement, limits: Limits = UNLIMITED) -> str:
        """Return the only number that stands beside the name of a thing, which says what a size is of.

        A percentage has its name: "stenosis 72 %" is read as a narrowing, and not as how certain the model is of it.
        """
        if measurement.unit.value in _SHARES or _is_certainty(measurement):
            return self.named(measurement, limits)
        return self.measured(measurement, limits)

    def cut(self, told: str) -> str:
        """Add to what is told of a thing that it reaches the edge of the images, so that its sizes are of a part."""
        return self.say("{told}; cut off, may be larger", told=told)

    def date(self, day: date) -> str:
        """Return a date in the language's form, the year in four digits: "2 Jan 2026", "02.01.2026"."""
        # English without a country: the American order of day and month must not be taken for the other.
        return str(format_date(day, format="d MMM y" if self.language == "en" else "medium", locale=self._locale))

    def date_time(self, moment: datetime) -> str:
        """Return a point in time in its own zone, to the minute."""
        form = "HH:mm" if self.language == "en" else "short"
        return f"{self.date(moment)} {format_time(moment.time(), format=form, locale=self._locale)}"

    def _filled(self, pattern: str, values: dict[str, Any]) -> str:
        return pattern.format(**{key: self._plain(value) for key, value in values.items()})

    def _plain(self, value: Any) -> str:
        if isinstance(value, Sentence):
            return self.tell(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.number(value, 0)
        return self.number(value) if isinstance(value, float) else str(value)


def _is_certainty(measurement: Measurement) -> bool:
    code = measurement.name.value, measurement.name.scheme
    return code in _CERTAINTIES and measurement.unit.value in _IN_PERCENT


@cache
def words_in(language: Language) -> Words:
    """Return the words of a language; its catalogue is read once a process."""
    return Words(language)


def catalogue_file(language: Language) -> Path:
    """Return where the translations of a language are."""
    return _CATALOGUES / f"{language}.po"


def _catalogue(language: Language) -> gettext.NullTranslations:
    if language == _SOURCE:
        return gettext.NullTranslations()
    compiled = BytesIO()
    with catalogue_file(language).open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
