"""The card of `brain-structures`: MeshNet's 17 structures in SNOMED CT, brainchop's colours, plausible volumes."""

import json
from typing import Any

from models.errors import WeightsRefused
from models.importing.brainchop_head import GOLDEN, brainchop_head

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

_LIMITS = "Not a medical device. Left and right are one. Small structures are uncertain; lesions were not trained."


def brain_structures_card(colormap: dict[str, Any], network: bytes, *, channels: int) -> str:
    """Return the text of ``model.toml``.

    Args:
        colormap: brainchop's, with `labels`, `R`, `G` and `B`; the first entry is the background.
        network: The ONNX file.
        channels: Of the hidden layers, which name the variant.

    Raises WeightsRefused when the labels are not the 17 that are known here.
    """
    head = brainchop_head(
        network,
        id="brain-structures",
        name="MeshNet brain structures",
        version=_quoted(f"meshnet-{channels}"),
        intended_use="Volumes of 17 brain structures from a T1-weighted MR of an adult's head; for research.",
        limits=_quoted(_LIMITS),
        plausible_total_ml=(600, 2200),
        crop="crop_above = 0.2\n",
    )
    parts = [f"{head}\n{GOLDEN}"]
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
