"""Things that are counted: their number, their diameters, their outline."""

import numpy as np
import pytest
from contourpy import contour_generator
from scipy import ndimage

from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_parts import Concept, Label
from models.errors import ImplausibleResult
from models.findings import Detection
from models.interpreting.instances import CERTAINTY, DIAMETER, SHORT_AXIS, VOLUME, axes_mm, take_instances
from models.interpreting.interpretation import interpret
from models.volume import Volume
from tests.line_distance import furthest
from tests.readings import a_card

NODULE = Label(
    number=3,
    name="Nodule",
    concept=Concept(value="27925004", scheme="SCT", meaning="Nodule"),
    category=Concept(value="49755003", scheme="SCT", meaning="Morphologically Altered Structure"),
    colour_rgb=(255, 200, 0),
    instances=True,
)
SPACING = (2.0, 0.5, 0.8)


def a_volume(array: np.ndarray) -> Volume:
    """Return the values on a grid with three different spacings."""
    return Volume(array=array, affine=np.diag((*SPACING, 1.0)))


def balls(*balls_mm: tuple[tuple[float, float, float], float]) -> np.ndarray:
    """Return a label map with balls of these centres and radii in mm."""
    z, y, x = (np.arange(size) * step for size, step in zip((30, 120, 100), SPACING, strict=True))
    labels = np.zeros((30, 120, 100), np.uint8)
    for (cz, cy, cx), radius in balls_mm:
        distance = (z[:, None, None] - cz) ** 2 + (y[:, None] - cy) ** 2 + (x - cx) ** 2
        labels[distance <= radius**2] = NODULE.number
    return labels


def value_of(detection: Detection, concept: Concept) -> float:
    """Return a detection's measurement."""
    return next(m.value for m in detection.measurements if m.name == concept)


def test_each_part_is_counted_and_measured() -> None:
    """Two balls are two detections, the larger first, with diameter and volume of a ball, and leave the label map."""
    labels = balls(((20, 20, 20), 5.0), ((40, 40, 60), 8.0))
    total = int((labels > 0).sum())
    instances, found = take_instances(labels, [NODULE], a_volume(labels))
    assert [detection.number for detection in found] == [1, 2]
    for detection, radius in zip(found, (8.0, 5.0), strict=True):
        assert value_of(detection, DIAMETER) == pytest.approx(2 * radius, abs=1.0)
        assert value_of(detection, SHORT_AXIS) == pytest.approx(2 * radius, abs=1.0)
        assert value_of(detection, VOLUME) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.05)
        assert detection.voxels == (instances == detection.number).sum()
    assert (found[0].slice_index, found[1].slice_index) == (20, 10)
    assert not labels.any()
    assert (instances > 0).sum() == total


def test_the_outline_goes_around_the_thing_on_its_slice() -> None:
    """The polygon encloses the pixels of that slice and no others, up to half a pixel."""
    labels = balls(((20, 20, 20), 5.0))
    instances, (found,) = take_instances(labels, [NODULE], a_volume(labels))
    rows, columns = np.nonzero(instances[found.slice_index])
    outline = np.array(found.outline)
    assert outline.min(axis=0) == pytest.approx((rows.min() - 0.5, columns.min() - 0.5))
    assert outline.max(axis=0) == pytest.approx((rows.max() + 0.5, columns.max() + 0.5))


def test_the_diameter_is_that_of_trying_everything() -> None:
    """Of shapes of any kind, on pixels of any shape: the farthest two edges of pixels of one connected part."""
    random = np.random.default_rng(7)
    for _ in range(60):
        mask = random.random(random.integers(1, 14, 2)) < random.choice([0.1, 0.3, 0.6])
        if not mask.any():
            continue
        spacing = random.choice([0.3, 0.7, 1.0, 2.5], 2)
        numbered, count = ndimage.label(mask, structure=np.ones((3, 3)))
        longest = 0.0
        for number in range(1, count + 1):
            pixels = np.argwhere(numbered == number)
            edges = np.concatenate([pixels + apart for apart in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))]) * spacing
            longest = max(longest, float(np.linalg.norm(edges[:, None] - edges, axis=2).max()))
        assert axes_mm(mask, *spacing)[0] == pytest.approx(longest)


