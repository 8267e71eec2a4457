"""Free rules of cards on attributes."""

from typing import Any

import pytest
from pydantic import ValidationError

from worker.selecting.tag_rules import TagRule

KERNEL = {"tag": "ConvolutionKernel", "matches": "^B[12]"}
CONTRAST = {"tag": "ContrastBolusAgent", "present": True}
SCOUT = {"tag": "ImageType", "includes": "localizer"}
WEIGHTED = {"tag": "DiffusionBValue", "equals": ["1000", "0"]}
ECHO = {"tag": "EchoTime", "at_least": 2, "at_most": 10}


@pytest.mark.parametrize(
    ("rule", "values", "holds"),
    [
        (CONTRAST, {"ContrastBolusAgent": ("IOMERON",)}, True),
        (CONTRAST, {}, False),
        ({"tag": "ContrastBolusAgent", "present": False}, {}, True),
        ({"tag": "ContrastBolusAgent", "present": False}, {"ContrastBolusAgent": ("X",)}, False),
        ({"tag": "PatientPosition", "equals": ["HFS", "hfp"]}, {"PatientPosition": ("HFP",)}, True),
        ({"tag": "PatientPosition", "equals": "HFS "}, {"PatientPosition": ("HFS",)}, True),
        ({"tag": "PatientPosition", "equals": "HFS"}, {"PatientPosition": ("FFS",)}, False),
        (SCOUT, {"ImageType": ("LOCALIZER", "ORIGINAL")}, True),
        (SCOUT, {"ImageType": ("AXIAL", "ORIGINAL")}, False),
        (SCOUT, {}, False),
        ({"not": SCOUT}, {}, True),
        ({"tag": "ImageType", "includes": ["Axial", "HELICAL "]}, {"ImageType": ("AXIAL", "ORIGINAL")}, True),
        (SCOUT | {"matches": "^[A-Z]+$"}, {"ImageType": ("LOCALIZER", "M1")}, False),
        (WEIGHTED, {"DiffusionBValue": ("1000.0",)}, True),
        (WEIGHTED, {"DiffusionBValue": ("0.0", "1000.0")}, True),
        (WEIGHTED, {"DiffusionBValue": ("500.0",)}, False),
        ({"tag": "DiffusionBValue", "equals": 1000}, {"DiffusionBValue": ("1000.0",)}, True),
        ({"tag": "EchoTime", "includes": [4.6]}, {"EchoTime": ("2.30", "4.60")}, True),
        ({"tag": "SoftwareVersions", "equals": "1.0"}, {"SoftwareVersions": ("1.00",)}, False),
        (KERNEL, {"ConvolutionKernel": ("b20f", "B10")}, True),
        (KERNEL, {"ConvolutionKernel": ("B20f", "B70")}, False),
        (ECHO, {"EchoTime": ("2.98",)}, True),
        (ECHO, {"EchoTime": ("2.98", "20")}, False),
        (ECHO, {"EchoTime": ("fast",)}, False),
        (ECHO, {}, False),
        ({"not": KERNEL}, {"ConvolutionKernel": ("B70",)}, True),
        ({"any": [CONTRAST, ECHO]}, {"EchoTime": ("5",)}, True),
        ({"all": [CONTRAST, ECHO]}, {"EchoTime": ("5",)}, False),
        ({"all": [{"not": CONTRAST}, {"any": [ECHO, KERNEL]}]}, {"EchoTime": ("5",)}, True),
    ],
)
def test_a_rule_holds(rule: dict[str, Any], values: dict[str, tuple[str, ...]], *, holds: bool) -> None:
    """Presence, words, patterns and ranges, for every value that a series has, joined by all, any and not."""
    assert TagRule.model_validate(rule).holds(values) is holds


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"tag": "NoSuchTag", "present": True}, "no DICOM keyword"),
        ({"tag": "PatientName", "present": True}, "no DICOM keyword"),
        ({"tag": "PixelData", "present": True}, "no DICOM keyword"),
        ({"tag": "EchoTime"}, "at least one of"),
        ({"present": True}, "at least one of"),
        ({"tag": "EchoTime", "at_least": 1, "all": [CONTRAST]}, "or one of"),
        ({"all": [CONTRAST], "any": [ECHO]}, "or one of"),
        ({"tag": "ImageType", "includes": ["M", " "]}, "an empty text is no value"),
        ({"tag": "EchoTime", "equals": True}, "valid string"),
        ({"tag": "EchoTime", "equals": ["5", "short"]}, "'short' is no number, and EchoTime has nothing else"),
        ({"tag": "EchoTime", "matches": "("}, "no regular expression"),
        ({"tag": "EchoTime", "atleast": 1}, "atleast"),
    ],
)
def test_a_wrong_rule_is_refused(rule: dict[str, Any], told: str) -> None:
    """What is wrong and what is allowed is named."""
    with pytest.raises(ValidationError, match=told):
        TagRule.model_validate(rule)


def test_a_rule_is_told_in_words_and_names_its_tags() -> None:
    """The reason why a series was not chosen quotes the card, never the image."""
    assert str(TagRule.model_validate(SCOUT)) == "ImageType including localizer"
    rule = TagRule.model_validate({"all": [{"not": CONTRAST}, {"any": [ECHO, KERNEL]}]})
    assert str(rule) == (
        "not (ContrastBolusAgent present) and (EchoTime at least 2 and at most 10 or ConvolutionKernel like ^B[12])"
    )
    assert sorted(rule.tags) == ["ContrastBolusAgent", "ConvolutionKernel", "EchoTime"]
