"""A wrong card is refused with its file, the key as it stands in the card, and what is allowed there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.card.card_mistakes import IN_WORDS
from models.card.manifest import Card, explained, load_card
from models.errors import CardError
from models.testing import write_threshold_model
from tests.readings import a_card

ANOTHER = """[[labels]]
number = 2
{}
concept = {{ value = "4147007", scheme = "SCT", meaning = "Mass" }}
colour_rgb = [1, 2, 3]

[[golden]]"""
QUESTION = """[interpretation]
kind = "classification"
activation = "softmax"
frames = "highest"
question = { value = "129715009", scheme = "SCT", meaning = "Breast composition" }
classes = [{ name = "a", concept = { value = "a", scheme = "99T", meaning = "Composition a" } }]"""
#: What stands in the right card, what somebody wrote instead, and what they are told.
MISTAKES = [
    (
        'name = "Bright"',
        'name = "Bright\\\\left"',
        "labels.0.name: 'Bright\\\\left' cannot stand in DICOM objects; allowed are",
    ),
    (
        'meaning = "Tissue"',
        'meaning = "Tis\\u0000sue"',
        "labels.0.concept.meaning: 'Tis\\x00sue' cannot stand in DICOM",
    ),
    ('manufacturer = "wetread"', 'manufacturer = " "', "manufacturer: ' ' cannot stand in DICOM objects"),
    (
        "schema = 1",
        "schema = 1\ndevice_uid = '1.2.03'",
        "device_uid: '1.2.03' is not allowed; allowed are a UID: numbers without leading zeros, joined by points",
    ),
    ("schema = 1", 'schema = 1\nlimits = "Adults,\\nnot\\u0000"', "limits: '\\x00' cannot stand in DICOM objects"),
    ("licence =", "license =", "license: unknown key, did you mean licence?"),
    ("fit =", "fitt =", "preparation.fitt: unknown key, did you mean fit?"),
    ("fit =", "fitt =", "preparation.fit: must be set"),
    ("[regulatory]", "[zzz]", "zzz: unknown key; allowed here are schema, id, name, version,"),
    ("number = 1", "number = 1\nqqq = 1", "labels.0.qqq: unknown key; allowed here are number, name, names,"),
    ('value = "85756007"', 'valeu = "85756007"', "labels.0.concept.valeu: unknown key, did you mean value?"),
    ('file = "model.onnx"', 'fiel = "model.onnx"', "networks.main.fiel: unknown key, did you mean file?"),
    ('kind = "volume"', 'kind = "volum"', "preparation.kind: 'volum' is not known, did you mean volume?; allowed are"),
    ('kind = "volume"', "", "preparation.kind: must be set; allowed are volume, image, waveform, signals"),
    ('kind = "labels"', 'kind = "lables"', "interpretation.kind: 'lables' is not known, did you mean labels?"),
    ('kind = "labels"', 'kind = "box"', "interpretation.kind: 'box' is not known, did you mean boxes?"),
    ('"whole"', '"sliding_window"', "inference.strategy: 'sliding_window' is not known, did you mean sliding-window?"),
    ('"whole"', '"x"', "allowed are whole, locate-then-read, sliding-window, slices, window"),
    ('"whole"', '"sliding-window"\nwindow = [1, 2]', "inference.window.2: must be set"),
    (
        '"resize"',
        '"Resize"',
        "preparation.fit: 'Resize' is not known, did you mean resize?; allowed are conform, resize,",
    ),
    ("size = [16, 16, 16]", "", "preparation: fit = conform or resize, and only they, need size"),
    ('"LPS"', '"LPX"', "preparation.orientation: 'LPX' is not allowed; allowed are three letters, one of L and R,"),
    ('id = "', 'id = "../', "-answer' is not allowed; allowed are small letters and digits, in parts"),
    ("[networks.main]", "[networks.Main]", "networks.Main: 'Main' is not allowed; allowed are small letters"),
    ("[[golden]]", ANOTHER.format("name = 'Mass'").replace("= 2", "= 1"), "labels.1.number: 1 is that of labels.0 too"),
    ('"research"', '"reserch"', "regulatory.status: 'reserch' is not known, did you mean research?"),
    ("schema = 1", f"schema = {'9' * 5000}", "cannot be read as TOML (Exceeds the limit (4300 digits)"),
    ("schema = 1", "schema = 2", "schema: 2 is not known; allowed are 1"),
    (
        'kind = "labels"\n\n[[labels]]\nnumber = 1',
        'kind = "probability"\n\n[[labels]]\nnumber = 2',
        "kind = probability finds label 1 alone, and [[labels]] has [2]: others would be told as not found; allowed is",
    ),
    (
        'kind = "labels"',
        'kind = "labels"\nthreshold = 0.3',
        "interpretation: threshold goes with kind = probability, multi-label or regions: of others the highest counts",
    ),
    ("number = 1", 'number = 1\nmeasurements = ["mean", "mean"]', "labels.0: measurements names one twice"),
    (
        "number = 1",
        'number = 1\ninstances = true\nmeasurements = ["mean"]',
        "labels.0: values are measured of structures, not of instances: leave out mean and deviation",
    ),
    ("number = 1", "number = 300", "labels.0.number: Input should be less than or equal to 255, not 300"),
    ("[[golden]]", '[[critical]]\nwhen = "presnt"\n[[golden]]', "critical.0.when: 'presnt' is not known, did you mean"),
    (
        "[[golden]]",
        '[[critical]]\nwhen = "present"\nlabel = "Brigt"\n[[golden]]',
        "critical.0.label: no label is named",
    ),
    ("number = 1", "number = 1\nsmallest_mm = 3", "labels.0.smallest_mm: only things that are counted are measured"),
    ("[[golden]]", ANOTHER.format("name = 'bright '"), "labels.1.name: 'bright ' is what labels.0 is called too"),
    (
        "[[golden]]",
        ANOTHER.format("name = 'Mass'\nnames = { de = 'BRIGHT' }"),
        "labels.1.names.de: 'BRIGHT' is what labels.0 is called in de too; allowed is another",
    ),
    (
        "[[golden]]",
        ANOTHER.format("name = 'Mass'").replace("[[labels]]", "names = { fr = 'Mass' }\n[[labels]]"),
        "labels.1.name: 'Mass' is what labels.0 is called in fr too",
    ),
    (
        '[interpretation]\nkind = "labels"',
        QUESTION,
        "interpretation: frames: 'highest' does not go with question; allowed are mean, or nothing",
    ),
]
#: Numbers of which no read could be made.
OUT_OF_RANGE = [
    (
        "colour_rgb = [",
        "colour_rgb = [600, 1, 2] #",
        "labels.0.colour_rgb.0: Input should be less than or equal to 255",
    ),
    (
        "colour_rgb = [",
        "colour_rgb = [0, -1, 2] #",
        "labels.0.colour_rgb.1: Input should be greater than or equal to 0",
    ),
    (
        "size = [16, 16, 16]",
        "size = [0, 16, 16]",
        "preparation.size.0: Input should be greater than or equal to 1, not 0",
    ),
    (
        "size = [16, 16, 16]",
        "spacing_mm = [-1.0, 0, 1.0]",
        "preparation.spacing_mm.0: Input should be greater than or equal to 0",
    ),
    (
        "size =",
        "percentiles = [0, 200]\nsize =",
        "preparation.percentiles.1: Input should be less than or equal to 100",
    ),
    (
        "size =",
        "percentiles = [99, 1]\nsize =",
        "preparation: percentiles needs a lower and a higher value, in this order",
    ),
    ("size =", "outside = nan\nsize =", "preparation.outside: Input should be a finite number, not nan"),
    ("size =", "offset = -inf\nsize =", "preparation.offset: Input should be a finite number, not -inf"),
    (
        "size =",
        "scale = 0\nsize =",
        "preparation.scale: 0 leaves nothing of any image; allowed are numbers from 1e-30 to 1e+30 and their negatives",
    ),
    ("size =", "scale = 1e-50\nsize =", "preparation.scale: 1e-50 leaves nothing of any image"),
    ("size =", "window = [-1e300, 1e300]\nsize =", "preparation.window.0: Input should be greater than or equal to"),
    (
        "number = 1",
        "number = 1\nplausible_volume_ml = { max = -1 }",
        "labels.0.plausible_volume_ml.max: Input should be greater than or equal to 0, not -1",
    ),
    (
        '"whole"',
        '"sliding-window"\nwindow = [8, 0, 8]',
        "inference.window.1: Input should be greater than or equal to 1",
    ),
    (
        "number = 1",
        "number = 1\nplausible_volume_ml = { min = 9, max = 1 }",
        "labels.0.plausible_volume_ml: nothing lies",
    ),
    (
        "number = 1",
        "number = 1\nplausible_volume_ml = { max = inf }",
        "plausible_volume_ml.max: Input should be a finite",
    ),
    (
        "[[golden]]",
        "[[golden]]\nmax_relative_error = 1",
        "golden.0.max_relative_error: Input should be less than 1, not",
    ),
    (
        "[[golden]]",
        "[[golden]]\nlower = { max_label_disagreement = 1e9 }",
        "golden.0.lower.max_label_disagreement: Input should be less than 1, not",
    ),
    (
        "[[golden]]",
        "[[golden]]\nstride = [1, 0]",
        "golden.0.stride.1: Input should be greater than or equal to 1, not 0",
    ),
]
#: Likewise of images, of which the card stands for another model.
OUT_OF_RANGE_OF_IMAGES = [
    ({"size": [0, 8]}, "preparation.size.0"),
    ({"percentiles": [-1.0, 50.0]}, "preparation.percentiles.0"),
    ({"percentiles": [50.0, 50.0]}, "percentiles needs a lower and a higher value"),
    ({"normalisation": "mean-std", "mean": [0.5], "std": [0.0]}, "preparation.std.0"),
    ({"normalisation": "mean-std", "mean": [0.5], "std": [1e-60]}, "preparation.std.0"),
    ({"scale": 0}, "preparation.scale: 0 leaves nothing of any image"),
    ({"window": [float("-inf"), 1.0]}, "preparation.window.0: Input should be a finite number"),
]


@pytest.mark.parametrize(("right", "wrong", "told"), MISTAKES, ids=[told[:40] for _, _, told in MISTAKES])
def test_a_mistake_is_named(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    """The message begins with the file and says where and what; no tag of pydantic's stands within the key."""
    assert_told(tmp_path, right, wrong, told)


