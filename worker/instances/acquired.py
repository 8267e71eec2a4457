"""How the images of a volume were taken, as far as sizes in them depend on it beside `sampling`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: Half a millimetre, as in `sampling`: thicker slices blur what they cut.
_SAME_WITHIN_MM = 0.5
_DIGITS = 4
#: A quarter more: scans of one part of a body differ by less.
_AS_FAR = 1.25
#: What is written into Contrast/Bolus Agent (0018,0010) where there was none, by itself; and what begins such words.
_NOBODY_GAVE_ANY = frozenset({"N", "NA", "0", "NIL", "NONCONTRAST", "NOCONTRAST", "UNENHANCED", "NATIVE", "NATIV"})
_WITHOUT = frozenset({"NO", "NONE", "WITHOUT", "WO", "OHNE", "SANS", "SIN"})
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """How images were taken.

    Attributes:
        contrast: Whether they name a contrast agent; None where a report does not say it, as of earlier releases.
        thickness_mm: Of a slice; None where it is not said.
        kernel: With which they were reconstructed, in their scanner's words; empty where it is not said.
        reach_mm: Of all slices together; None where nobody can tell.
    """

    contrast: bool | None = None
    thickness_mm: float | None = None
    kernel: str = ""
    reach_mm: float | None = None

    def otherwise_contrasted(self, then: "Acquired") -> bool | None:
        """Say whether these name an agent and those of then do not (True), or the reverse; None: they are alike."""
        if None in (self.contrast, then.contrast) or self.contrast == then.contrast:
            return None
        return self.contrast

    def otherwise_thick(self, then: "Acquired") -> tuple[float, float] | None:
        """Return how thick slices were then, and are now; None where they are alike, or where nobody can tell."""
        if self.thickness_mm is None or then.thickness_mm is None:
            return None
        if abs(self.thickness_mm - then.thickness_mm) <= _SAME_WITHIN_MM:
            return None
        return then.thickness_mm, self.thickness_mm

    def otherwise_reconstructed(self, then: "Acquired") -> tuple[str, str] | None:
        """Return the kernel of then and of now; None where it is the same, or where nobody can tell."""
        if not self.kernel or not then.kernel or self.kernel.casefold() == then.kernel.casefold():
            return None
        return then.kernel, self.kernel

    def reaching_otherwise(self, then: "Acquired") -> tuple[float, float] | None:
        """Return how far slices reached then, and reach now; None where it is about as far, or nobody can tell."""
        if self.reach_mm is None or then.reach_mm is None:
            return None
        if max(self.reach_mm, then.reach_mm) <= _AS_FAR * min(self.reach_mm, then.reach_mm):
            return None
        return then.reach_mm, self.reach_mm


def acquired_in(
    image: Any, *, frame: int = 1, thickness_mm: float | None = None, reach_mm: float | None = None
) -> Acquired:
    """Return what the header of an image says of it, of a multi-frame one that of this frame, from 1.

    The Contrast/Bolus Module (PS3.3 C.7.6.4, of enhanced images C.7.6.4b) is there where an agent was used; its name is
    often left empty, or says that there was none.
    """
    words = _WORD.findall(str(image.get("ContrastBolusAgent") or "").upper().replace("W/O", "WO"))
    named = bool(words) and words[0] not in _WITHOUT and "".join(words) not in _NOBODY_GAVE_ANY
    given = _given_by(image, frame)
    return Acquired(
        contrast=given if given is not None else named or bool(image.get("ContrastBolusAgentSequence")),
        thickness_mm=round(thickness_mm, _DIGITS) if thickness_mm else None,
        kernel=_kernel(image, frame),
        reach_mm=reach_mm,
    )


def _given_by(image: Any, frame: int) -> bool | None:
    """Return whether an agent had been given by a frame of an enhanced image (C.7.6.16.2.12); None: it says nothing.

    The image names the agent of its later frames also where its first ones were taken before.
    """
    for group in _groups_of(image, frame):
        said = {
            str(item.get("ContrastBolusAgentAdministered")) for item in group.get("ContrastBolusUsageSequence") or ()
        }
        if said & {"YES", "NO"}:
            return "YES" in said
    return None


def _kernel(image: Any, frame: int) -> str:
    """Return the values of Convolution Kernel (0018,1210), of an enhanced CT those of a frame (C.8.15.3.6)."""
    items = (item for group in _groups_of(image, frame) for item in group.get("CTReconstructionSequence") or ())
    stated = next((value for one in (image, *items) if (value := one.get("ConvolutionKernel"))), ())
    told = " / ".join(" ".join(text.split()) for text in ([stated] if isinstance(stated, str) else map(str, stated)))
    return told if told.isprintable() else ""


def _groups_of(image: Any, frame: int) -> Iterator[Any]:
    yield from (image.get("PerFrameFunctionalGroupsSequence") or ())[frame - 1 : frame]
    yield from (image.get("SharedFunctionalGroupsSequence") or ())[:1]
