"""What else of a study fits a model as well as what it reads, and is not read."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OtherSeries:
    """How much of it there is; nothing where only what is read fits.

    Attributes:
        series: Series that fit as well.
        images: Objects in them, a multi-frame image or a recording being one.
    """

    series: int = 0
    images: int = 0

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return self.series > 0


#: Where nothing else fits.
NO_OTHERS = OtherSeries()
