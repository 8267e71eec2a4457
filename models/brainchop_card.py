"""The card of `brain-structures`: MeshNet's 17 structures in SNOMED CT, brainchop's colours, plausible volumes."""

import hashlib
import json
from typing import Any

from models.errors import WeightsRefused

# brainchop's name: our name, code, scheme, meaning (PS3.16 CID 7140), least and greatest plausible ml in an adult.
# Both sides together: the model does not tell left from right. 0 where a healthy structure can be missed.
_STRUCTURES: dict[str, tuple[str, str, str, str, float, float]] = {
    "Cerebral-White-Matter": ("Cerebral white matter", "68523003", "SCT", "Cerebral White Matter", 200, 900),
    "Cerebral-Cortex": ("Cerebral cortex", "40146001", "SCT", "Cerebral cortex", 200, 1000),
    "Lateral-Ventricle": ("Lateral ventricles", "66720007", "SCT", "Lateral Ventricle", 1, 250),
    "Inferior-Lateral-Ventricle": (
        "Inferior horns of lateral ventricles",
        "53118009",
        "SCT",
        "Inferior Horn of Lateral Ventricle",
        0,
        40,
    ),
    "Cerebellum-White-Matter": ("Cerebellar white matter", "33060004", "SCT", "Cerebellar White Matter", 5, 80),
    "Cerebellum-Cortex": ("Cerebellar cortex", "25991003", "SCT", "Cerebellar Cortex", 30, 220),
    "Thalamus": ("Thalami", "42695009", "SCT", "Thalamus", 4, 35),
    "Caudate": ("Caudate nuclei", "11000004", "SCT", "Caudate Nucleus", 1.5, 20),
    "Putamen": ("Putamina", "89278009", "SCT", "Putamen", 2, 25),
    "Pallidum": ("Pallida", "14738005", "SCT", "Globus Pallidus", 0.5, 12),
    "3rd-Ventricle": ("Third ventricle", "49841001", "SCT", "Third ventricle", 0, 30),
    "4th-Ventricle": ("Fourth ventricle", "35918002", "SCT", "Fourth Ventricle", 0, 30),
    "Brain-Stem": ("Brain stem", "119238007", "SCT", "Brain Stem", 5, 60),
    "Hippocampus": ("Hippocampi", "5366008", "SCT", "Hippocampus", 1.5, 20),
    "Amygdala": ("Amygdalae", "4958002", "SCT", "Amygdala", 0, 10),
    "Accumbens-area": ("Nuclei accumbentes", "427667007", "SCT", "Nucleus Accumbens", 0, 5),
    "VentralDC": ("Ventral diencephalon", "110700", "DCM", "Ventral Diencephalon", 1, 25),
}

_HEAD = """\
# Written by `wetread models import brainchop`.
schema = 1
id = "brain-structures"
name = "MeshNet brain structures"
version = {version}
manufacturer = "brainchop (neuroneural)"
licence = "MIT"
intended_use = "Volumes of 17 brain structures from a T1-weighted MR of an adult's head; for research."
limits = "Not a medical device. Left and right are one. Small structures are uncertain; lesions were not trained."
contact = "https://github.com/neuroneural/brainchop"
late_images = "rerun"

[regulatory]
status = "research"

[patient]
age_years = {{ min = 16 }}
missing_age = "allow"

[selection]
sop_classes = ["MR Image Storage", "Enhanced MR Image Storage"]
modality = ["MR"]
min_slices = 60
max_slice_spacing_mm = 3.0
min_coverage_mm = 100.0
image_type_excludes = ["LOCALIZER", "PROJECTION IMAGE"]
description_excludes = '(?i)local|scout|survey|flair|(^|[^a-z0-9])(t2|pd|dwi|dti|adc|swi|tof|mra|bold|asl|fmri)'

[networks.main]
file = "model.onnx"
sha256 = "{sha256}"

[preparation]
kind = "volume"
orientation = "LIA"
fit = "conform"
size = [256, 256, 256]
spacing_mm = [1.0, 1.0, 1.0]
interpolation = "linear"
normalisation = "min-max"
crop_above = 0.2

[inference]
strategy = "whole"

[interpretation]
kind = "labels"
largest_component = "foreground"
plausible_total_ml = {{ min = 600, max = 2200 }}

[[golden]]
network = "main"
file = "golden.npz"
max_label_disagreement = 0.001
"""


def brain_structures_card(colormap: dict[str, Any], network: bytes, *, channels: int) -> str:
    """Return the text of ``model.toml``.

    Args:
        colormap: brainchop's, with `labels`, `R`, `G` and `B`; the first entry is the background.
        network: The ONNX file.
        channels: Of the hidden layers, which name the variant.

    Raises WeightsRefused when the labels are not the 17 that are known here.
    """
    parts = [_HEAD.format(version=_quoted(f"meshnet-{channels}"), sha256=hashlib.sha256(network).hexdigest())]
    try:
        rows = list(zip(colormap["labels"], colormap["R"], colormap["G"], colormap["B"], strict=True))[1:]
        for number, (name, *colour) in enumerate(rows, start=1):
            parts.append(_label(number, name, [int(value) for value in colour]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsRefused(
            f"colormap.json is not brainchop's ({error!r}); take it from its repository again"
        ) from error
    if len(rows) != len(_STRUCTURES):
        raise WeightsRefused(
            f"colormap.json names {len(rows)} structures instead of {len(_STRUCTURES)}; take model18cls"
        )
    return "\n".join(parts)


def _label(number: int, name: str, colour: list[int]) -> str:
    ours, code, scheme, meaning, least, greatest = _STRUCTURES[name]
    concept = f"{{ value = {_quoted(code)}, scheme = {_quoted(scheme)}, meaning = {_quoted(meaning)} }}"
    return (
        f"[[labels]]\nnumber = {number}\nname = {_quoted(ours)}\nconcept = {concept}\ncolour_rgb = {colour}\n"
        f"plausible_volume_ml = {{ min = {least}, max = {greatest} }}\n"
    )


def _quoted(text: str) -> str:
    # For what stands in this file a JSON string is a TOML string.
    return json.dumps(text)
