"""What was found as graphics over the source's images: one layer a label, outlines, and few words (PS3.3 C.10.5).

Each thing is named once, on the slice where it is largest; a slice with thirty names on it shows nothing.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from highdicom.pr import GraphicLayer, TextObject
from pydicom.dataset import Dataset
from scipy import ndimage

from models.findings import Detection, Reading
from models.interpreting.line_thinning import simplified
from worker.case.case import Case
from worker.case.finding_sentences import size_of
from worker.case.limits import limits_of
from worker.case.picture_words import banner
from worker.objects.image_references import image_reference
from worker.objects.rt_structure_set import outlined
from worker.objects.segments import Thing, mask_of
from worker.pictures.graphic_objects import GRAPHIC_OBJECTS, Drawn, graphic_objects
from worker.pictures.mask_outlines import outlines

_LONGEST_LO = 64
#: Left, top, right, bottom in shares of the displayed area: below the image, out of the way of a viewer's own words.
_BANNER_BOX = (0.0, 0.95, 1.0, 1.0)
_BANNER_LAYER = "AI"
_BANNER_RGB = (255, 176, 0)


def drawn_of(reading: Reading) -> list[Drawn]:
    """Return all that was outlined, by thing and slice; nothing else of a large series is spoken of."""
    # Once for all: a hundred searches of a large volume would take minutes.
    boxes: dict[bool, Any] = {
        counted: ndimage.find_objects(numbers)
        for counted, numbers in ((False, reading.labels), (True, reading.instances))
        if numbers is not None
    }
    found = []
    for thing in outlined(reading):
        if isinstance(thing, Detection) and not thing.voxels:
            ring = np.array((*thing.outline, thing.outline[0]))
            found.append(Drawn(thing=thing, slice_index=thing.slice_index, lines=(ring,), named=True))
        else:
            counted = isinstance(thing, Detection)
            number = thing.number if isinstance(thing, Detection) else thing.label.number
            found += _masked(reading, thing, boxes[counted][number - 1])
    return found


def layers(case: Case) -> dict[int, GraphicLayer]:
    """Return one layer a label, by the label's number, and under 0 the one that says who drew this."""
    labels = {thing.label.number: thing.label for thing in outlined(case.reading)}
    made = {
        number: GraphicLayer(
            layer_name=f"AI_{order}",
            order=order,
            description=case.words.label(label)[:_LONGEST_LO],
            display_color=CIELabColor.from_rgb(*label.colour_rgb),
        )
        for order, (number, label) in enumerate(labels.items(), start=1)
    }
    top = GraphicLayer(
        layer_name=_BANNER_LAYER,
        order=len(made) + 1,
        description=_banner(case)[:_LONGEST_LO],
        display_color=CIELabColor.from_rgb(*_BANNER_RGB),
    )
    return {**made, 0: top}


def annotations(case: Case, drawn: list[Drawn], on: dict[int, GraphicLayer]) -> Iterator[Dataset]:
    """Yield the items of Graphic Annotation Sequence, slice by slice, the words that nobody has verified it last."""
    by_slice: dict[int, list[Drawn]] = defaultdict(list)
    for one in drawn:
        by_slice[one.slice_index].append(one)
    for k, things in sorted(by_slice.items()):
        by_label: dict[int, list[Drawn]] = defaultdict(list)
        for one in things:
            by_label[one.thing.label.number].append(one)
        for number, members in by_label.items():
            item = _annotation(case, k, on[number])
            item[GRAPHIC_OBJECTS] = graphic_objects(case, members)
            if names := [_name(case, one) for one in members if one.named]:
                item.TextObjectSequence = names
            yield item
        item = _annotation(case, k, on[0])
        item.TextObjectSequence = [TextObject(text_value=_banner(case), units="DISPLAY", bounding_box=_BANNER_BOX)]
        yield item


def _banner(case: Case) -> str:
    # Many viewers draw graphics in fonts that have little more than ASCII.
    return banner(case).replace("\N{EN DASH}", "-")


def _annotation(case: Case, slice_index: int, layer: GraphicLayer) -> Dataset:
    item = Dataset()
    item.GraphicLayer = layer.GraphicLayer
    item.ReferencedImageSequence = [image_reference(case, slice_index)]
    return item


def _name(case: Case, one: Drawn) -> TextObject:
    """Name it at its right edge, of a detection with its number and size, or what else was told of it first."""
    thing, words = one.thing, case.words
    told = words.label(thing.label)
    if isinstance(thing, Detection):
        told = f"{told} {thing.number}"
        told += f": {_first_number(case, thing)}" if thing.measurements else ""
    points = np.concatenate(one.lines)
    row, column = points[int(np.argmax(points[:, 1]))]
    return TextObject(
        text_value=told, units="PIXEL", anchor_point=(float(column) + 0.5, float(row) + 0.5), anchor_point_visible=False
    )


def _first_number(case: Case, detection: Detection) -> str:
    words, first = case.words, detection.measurements[0]
    told = words.alone(first, limits_of(case, detection))
    return words.say("at least {size}", size=told) if detection.cut and first is size_of(detection) else told


def _masked(reading: Reading, thing: Thing, box: tuple[slice, slice, slice]) -> Iterator[Drawn]:
    slices, rows, columns = box
    corner = np.array((rows.start, columns.start))
    part = mask_of(reading, thing, slices)[:, rows, columns]
    areas = part.sum(axis=(1, 2))
    # A detection is named where reports say that it is.
    place = thing.slice_index - slices.start if isinstance(thing, Detection) else int(np.argmax(areas))
    for index in np.flatnonzero(areas):
        yield Drawn(
            thing=thing,
            slice_index=slices.start + int(index),
            lines=tuple(line + corner for line in simplified(outlines(part[index]))),
            named=bool(index == place),
        )
