"""How far apart the slices and pixels of a volume lie: what is measured in it depends on that."""

import math
from dataclasses import dataclass

#: Half a millimetre along an axis is a tenth of a lesion of 5 mm, about what two reads of the same images differ by. Of
#: lesions of 10 and 20 mm volumes are others with slices of 5 mm than of 1.25 or 2.5 mm, and these "should not be used
#: interchangeably" (Zhao et al., Transl Oncol 2014; 7: 88-93).
_SAME_WITHIN_MM = 0.5
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Distances in mm.

    Attributes:
        slices: Between the centres of neighbouring slices.
        rows: Between those of rows.
        columns: Between those of columns.
    """

    slices: float
    rows: float
    columns: float

    @classmethod
    def of(cls, spacing_mm: tuple[float, float, float]) -> "Sampling":
        """Return that of slices, rows and columns, as a report keeps it."""
        slices, rows, columns = (round(distance, _DIGITS) for distance in spacing_mm)
        return cls(slices=slices, rows=rows, columns=columns)

    @property
    def distances(self) -> tuple[float, float, float]:
        """Of slices, rows and columns."""
        return self.slices, self.rows, self.columns

    def is_sound(self) -> bool:
        """Say whether these are distances."""
        return all(math.isfinite(distance) and distance > 0 for distance in self.distances)

    def differs_from(self, other: "Sampling") -> bool:
        """Say whether sizes in the one may differ from those in the other for that alone."""
        pairs = zip(self.distances, other.distances, strict=True)
        return any(abs(one - two) > _SAME_WITHIN_MM for one, two in pairs)
