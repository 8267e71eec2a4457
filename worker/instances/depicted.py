"""What an image shows: which part of the body, on which side, in which view; in codes, by the words of its header.

Sizes in images of two knees, or in two views of a breast, say nothing of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

#: Of what a header names and no table here knows: it is like nothing, itself included.
UNKNOWN = "?"


@dataclass(frozen=True, kw_only=True)
class Depicted:
    """What an image shows, as far as it says it: concepts of SNOMED CT, keys of `CONCEPTS`.

    Attributes:
        side: Of CID 244; empty where it names none, or is of what there is one of.
        view: Of CID 4010 or 4014; empty where it names none.
        region: Of CID 4031; empty where it names none that is known here.
    """

    side: str = ""
    view: str = ""
    region: str = ""


_CID = {number: getattr(codes, f"cid{number}") for number in (244, 4010, 4014, 4031)}

#: Image Laterality (0020,0062) and Laterality (0020,0060); U says that there is one of it, or nothing.
_SIDES: Mapping[str, Code] = {"L": _CID[244].Left, "R": _CID[244].Right, "B": _CID[244].Bilateral}

#: View Position (0018,5101), PS3.3 C.8.11.5 and C.8.11.7, and what devices write beside it.
_VIEWS: Mapping[str, Code] = {
    "AP": _CID[4010].AnteroPosterior,
    "PA": _CID[4010].PosteroAnterior,
    "LL": _CID[4010].LeftLateral,
    "RL": _CID[4010].RightLateral,
    "LAT": _CID[4010].LateralProjection,
    "LATERAL": _CID[4010].LateralProjection,
    "OBL": _CID[4010].ObliqueProjection,
    "OBLIQUE": _CID[4010].ObliqueProjection,
    "AXIAL": _CID[4010].AxialProjection,
    "CC": _CID[4014].CranioCaudal,
    "MLO": _CID[4014].MedioLateralObliqueProjection,
    "ML": _CID[4014].MedioLateralProjection,
    "LM": _CID[4014].LateroMedial,
    "LMO": _CID[4014].LateroMedialOblique,
    "FB": _CID[4014].CaudoCranial,
    "SIO": _CID[4014].SuperolateralToInferomedialOblique,
    "ISO": _CID[4014].InferomedialToSuperolateralOblique,
    "XCCL": _CID[4014].CranioCaudalExaggeratedLaterally,
    "XCCM": _CID[4014].CranioCaudalExaggeratedMedially,
}
_VIEW_CODES = tuple(
    getattr(_CID[number], keyword) for number in (4010, 4014) for keyword in sorted(_CID[number].concepts)
)

#: Body Part Examined (0018,0015), PS3.16 Annex L, without spaces and the like: its concept in CID 4031 and where that
#: lies. Words of one place are different names of it, or parts of it.
_PARTS: Mapping[str, tuple[str, str]] = {
    "HEAD": ("Head", "head"),
    "BRAIN": ("Head", "head"),
    "SKULL": ("Skull", "head"),
    "FACE": ("FacialBones", "head"),
    "ORBIT": ("OrbitalStructure", "head"),
    "EYE": ("Eye", "head"),
    "SINUS": ("ParanasalSinus", "head"),
    "SELLA": ("SellaTurcica", "head"),
    "IAC": ("InternalAuditoryCanal", "head"),
    "TMJ": ("TemporomandibularJoint", "head"),
    "MANDIBLE": ("Mandible", "head"),
    "MAXILLA": ("Maxilla", "head"),
    "JAW": ("JawRegion", "head"),
    "HEADNECK": ("HeadAndNeck", "head neck"),
    "NECK": ("Neck", "neck"),
    "LARYNX": ("Larynx", "neck"),
    "CSPINE": ("CervicalSpine", "neck"),
    "NECKCHEST": ("NeckAndChest", "neck chest"),
    "NECKCHESTABDOMEN": ("NeckChestAndAbdomen", "neck chest abdomen"),
    "NECKCHESTABDPELV": ("NeckChestAbdomenAndPelvis", "neck chest abdomen pelvis"),
    "CHEST": ("Chest", "chest breast"),
    "THORAX": ("Chest", "chest breast"),
    "LUNG": ("Chest", "chest breast"),
    "HEART": ("Heart", "chest"),
    "RIB": ("Rib", "chest"),
    "STERNUM": ("Sternum", "chest"),
    "TSPINE": ("ThoracicSpine", "chest"),
    "BREAST": ("Breast", "breast"),
    "CHESTABDOMEN": ("ChestAndAbdomen", "chest breast abdomen"),
    "CHESTABDPELVIS": ("ChestAbdomenAndPelvis", "chest breast abdomen pelvis"),
    "ABDOMEN": ("Abdomen", "abdomen"),
    "LIVER": ("Abdomen", "abdomen"),
    "KIDNEY": ("Abdomen", "abdomen"),
    "PANCREAS": ("Pancreas", "abdomen"),
    "ABDOMENPELVIS": ("AbdomenAndPelvis", "abdomen pelvis"),
    "LSPINE": ("LumbarSpine", "abdomen pelvis"),
    "LSSPINE": ("LumboSacralSpine", "abdomen pelvis"),
    "TLSPINE": ("ThoracoLumbarSpine", "chest abdomen pelvis"),
    "SSPINE": ("Sacrum", "pelvis"),
    "PELVIS": ("Pelvis", "pelvis hip"),
    "PROSTATE": ("Prostate", "pelvis"),
    "BLADDER": ("Bladder", "pelvis"),
    "RECTUM": ("Rectum", "pelvis"),
    "SPINE": ("Spine", "neck chest abdomen pelvis"),
    "WHOLEBODY": ("EntireBody", "*"),
    "CLAVICLE": ("Clavicle", "shoulder chest"),
    "SCAPULA": ("Scapula", "shoulder chest"),
    "SHOULDER": ("Shoulder", "shoulder"),
    "UPPERARM": ("UpperArm", "upperarm"),
    "HUMERUS": ("Humerus", "upperarm shoulder elbow"),
    "ELBOW": ("ElbowJoint", "elbow"),
    "FOREARM": ("Forearm", "forearm"),
    "WRIST": ("WristJoint", "hand"),
    "HAND": ("Hand", "hand"),
    "FINGER": ("Finger", "hand"),
    "THUMB": ("Thumb", "hand"),
    "ARM": ("UpperLimb", "shoulder upperarm elbow forearm hand"),
    "HIP": ("HipJoint", "hip"),
    "THIGH": ("Thigh", "thigh"),
    "FEMUR": ("Femur", "thigh hip knee"),
    "KNEE": ("Knee", "knee"),
    "PATELLA": ("Patella", "knee"),
    "LOWERLEG": ("LowerLeg", "lowerleg"),
    "FIBULA": ("Fibula", "lowerleg knee foot"),
    "ANKLE": ("AnkleJoint", "foot"),
    "FOOT": ("Foot", "foot"),
    "CALCANEUS": ("Calcaneus", "foot"),
    "TOE": ("Toe", "foot"),
    "LEG": ("LowerLimb", "hip thigh knee lowerleg foot"),
    "EXTREMITY": ("Extremity", "shoulder upperarm elbow forearm hand hip thigh knee lowerleg foot"),
}
_REGIONS = {part: getattr(_CID[4031], concept) for part, (concept, _) in _PARTS.items()}
_PLACES = {_REGIONS[part].value: frozenset(places.split()) for part, (_, places) in _PARTS.items()}
_EVERYWHERE = "*"
_SIDE_CODES, _REGION_CODES = tuple(_SIDES.values()), tuple(_REGIONS.values())
CONCEPTS: Mapping[str, Code] = {code.value: code for code in (*_SIDE_CODES, *_VIEW_CODES, *_REGION_CODES)}


def depicted_in(image: Any) -> Depicted:
    """Return what the header of an image says that it shows."""
    return Depicted(side=_side_of(image), view=_view_of(image), region=_region_of(image))


def depicted_by(*, side: Sequence[Any], view: Sequence[Any], region: Sequence[Any]) -> Depicted:
    """Return what a report says by its codes that an image shows: an item of each, or none."""
    return Depicted(
        side=_known(side, _SIDE_CODES),
        view=_known(view, _VIEW_CODES) or (UNKNOWN if view else ""),
        region=_known(region, _REGION_CODES),
    )


def of_the_same(now: Sequence[Depicted], then: Sequence[Depicted], *, planar: bool) -> bool:
    """Say whether sizes in images that show the one may stand beside those in images that show the other.

    Of slices through a body what does not contradict is the same. A projection is of one side in one view: where only
    one of two names it, nobody can tell, nor which image is which where a series has several.
    """
    ones, others = set(now) or {Depicted()}, set(then) or {Depicted()}
    if planar and max(len(ones), len(others)) > 1:
        return False
    return not any(_apart(one, other, planar=planar) for one in ones for other in others)


def _apart(one: Depicted, other: Depicted, *, planar: bool) -> bool:
    if planar and ((one.side, one.view) != (other.side, other.view) or UNKNOWN in (one.view, other.view)):
        return True
    if one.side and other.side and one.side != other.side:
        return True
    if not (one.region and other.region):
        return False
    ones, others = _PLACES[one.region], _PLACES[other.region]
    return _EVERYWHERE not in ones | others and ones.isdisjoint(others)


def _side_of(image: Any) -> str:
    for keyword in ("ImageLaterality", "Laterality"):
        if word := _word(image, keyword):
            return _value(_SIDES.get(word))
    # Enhanced images say it of their frames (PS3.3 C.7.6.16.2.8).
    shared = image.get("SharedFunctionalGroupsSequence") or ()
    anatomy = (shared[0].get("FrameAnatomySequence") or ()) if shared else ()
    return _value(_SIDES.get(_word(anatomy[0], "FrameLaterality"))) if anatomy else ""


def _view_of(image: Any) -> str:
    items = image.get("ViewCodeSequence") or ()
    position = _word(image, "ViewPosition")
    return _known(items, _VIEW_CODES) or _value(_VIEWS.get(position)) or (UNKNOWN if items or position else "")


def _region_of(image: Any) -> str:
    part = "".join(filter(str.isalnum, _word(image, "BodyPartExamined")))
    return _value(_REGIONS.get(part)) or _known(image.get("AnatomicRegionSequence") or (), _REGION_CODES)


def _known(items: Sequence[Any], known: Sequence[Code]) -> str:
    """Return which of the known codes the first item is, also where it has that of an older edition (SRT)."""
    if not items:
        return ""
    item = items[0]
    parts = [str(item.get(keyword) or "") for keyword in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")]
    return _value(next((code for code in known if code == Code(*parts)), None))


def _value(code: Code | None) -> str:
    return "" if code is None else str(code.value)


def _word(image: Any, keyword: str) -> str:
    return str(image.get(keyword) or "").strip().upper()
