"""The evidence of a report: every instance that it stands on, once (PS3.3 C.17.2.3)."""

import struct
from collections.abc import Iterable, Sequence

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

_STUDY, _SERIES, _SOP_CLASS, _SOP = (
    Tag(keyword) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
)
_REFERENCED_SOP_SEQUENCE = Tag(0x0008, 0x1199)
#: Group, element, VR and length of an element; tag and length of an item. Little endian.
_ELEMENT = struct.Struct("<HH2sH")
_ITEM = struct.Struct("<HHL")


def evidence_items(instances: Sequence[Dataset]) -> list[Dataset]:
    """Return one item a study, with its series and their instances, in the order given (PS3.3 C.17.2.3)."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for instance in instances:
        # By tag, which is twice as fast as by keyword.
        series = studies.setdefault(str(instance[_STUDY].value), {})
        series.setdefault(str(instance[_SERIES].value), []).append(instance)
    items = []
    for study_uid, all_series in studies.items():
        item = Dataset()
        item.StudyInstanceUID = study_uid
        item.ReferencedSeriesSequence = []
        for series_uid, members in all_series.items():
            entry = Dataset()
            entry.SeriesInstanceUID = series_uid
            entry[_REFERENCED_SOP_SEQUENCE] = _references(members)
            item.ReferencedSeriesSequence.append(entry)
        items.append(item)
    return items


def _references(instances: Iterable[Dataset]) -> RawDataElement:
    """Return Referenced SOP Sequence as it stands in a file (PS3.5 7.5): a dataset for each of a thousand is slow."""
    encoded_items = []
    for instance in instances:
        elements = b"".join(
            _ELEMENT.pack(0x0008, element, b"UI", len(value)) + value
            for element, value in ((0x1150, _even(instance[_SOP_CLASS].value)), (0x1155, _even(instance[_SOP].value)))
        )
        encoded_items.append(_ITEM.pack(0xFFFE, 0xE000, len(elements)) + elements)
    value = b"".join(encoded_items)
    return RawDataElement(
        tag=_REFERENCED_SOP_SEQUENCE,
        VR="SQ",
        length=len(value),
        value=value,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )


def _even(uid: str) -> bytes:
    return uid.encode("ascii") + b"\0" * (len(uid) % 2)
