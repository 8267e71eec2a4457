"""What a study has beside what a model reads of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OtherSeries:
    """How much of it there is.

    Attributes:
        series: Series that fit as well, and are not read.
        images: Objects in them, a multi-frame image or a recording being one.
        left_out: Images, or frames, of the very series that is read that the model's card does not read.
    """

    series: int = 0
    images: int = 0
    left_out: int = 0

    def __bool__(self) -> bool:
        """Say whether anything fits as well."""
        return self.series > 0


#: Where there is nothing else.
NO_OTHERS = OtherSeries()