@pytest.mark.parametrize(("right", "wrong", "told"), OUT_OF_RANGE, ids=[wrong for _, wrong, _ in OUT_OF_RANGE])
def test_a_number_out_of_its_range_is_named(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    """What would fail at every study is refused when the card is read."""
    assert_told(tmp_path, right, wrong, told)


@pytest.mark.parametrize(("changes", "told"), OUT_OF_RANGE_OF_IMAGES)
def test_a_number_out_of_its_range_is_named_of_images(changes: dict[str, Any], told: str) -> None:
    """Images' preparation has the same ranges."""
    preparation = {"kind": "image", "size": [8, 8], "normalisation": "min-max"} | changes
    with pytest.raises(ValidationError) as refused:
        a_card(preparation=preparation)
    assert told in explained(refused.value)


@pytest.mark.parametrize(
    "inference",
    [
        {"strategy": "locate-then-read", "plane_mean_above": 0.02, "read_size": [8, -8, 8]},
        {"strategy": "locate-then-read", "plane_mean_above": 1.0, "read_size": [8, 8, 8]},
        {"strategy": "window", "trust_s": [8.0, 2.0]},
        {"strategy": "entry-point", "name": "a", "version": "1", "memory_gib": 1e10},
    ],
)
def test_a_strategy_that_can_read_nothing_is_refused(inference: dict[str, Any]) -> None:
    """A box without a voxel, a plane more than full, seconds that end before they begin, more memory than there is."""
    with pytest.raises(ValidationError, match=r"read_size|plane_mean_above|trust_s|memory_gib"):
        a_card(inference=inference)


def test_limits_may_have_the_spaces_of_their_language() -> None:
    """French has one before a colon that does not break, Japanese a wide one."""
    limits = "Limites\u00a0: adultes\u3000\u202f;\tsans contraste"
    assert a_card(limits=limits).limits == limits


def test_no_pattern_is_told_as_one() -> None:
    """Whoever writes a card need not read regular expressions."""
    patterns = re.findall(r'"pattern": "([^"]*)"', json.dumps(Card.model_json_schema()))
    assert patterns
    assert set(patterns) <= set(IN_WORDS)


def assert_told(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    """Write the right card with a mistake, and see what whoever reads it is told."""
    file = write_threshold_model(tmp_path) / "model.toml"
    card = file.read_text(encoding="utf-8")
    assert right in card
    file.write_text(card.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(CardError) as refused:
        load_card(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert told in str(refused.value)