@pytest.mark.parametrize("shape", ["corner", "holes"])
def test_the_outline_goes_around_all_that_is_measured(shape: str) -> None:
    """Also where pixels touch at a corner alone, and where the edge of a hole is longer than that of the thing."""
    labels = np.zeros((1, 40, 40), np.uint8)
    if shape == "corner":
        labels[0, 5:15, 5:15] = labels[0, 15:25, 15:25] = NODULE.number
    else:
        labels[0, 5:30, 5:30] = NODULE.number
        labels[0, 7:28, 7:28:2] = 0
        labels[0, 7, 7:28] = 0
    rows, columns = np.nonzero(labels[0])
    _, (found,) = take_instances(labels, [NODULE], a_volume(labels))
    outline = np.array(found.outline)
    assert outline.min(axis=0) == pytest.approx((rows.min() - 0.5, columns.min() - 0.5))
    assert outline.max(axis=0) == pytest.approx((rows.max() + 0.5, columns.max() + 0.5))
    points = outline * SPACING[1:]
    longest = float(np.linalg.norm(points[:, None] - points, axis=2).max())
    assert longest == pytest.approx(value_of(found, DIAMETER), abs=0.5)


def test_no_tip_of_a_jagged_thing_is_cut_off() -> None:
    """A thing with forty thin rays is drawn with all of them to their ends, within a quarter of a pixel of its edge."""
    y, x = np.ogrid[-128:128, -128:128]
    rays = np.maximum(0, np.cos(40 * np.arctan2(y, x))) ** 8
    labels = np.zeros((1, 256, 256), np.uint8)
    labels[0] = np.where(np.hypot(y, x) < 50 + 70 * rays, NODULE.number, 0)
    instances, found = take_instances(labels, [NODULE], Volume(array=labels, affine=np.eye(4)))
    thing = np.pad(instances[0] == 1, 1)
    edge = max(contour_generator(z=thing.astype(np.float64)).lines(0.5), key=len)[:, ::-1] - 1.0
    drawn = np.array((*found[0].outline, found[0].outline[0]))
    assert furthest(edge, drawn) <= 0.25 + 1e-9
    longest = float(np.linalg.norm(drawn[:, None] - drawn, axis=2).max())
    assert longest == pytest.approx(value_of(found[0], DIAMETER), abs=0.5)


def test_a_round_thing_is_drawn_with_few_points() -> None:
    """Twenty pixels across need no more than a few dozen corners."""
    _, (found,) = take_instances(balls(((20, 20, 20), 5.0)), [NODULE], a_volume(np.zeros((30, 120, 100))))
    assert 8 <= len(found.outline) <= 40


def test_an_ellipse_has_two_axes_in_any_direction() -> None:
    """A turned ellipse of 20 x 8 mm on an anisotropic grid is measured within a pixel."""
    y, x = np.ogrid[:120, :100]
    y, x = y * 0.5 - 30, x * 0.8 - 40
    turned = np.deg2rad(35)
    along, across = x * np.cos(turned) + y * np.sin(turned), y * np.cos(turned) - x * np.sin(turned)
    long_mm, short_mm = axes_mm((along / 10) ** 2 + (across / 4) ** 2 <= 1, 0.5, 0.8)
    assert long_mm == pytest.approx(20, abs=0.8)
    assert short_mm == pytest.approx(8, abs=0.8)


def test_a_single_pixel_has_an_outline() -> None:
    """The smallest mask is measured, not refused."""
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    assert axes_mm(mask, 1.0, 1.0) == pytest.approx((1.0, 1.0))


def test_what_is_too_small_is_dropped() -> None:
    """A part under the card's size is neither told nor left in the label map."""
    labels = balls(((20, 20, 20), 2.0), ((40, 40, 60), 8.0))
    label = NODULE.model_copy(update={"smallest_mm": 6.0})
    instances, found = take_instances(labels, [label], a_volume(labels))
    assert len(found) == 1
    assert instances.max() == 1


def test_what_is_just_as_wide_as_the_smallest_stays() -> None:
    """Ten pixels of 0.35 mm are 3.5 mm, whatever the computer's rounding takes away."""
    labels = np.zeros((1, 5, 20), np.uint8)
    labels[0, 2, 5:15] = NODULE.number
    label = NODULE.model_copy(update={"smallest_mm": 3.5})
    volume = Volume(array=labels, affine=np.diag((1.0, 1e-6, 0.35, 1.0)))
    assert len(take_instances(labels, [label], volume)[1]) == 1


