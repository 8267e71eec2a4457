"""How many there are of a label is a number, of parts, of instances and of boxes, and 0 is one too."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_parts import Range
from models.card.manifest import Card
from models.errors import ImplausibleResult
from models.findings import Reading
from models.interpreting.interpretation import interpret
from models.reading import read
from models.runtimes.runtime import Arrays
from models.volume import Image, Volume
from tests.readings import NODULE, a_card
from tests.unit.models.interpreting.test_detection import a_detector_card, an_image_card, answering

CODE = ("246206008", "SCT", "1", "UCUM")


def a_counting_card(**changes: Any) -> Card:
    """Return the card of a model that counts nodules; keywords change the label."""
    return a_card(labels=[NODULE.model_dump() | {"number": 1, "measurements": ("count",)} | changes])


def read_parts(card: Card, *sides: int) -> Reading:
    """Return the reading of cubes of these sides, in voxels of a microlitre, that lie apart."""
    labels = np.zeros((12, 12, 60), np.uint8)
    for place, side in enumerate(sides):
        labels[2 : 2 + side, 2 : 2 + side, 10 * place + 2 : 10 * place + 2 + side] = 1
    volume = Volume(array=labels, affine=np.eye(4)[[2, 1, 0, 3]])
    assert isinstance(card.interpretation, LabelMapInterpretation)
    return interpret(card, card.interpretation, volume, volume)


def counted(reading: Reading) -> list[float]:
    """Return how many there are of each label, of which each number has the code of a count."""
    numbers = [count.measurement for count in reading.counts]
    assert all((m.name.value, m.name.scheme, m.unit.value, m.unit.scheme) == CODE for m in numbers)
    return [m.value for m in numbers]


def test_instances_are_counted() -> None:
    """As many as there are detections: what is too small or too narrow does not count."""
    reading = read_parts(a_counting_card(smallest_ml=0.008, smallest_mm=4.0), 6, 5, 2, 1)
    assert len(reading.detections) == 2
    assert counted(reading) == [2]


@pytest.mark.parametrize("limit", [{"smallest_ml": 0.006}, {"plausible_volume_ml": Range(min=0.006)}])
def test_what_is_just_as_large_as_a_limit_reaches_it(limit: dict[str, Any]) -> None:
    """Five voxels of 1.2 microlitres have 6, whatever the computer's rounding takes away."""
    labels = np.zeros((3, 3, 9), np.uint8)
    labels[1, 1, 2:7] = 1
    volume = Volume(array=labels, affine=np.diag((1.2, 1.0, 1.0, 1.0)))
    card = a_counting_card(instances=False, **limit)
    assert isinstance(card.interpretation, LabelMapInterpretation)
    assert len(interpret(card, card.interpretation, volume, volume).structures) == 1


def test_none_is_counted_as_0() -> None:
    """A label that was looked for and not found has a count as well."""
    assert counted(read_parts(a_counting_card())) == [0]
    assert counted(read_parts(a_counting_card(instances=False))) == [0]


def test_parts_of_a_structure_are_one_of_its_numbers() -> None:
    """Connected parts of at least the smallest size, beside the volume of all of them; at a corner two are one."""
    card = a_counting_card(instances=False, smallest_ml=0.008)
    reading = read_parts(card, 6, 2, 1)
    (structure,) = reading.structures
    assert [m.value for m in structure.measurements] == [pytest.approx(0.224), 2]
    assert not reading.counts
    corner = np.zeros((4, 4, 4), np.uint8)
    corner[0, 0, 0] = corner[1, 1, 1] = 1
    volume = Volume(array=corner, affine=np.eye(4)[[2, 1, 0, 3]])
    assert isinstance(card.interpretation, LabelMapInterpretation)
    touching = interpret(a_counting_card(instances=False), card.interpretation, volume, volume)
    assert touching.structures[0].measurements[-1].value == 1


def test_what_is_not_asked_for_is_not_counted() -> None:
    """A card without the measurement says nothing of numbers."""
    assert not read_parts(a_counting_card(measurements=()), 4, 4).counts


def test_the_card_names_what_is_counted() -> None:
    """Where it is no lesion, the card has a code of its own for the number."""
    name = {"value": "111038", "scheme": "DCM", "meaning": "Number of calcifications"}
    (count,) = read_parts(a_counting_card(counted_as=name), 4, 4, 4).counts
    assert (count.measurement.name.value, count.measurement.value) == ("111038", 3)


@pytest.mark.parametrize("instances", [True, False])
@pytest.mark.parametrize(("limits", "sides"), [({"max": 1}, (4, 4)), ({"min": 3}, (4, 4)), ({"min": 1}, ())])
def test_an_implausible_count_is_not_sent(*, instances: bool, limits: dict[str, int], sides: tuple[int, ...]) -> None:
    """More or fewer than the card says, and none where there must be some: the error has the numbers."""
    card = a_counting_card(instances=instances, plausible_count=limits)
    with pytest.raises(ImplausibleResult, match=rf"Nodule: {len(sides)} found \(plausible at (least|most) "):
        read_parts(card, *sides)


