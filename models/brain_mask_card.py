"""The card of `brain-mask`: brainchop's mindgrab, which strips the skull."""

import hashlib
from typing import Any

from models.errors import WeightsRefused

_LABELS = ["background", "brain mask"]

_CARD = """\
# Written by `wetread models import brainchop`.
schema = 1
id = "brain-mask"
name = "MeshNet brain mask"
version = "mindgrab"
manufacturer = "brainchop (neuroneural)"
licence = "MIT"
intended_use = "Brain with cerebrospinal fluid within the skull on a T1-weighted MR of an adult's head; for research."
limits = '''
Not a medical device. The mask includes cerebrospinal fluid. Only T1-weighted images were looked at here. The network is
given the whole conformed head at once: about 2.5 GiB of memory.'''
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

[inference]
strategy = "whole"

[interpretation]
kind = "labels"
largest_component = "foreground"
plausible_total_ml = {{ min = 900, max = 2300 }}

[[labels]]
number = 1
name = "Brain with CSF"
concept = {{ value = "1101003", scheme = "SCT", meaning = "Intracranial" }}
colour_rgb = [70, 150, 230]

[[golden]]
network = "main"
file = "golden.npz"
max_label_disagreement = 0.001
"""


def is_brain_mask(colormap: dict[str, Any]) -> bool:
    """Say whether brainchop's labels are those of mindgrab."""
    return colormap.get("labels") == _LABELS


def brain_mask_card(network: bytes, *, classes: int) -> str:
    """Return the text of ``model.toml``.

    Args:
        network: The ONNX file.
        classes: How many the network tells apart.

    Raises WeightsRefused when they are not background and brain.
    """
    if classes != len(_LABELS):
        raise WeightsRefused(f"colormap.json names a brain mask, but the network has {classes} classes; take mindgrab")
    return _CARD.format(sha256=hashlib.sha256(network).hexdigest())
