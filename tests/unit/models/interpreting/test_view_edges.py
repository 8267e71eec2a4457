"""What ends where the network's view ends, within the images, is cut: nobody has measured what lies beyond."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.card.manifest import Card
from models.findings import Reading
from models.interpreting.view_edges import at_edge_of_view
from models.preparing.grid import Grid
from models.reading import read
from models.runtimes.runtime import Arrays, Infer
from models.volume import Image, Volume
from tests.readings import LABELS, NODULE, a_card

_FIRST = LABELS[0].model_dump() | {"number": 1}
_THINGS = NODULE.model_dump() | {"number": 1}
_OBLIQUE = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


def a_volume_card(*, interpretation: str = "labels", **preparation: Any) -> Card:
    """Return the card of a model that sees 20 of 40 mm about the middle."""
    volume = {"kind": "volume", "orientation": "LPS", "fit": "spacing", "spacing_mm": [1, 1, 1]}
    return a_card(
        preparation=volume | {"normalisation": "min-max", "crop_centre": [20, 20, 20]} | preparation,
        interpretation={"kind": interpretation},
        labels=[_THINGS if interpretation == "probability" else _FIRST],
    )


def a_volume() -> Volume:
    """Return 40 mm of noise."""
    array = np.random.default_rng(0).integers(1, 900, (40, 40, 40)).astype(np.int16)
    return Volume(array=array, affine=np.eye(4))


def drawing(box: tuple[slice, ...], inside: float, outside: float, dtype: type[np.generic]) -> Infer:
    """Return a network that answers a box of its own grid."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        del network
        shape = next(iter(inputs.values())).shape[2:]
        answer = np.full((1, *shape), outside, dtype)
        answer[(0, *box)] = inside
        return {"answer": answer}

    return infer


def middle(first: int, last: int) -> tuple[slice, ...]:
    """Return a box that reaches from one place to another along the first axis and lies in the middle of the others."""
    return slice(first, last), slice(8, 12), slice(8, 12)


def cuts(reading: Reading) -> list[bool]:
    """Return of each thing whether it is cut."""
    return [thing.cut for thing in (*reading.structures, *reading.detections)]


@pytest.mark.parametrize(("first", "last", "cut"), [(8, 20, True), (0, 8, True), (1, 19, False)])
def test_a_structure_that_a_crop_cuts_is_cut(first: int, last: int, *, cut: bool) -> None:
    """Not one that ends a voxel before; the reading warns of it in at most 90 characters."""
    reading = read(a_volume_card(), a_volume(), drawing(middle(first, last), 1, 0, np.uint8))
    assert cuts(reading) == [cut]
    told = [warning for warning in reading.warnings if "the model's view ends" in warning]
    assert len(told) == cut
    assert all(len(warning) <= 90 for warning in told)


@pytest.mark.parametrize(("first", "last", "cut"), [(8, 20, True), (5, 15, False)])
def test_a_thing_that_is_counted_is_cut_likewise(first: int, last: int, *, cut: bool) -> None:
    """Of a network of probabilities; a thing beside it in the same read is not."""
    answer = drawing(middle(first, last), 4.0, -4.0, np.float32)

    def two_things(network: str, inputs: Arrays) -> Arrays:
        (drawn,) = answer(network, inputs).values()
        drawn[0, 4:8, 2:4, 2:4] = 4.0
        return {"answer": np.stack([-drawn[0], drawn[0]])[np.newaxis]}

    reading = read(a_volume_card(interpretation="probability"), a_volume(), two_things)
    assert sorted(cuts(reading)) == [False, cut]


def test_what_is_dark_beyond_cuts_nothing() -> None:
    """A card that cuts off what is 0 has chosen its view by what is in it; one that takes its middle has not."""
    volume = a_volume()
    volume.array[:5] = 0
    draw = drawing((slice(0, 8), slice(5, 9), slice(5, 9)), 1, 0, np.uint8)
    by_content = a_volume_card(crop_centre=None, crop_non_zero=True)
    assert cuts(read(by_content, volume, draw)) == [False]
    assert cuts(read(a_volume_card(crop_non_zero=True), volume, draw)) == [True]