def test_what_is_plausible_is_read() -> None:
    """The limits belong to what is plausible; a range needs something that is counted."""
    assert counted(read_parts(a_counting_card(plausible_count={"min": 2, "max": 2}), 4, 4)) == [2]
    with pytest.raises(ValidationError, match='plausible_count goes with measurements = \\["count"\\]'):
        a_counting_card(measurements=(), plausible_count={"max": 3})


BOXES = [[1, 1, 1, 5, 5, 5], [1, 1, 1, 5, 5, 6], [9, 9, 9, 12, 12, 12]]


def test_boxes_are_counted_after_those_that_a_better_one_covers() -> None:
    """Three boxes of which two are one thing are two; a label without boxes has 0."""
    labels = [label.model_dump() | {"measurements": ("count",)} for label in a_detector_card().labels]
    card = a_detector_card(labels=labels)
    random = np.random.default_rng(0)
    volume = Volume(array=random.normal(size=(16, 16, 16)).astype(np.float32), affine=np.eye(4)[[2, 1, 0, 3]])
    reading = read(card, volume, answering(BOXES, [0.9, 0.8, 0.7], [1, 1, 1]))
    assert [count.label.name for count in reading.counts] == ["Nodule", "Mass"]
    assert counted(reading) == [2, 0]
    assert len(reading.detections) == 2
    labels[0]["plausible_count"] = {"max": 1}
    with pytest.raises(ImplausibleResult, match=r"Nodule: 2 found \(plausible at most 1\)"):
        read(a_detector_card(labels=labels), volume, answering(BOXES, [0.9, 0.8, 0.7], [1, 1, 1]))


def test_boxes_on_images_are_counted() -> None:
    """The same of an X-ray."""
    card = an_image_card()
    card = card.model_copy(
        update={"labels": tuple(label.model_copy(update={"measurements": ("count",)}) for label in card.labels)}
    )
    image = Image(array=np.arange(800, dtype=np.float32).reshape(1, 20, 40), spacing_mm=None)
    infer = answering([[1, 1, 5, 5], [10, 20, 15, 30]], [0.9, 0.8], [2, 2])
    assert counted(read(card, image, infer)) == [0, 2]
    labels = tuple(label.model_copy(update={"plausible_count": Range(min=1)}) for label in card.labels)
    with pytest.raises(ImplausibleResult, match=r"0 found \(plausible at least 1\)"):
        read(card.model_copy(update={"labels": labels}), image, infer)


def test_boxes_of_a_clip_are_counted_in_the_frame_that_has_most() -> None:
    """A lesion that is seen in all frames is one: each label has the most of any one frame, as a critical rule does."""
    label = an_image_card().labels[0].model_copy(update={"measurements": ("count",), "plausible_count": Range(max=2)})
    other = an_image_card().labels[1].model_copy(update={"measurements": ("count",)})
    card = an_image_card().model_copy(update={"labels": (label, other)})
    image = Image(array=np.arange(8000, dtype=np.float32).reshape(10, 20, 40), spacing_mm=None)
    boxes, asked = [[1, 1, 5, 5], [10, 20, 15, 30], [1, 20, 5, 30]], []

    def infer(network: str, inputs: Arrays) -> Arrays:
        asked.append(network)
        shown = 2 if len(asked) == 4 else 1
        return answering([*boxes[:shown], boxes[2]], [0.9] * (shown + 1), [1] * shown + [2])(network, inputs)

    reading = read(card, image, infer)
    assert len(reading.detections) == 21
    assert counted(reading) == [2, 1]


@pytest.mark.parametrize(("limits", "plausible"), [({"max": 1}, True), ({"min": 2}, False)])
def test_what_is_plausible_of_a_clip_is_so_of_a_frame(*, limits: dict[str, int], plausible: bool) -> None:
    """One lesion in sixty frames is one, by [interpretation] plausible_count too; so it is where there must be two."""
    card = an_image_card(plausible_count=limits)
    image = Image(array=np.arange(48000, dtype=np.float32).reshape(60, 20, 40), spacing_mm=None)
    infer = answering([[1, 1, 5, 5]], [0.9], [1])
    if plausible:
        assert len(read(card, image, infer).detections) == 60
        return
    with pytest.raises(ImplausibleResult, match=r"1 found \(plausible at least 2\)"):
        read(card, image, infer)


@pytest.mark.parametrize("wrong", ["parts on images", "mean of boxes"])
def test_what_cannot_be_counted_is_refused(wrong: str) -> None:
    """Parts of a clip's frames would be counted many times; a box has no voxels to measure."""
    image = {"kind": "image", "size": [16, 16], "normalisation": "min-max"}
    label = NODULE.model_dump() | {"instances": False, "measurements": ("count",)}
    changes: dict[str, Any] = {"preparation": image, "labels": [label]}
    if wrong == "mean of boxes":
        changes = {"interpretation": {"kind": "boxes"}, "labels": [label | {"measurements": ("mean",)}]}
    with pytest.raises(ValidationError, match="leave out count" if wrong == "parts on images" else "but count"):
        a_card(**changes)
