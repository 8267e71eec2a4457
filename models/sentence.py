"""A sentence for people that can be said in another language: it is its English text, and knows how it was made."""

from typing import Any, Self


class Sentence(str):
    """An English sentence with its pattern and values, such as ``Sentence("{count} slices were left out.", count=3)``.

    It is a plain text to whoever does not translate. Numbers are given as numbers, so that a language may write them
    in its own way.
    """

    __slots__ = ("pattern", "values")
    pattern: str
    values: dict[str, Any]

    def __new__(cls, pattern: str, **values: Any) -> Self:
        """Say the pattern with these values in English."""
        made = super().__new__(cls, pattern.format(**values))
        made.pattern = pattern
        made.values = values
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process whole."""
        return _again, (self.pattern, self.values)


def _again(pattern: str, values: dict[str, Any]) -> Sentence:
    return Sentence(pattern, **values)
