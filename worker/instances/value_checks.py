"""Whether a value is what DICOM allows it to be: length, characters, parts (PS3.5 6.2)."""

from typing import Any

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pydicom.valuerep import validate_value

_NAME_COMPONENTS = 5
_TEXTS = ("LT", "ST", "UT")
#: Control characters end here: C0, DEL and C1.
_CONTROLS = 0xA0


def not_a_uid(value: Any) -> bool:
    """Say whether a value is missing or no UID (PS3.5 9.1)."""
    return not value or not UID(str(value)).is_valid


def well_formed(value: Any, representation: str) -> bool:
    """Say whether one value is what its VR allows: length, characters, and for names their parts (PS3.5 6.2)."""
    text = str(value)
    allowed = "\t\n\f\r" if representation in _TEXTS else ""
    if any(
        not character.isprintable() and character not in allowed and ord(character) < _CONTROLS for character in text
    ):
        return False
    if representation == "PN" and any(group.count("^") >= _NAME_COMPONENTS for group in text.split("=")):
        return False
    try:
        validate_value(representation, text, config.RAISE)
    except ValueError:
        return False
    return True


def sound(item: Dataset) -> bool:
    """Say whether all values of an item are well formed."""
    return all(
        all(map(sound, element.value or ()))
        if element.VR == "SQ"
        else all(well_formed(value, element.VR) for value in values_of(element.value))
        for element in item
    )


def values_of(value: Any) -> list[Any]:
    """Return the values of an attribute; none where it is empty."""
    if isinstance(value, list | tuple | MultiValue):
        return list(value)
    return [] if value is None or value == "" else [value]
