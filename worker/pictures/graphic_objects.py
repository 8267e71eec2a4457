"""Closed lines over an image as Graphic Object Sequence (0070,0009), as it stands in a file.

A series has ten thousand of them: as datasets of pydicom they would take longer than all the rest of the object.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from worker.case.case import Case
from worker.objects.graphic_points import within_limit
from worker.objects.segments import Thing, tracking_name, tracking_uid

GRAPHIC_OBJECTS = Tag("GraphicObjectSequence")

#: Group, element, VR and length of an element; tag and length of an item. Little endian.
_ELEMENT = struct.Struct("<HH2sH")
_ITEM = struct.Struct("<HHL")
_COUNT = struct.Struct("<H")


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A thing on one slice.

    Attributes:
        thing: What it is.
        slice_index: Of the source.
        lines: Closed lines, ``(points, 2)`` of row and column, the first point repeated.
        named: Whether its name stands here.
    """

    thing: Thing
    slice_index: int
    lines: tuple[NDArray[np.float64], ...]
    named: bool


def graphic_objects(case: Case, drawn: Sequence[Drawn]) -> RawDataElement:
    """Return the lines of these things as the sequence."""
    _, rows, columns = case.series.source.array.shape
    items = []
    for one in drawn:
        before, after = _common(case, one.thing)
        for line in one.lines:
            points = graphic_points(line, rows=rows, columns=columns)
            data = points.tobytes()
            item = b"".join(
                (
                    before,
                    _ELEMENT.pack(0x0070, 0x0021, b"US", 2) + _COUNT.pack(len(points)),
                    _ELEMENT.pack(0x0070, 0x0022, b"FL", len(data)) + data,
                    after,
                )
            )
            items.append(_ITEM.pack(0xFFFE, 0xE000, len(item)) + item)
    value = b"".join(items)
    return RawDataElement(
        tag=GRAPHIC_OBJECTS,
        VR="SQ",
        length=len(value),
        value=value,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )


def graphic_points(line: NDArray[np.float64], *, rows: int, columns: int) -> NDArray[np.float32]:
    """Return a line as Graphic Data, ``(points, 2)``, on an image of this size.

    The corner of the first pixel, not its centre, is the origin, and columns come first (PS3.3 C.10.5.1.2).
    """
    return np.clip(within_limit(line)[:, ::-1] + 0.5, 0.0, (columns, rows)).astype("<f4")


def _common(case: Case, thing: Thing) -> tuple[bytes, bytes]:
    """Return the elements of all lines of a thing that stand before, and after, number and coordinates of points."""
    before, after = Dataset(), Dataset()
    before.TrackingID = tracking_name(thing)
    before.TrackingUID = tracking_uid(case.provenance, thing)
    before.GraphicAnnotationUnits = "PIXEL"
    before.GraphicDimensions = 2
    after.GraphicType = "POLYLINE"
    after.GraphicFilled = "N"
    return _encoded(before), _encoded(after)


def _encoded(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, dataset, "ISO_IR 192")
    return bytes(buffer.getvalue())