def test_a_model_that_counts_gives_detections_with_certainty() -> None:
    """Logits of a network become two nodules whose certainty is the mean probability; nothing found is *missing*."""
    one = NODULE.model_copy(update={"number": 1})
    card = a_card(labels=[one.model_dump()], interpretation={"kind": "probability"})
    assert isinstance(card.interpretation, LabelMapInterpretation)
    source = a_volume(np.zeros((30, 120, 100), np.float32))
    logits = np.where(balls(((20, 20, 20), 5.0), ((40, 40, 60), 8.0)) > 0, 2.0, -4.0).astype(np.float32)
    reading = interpret(card, card.interpretation, a_volume(logits), source)
    assert [round(value_of(detection, CERTAINTY)) for detection in reading.detections] == [88, 88]
    assert (reading.structures, reading.missing) == ((), ())
    nothing = interpret(card, card.interpretation, a_volume(np.full_like(logits, -4.0)), source)
    assert nothing.detections == ()
    assert nothing.missing == (one,)


def test_the_longest_diameter_may_lie_on_a_small_slice() -> None:
    """A thin bar is longer than the disc beneath it, which has most of the area."""
    labels = np.zeros((3, 60, 60), np.uint8)
    rows, columns = np.ogrid[:60, :60]
    labels[0][(rows - 30) ** 2 + (columns - 30) ** 2 <= 100] = NODULE.number
    labels[1][28:32, 15:55] = NODULE.number
    source = Volume(array=labels.copy(), affine=np.eye(4))
    _, (found,) = take_instances(labels, [NODULE], source)
    assert found.slice_index == 1
    assert value_of(found, DIAMETER) == pytest.approx(np.hypot(40, 4), abs=1.0)
    assert value_of(found, SHORT_AXIS) == pytest.approx(4, abs=0.1)


def test_pixels_that_touch_at_a_corner_are_measured_together() -> None:
    """They are one part; a line around each of them is a part of its outline."""
    long_mm, short_mm = axes_mm(np.eye(3, dtype=bool), 1.0, 1.0)
    assert long_mm == pytest.approx(np.sqrt(2) * 3, abs=1.0)
    assert 0.5 < short_mm < 1.5


def test_a_thing_that_a_slice_cuts_twice_is_measured_along_one_part() -> None:
    """A V is one thing; neither its diameter nor its outline goes from one leg to the other through what is healthy."""
    labels = np.zeros((6, 16, 40), np.uint8)
    for k in range(6):
        for start in (5 + 2 * k, 30 - 2 * k):
            labels[k, 5:10, start : start + 5] = NODULE.number
    labels[0, 4, 30:35] = NODULE.number
    _, (found,) = take_instances(labels, [NODULE], Volume(array=labels.copy(), affine=np.eye(4)))
    assert found.slice_index == 5
    assert value_of(found, DIAMETER) == pytest.approx(np.hypot(10, 5), abs=0.8)
    outline = np.array(found.outline)
    assert np.ptp(outline, axis=0) == pytest.approx((5, 10))
    two = np.zeros((16, 40), bool)
    two[5:10, 5:10] = two[4:10, 30:35] = True
    assert axes_mm(two, 1.0, 1.0) == pytest.approx(axes_mm(two[:, 20:], 1.0, 1.0))


def test_a_part_at_the_edge_is_cut_and_no_other() -> None:
    """Of two balls the one whose half lies outside."""
    labels = balls(((20, 0, 20), 8.0), ((40, 40, 60), 5.0))
    _, found = take_instances(labels, [NODULE], a_volume(labels))
    assert [detection.cut for detection in found] == [True, False]


def test_more_things_than_have_numbers_are_refused_before_they_are_measured() -> None:
    """Noise has a hundred thousand parts, which would be measured for minutes and then have no numbers."""
    labels = np.zeros((82, 82, 82), np.uint8)
    labels[::2, ::2, ::2] = NODULE.number
    with pytest.raises(ImplausibleResult, match=r"68921 separate things were found, and at most 65535"):
        take_instances(labels, [NODULE], a_volume(labels))
