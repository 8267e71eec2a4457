"""The card of `brain-mask`: brainchop's mindgrab, which strips the skull."""

from typing import Any

from models.errors import WeightsRefused
from models.importing.brainchop_head import GOLDEN, brainchop_head

_LABELS = ["background", "brain mask"]

_INTENDED_USE = "Brain with cerebrospinal fluid within the skull on a T1-weighted MR of an adult's head; for research."
_LIMITS = """'''
Not a medical device. The mask includes cerebrospinal fluid. Only T1-weighted images were looked at here. The network is
given the whole conformed head at once: about 2.5 GiB of memory.'''"""

_LABELS_OF_CARD = """\
[[labels]]
number = 1
name = "Brain with CSF"
concept = { value = "1101003", scheme = "SCT", meaning = "Intracranial" }
colour_rgb = [70, 150, 230]
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
    head = brainchop_head(
        network,
        id="brain-mask",
        name="MeshNet brain mask",
        version='"mindgrab"',
        intended_use=_INTENDED_USE,
        limits=_LIMITS,
        plausible_total_ml=(900, 2300),
    )
    return f"{head}\n{_LABELS_OF_CARD}\n{GOLDEN}"