def test_an_oblique_view_ends_at_its_own_edges() -> None:
    """What is turned out of the images' axes cuts where it ends, and nothing within it."""
    affine = np.eye(4)
    affine[:3, :3] = _OBLIQUE
    affine[:3, 3] = np.array([19.5] * 3) - _OBLIQUE @ np.array([9.5] * 3)
    view, numbers = Grid(affine=affine, shape=(20, 20, 20)), np.zeros((40, 40, 40), np.uint8)
    inside = np.linalg.inv(affine) @ np.vstack([np.indices(numbers.shape).reshape(3, -1), np.ones(numbers.size)])
    seen = ((inside[:3] > -0.5) & (inside[:3] < 19.5)).all(axis=0).reshape(numbers.shape)
    numbers[18:22, 18:22, 18:22] = 1
    assert at_edge_of_view(numbers, view, a_volume()) == frozenset()
    numbers[20:, 20:, 15] = 2
    numbers[~seen] = 0
    assert at_edge_of_view(numbers, view, a_volume()) == {2}
    whole = Grid(affine=np.eye(4), shape=(40, 40, 40))
    assert at_edge_of_view(np.ones_like(numbers), whole, a_volume()) == frozenset()


def boxes(*found: list[float]) -> Infer:
    """Return a network that answers these boxes."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        del network, inputs
        return {
            "boxes": np.array(found, np.float32),
            "scores": np.linspace(0.9, 0.8, len(found)).astype(np.float32),
            "classes": np.ones(len(found), np.int64),
        }

    return infer


def test_a_box_that_ends_with_the_view_is_cut() -> None:
    """In a volume; where the view is that of the images, its end is theirs."""
    card = a_card(
        preparation=a_volume_card().preparation.model_dump(),
        interpretation={"kind": "boxes"},
        labels=[_THINGS | {"instances": False}],
    )
    asked = boxes([0, 8, 8, 5, 12, 12], [8, 8, 14, 12, 12, 20.5], [8, 8, 8, 12, 12, 12])
    assert cuts(read(card, a_volume(), asked)) == [True, True, False]


@pytest.mark.parametrize(("fit", "cut"), [("crop", True), ("stretch", False), ("pad", False)])
def test_what_a_crop_of_images_cuts_is_cut(fit: str, *, cut: bool) -> None:
    """Masks and boxes end where the crop does; what is padded is seen whole."""
    frame = np.random.default_rng(0).integers(0, 900, (1, 40, 20)).astype(np.uint16)
    image = Image(array=frame, spacing_mm=(1.0, 1.0))
    preparation = {"kind": "image", "size": [20, 20], "normalisation": "min-max", "fit": fit}
    at_top = (slice(0, 6), slice(8, 12))
    if fit == "pad":  # the frame lies in columns 5 to 15 of the input
        at_top = (slice(1, 6), slice(8, 12))
    card = a_card(preparation=preparation, interpretation={"kind": "labels"}, labels=[_FIRST])
    edge = fit == "stretch"  # there the top of the input is that of the frame, which cuts too
    assert cuts(read(card, image, drawing(at_top, 1, 0, np.uint8))) == [cut or edge]
    assert cuts(read(card, image, drawing((slice(5, 10), slice(8, 12)), 1, 0, np.uint8))) == [False]
    detector = a_card(
        preparation=preparation, interpretation={"kind": "boxes"}, labels=[_THINGS | {"instances": False}]
    )
    asked = boxes([0 if fit == "crop" else 1, 8, 6, 12], [4, 8, 10, 12])
    assert cuts(read(detector, image, asked)) == [cut, False]


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize(("last", "reaches"), [(30, True), (29, False)])
def test_what_ends_at_a_scanners_circle_is_cut(last: int, *, reaches: bool, ends: bool) -> None:
    """A liver that reaches beyond it is larger than what is shown of it; one that lies within it is not."""
    beyond = np.zeros((40, 40, 40), np.bool_)
    beyond[:, :, 30:] = True
    source = replace(a_volume(), padding=np.packbits(beyond, axis=-1), ends_at_padding=ends)
    box = (slice(8, 12), slice(8, 12), slice(20, last))

    def two_classes(network: str, inputs: Arrays) -> Arrays:
        (drawn,) = drawing(box, 4.0, -4.0, np.float32)(network, inputs).values()
        return {"answer": np.stack([-drawn[0], drawn[0]])[np.newaxis]}

    structure = read(a_volume_card(crop_centre=None), source, drawing(box, 1, 0, np.uint8))
    thing = read(a_volume_card(interpretation="probability", crop_centre=None), source, two_classes)
    for reading in (structure, thing):
        assert cuts(reading) == [reaches and ends]
    assert any("edge of the images" in warning for warning in structure.warnings) == (reaches and ends)
