"""What brainchop's cards have in common: a T1-weighted head MR, conformed as brainchop does it, read by one MeshNet."""

import hashlib

_HEAD = """\
# Written by `wetread models import brainchop`.
schema = 1
id = "{id}"
name = "{name}"
version = {version}
manufacturer = "brainchop (neuroneural)"
licence = "MIT"
intended_use = "{intended_use}"
limits = {limits}
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
{crop}
[inference]
strategy = "whole"

[interpretation]
kind = "labels"
largest_component = "foreground"
plausible_total_ml = {{ min = {least_ml}, max = {most_ml} }}
"""

GOLDEN = """\
[[golden]]
network = "main"
file = "golden.npz"
max_label_disagreement = 0.001
"""


def brainchop_head(
    network: bytes,
    *,
    id: str,  # noqa: A002 (the card's word)
    name: str,
    version: str,
    intended_use: str,
    limits: str,
    plausible_total_ml: tuple[int, int],
    crop: str = "",
) -> str:
    """Return the text of ``model.toml`` but for its labels and golden files.

    Args:
        network: The ONNX file.
        id: The card's.
        name: The card's.
        version: As a TOML value.
        intended_use: The card's.
        limits: As a TOML value.
        plausible_total_ml: Least and most of all labels together.
        crop: A further line of the preparation.
    """
    least_ml, most_ml = plausible_total_ml
    return _HEAD.format(
        id=id,
        name=name,
        version=version,
        intended_use=intended_use,
        limits=limits,
        crop=crop,
        least_ml=least_ml,
        most_ml=most_ml,
        sha256=hashlib.sha256(network).hexdigest(),
    )
