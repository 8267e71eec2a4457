"""What a model can have found."""

import numpy as np
import pytest

from models.card.card_parts import Concept
from models.errors import ImplausibleResult
from models.findings import LARGEST, NO_UNITS, Measurement
from models.interpreting.interpretation import interpret
from models.volume import Volume
from tests.readings import LABELS, a_card

SCORE = Concept(value="1", scheme="99TEST", meaning="Score")


@pytest.mark.parametrize("value", [1e30, -1e28, np.nan, np.inf])
def test_a_number_that_nothing_can_have_is_refused(value: float) -> None:
    """It could not be told in digits, and the images or their grid are wrong; the message names it."""
    told = rf"the result is not sent: Score: {value:g} 1 is nothing that is measured in a body; look at the source"
    with pytest.raises(ImplausibleResult, match=told.replace("+", r"\+")):
        Measurement(name=SCORE, value=value, unit=NO_UNITS)
    assert Measurement(name=SCORE, value=-LARGEST, unit=NO_UNITS).value == -LARGEST


@pytest.mark.parametrize(
    ("fill", "spacing_mm", "told"), [(1e30, 1.0, "Mean: 1e\\+30"), (1.0, 1e10, "Volume: 6.4e\\+28 ml")]
)
def test_neither_a_mean_nor_a_volume_goes_beyond(fill: float, spacing_mm: float, told: str) -> None:
    """What images hold, and what they say of their grid, is whatever somebody wrote there."""
    label = LABELS[0].model_copy(update={"measurements": ("mean",)})
    card = a_card(labels=[label.model_dump()])
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    source = Volume(array=np.full((4, 4, 4), fill, np.float32), affine=affine)
    answer = Volume(array=np.full((4, 4, 4), label.number, np.uint8), affine=affine)
    with pytest.raises(ImplausibleResult, match=told):
        interpret(card, card.interpretation, answer, source)  # type: ignore[arg-type]  # a label map's
