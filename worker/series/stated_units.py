"""Which unit a header states for an image's values, as UCUM writes it."""

from collections.abc import Mapping
from typing import Any

from worker.instances.plain_values import value_of

#: Rescale Type (PS3.3 C.11.1.1.2) and Units of PET (C.8.9.1.1.3) to UCUM (PS3.16 CID 83 and 84). US is unspecified, and
#: what is NONE has no unit.
_UCUM: Mapping[str, str] = {
    "US": "",
    "NONE": "",
    "HU": "[hnsf'U]",
    "MGML": "mg/ml",
    "PCT": "%",
    "PCNT": "%",
    "BQML": "Bq/ml",
    "CNTS": "{counts}",
    "CPS": "{counts}/s",
    "PROPCNTS": "{propcounts}",
    "PROPCPS": "{propcounts}/s",
    "GML": "g/ml",
    "CM2": "cm2",
    "CM2ML": "cm2/ml",
    "MGMINML": "mg/min/ml",
    "UMOLMINML": "umol/min/ml",
    "MLMING": "ml/min/g",
    "MLMINML": "ml/min/ml",
    "MLG": "ml/g",
    "MLML": "ml/ml",
    "UMOLML": "umol/ml",
    "1CM": "/cm",
    "STDDEV": "{stddev}",
}
#: SUV Type (0054,1006) to how UCUM tells uptake values by body weight from those by what else (PS3.16 CID 85).
_SUV: Mapping[str, str] = {
    "BW": "{SUVbw}",
    "LBM": "{SUVlbm}",
    "LBMJAMES128": "{SUVlbm(James128)}",
    "LBMJANMA": "{SUVlbm(Janma)}",
    "IBW": "{SUVibw}",
    "BSA": "{SUVbsa}",
}


def stated_unit(item: Any, dataset: Any) -> str:
    """Return the unit of an image's values, or of a frame's; empty where none is stated.

    A word that is not of the standard is told as it is: it is a unit of its own.

    Args:
        item: What has the Rescale Type: the image, or a frame's pixel value transformation; None: there is none.
        dataset: The image.

    Raises whatever pydicom raises over values that are none.
    """
    units = str(value_of(dataset, "Units") or "").strip().upper()
    if units in ("GML", "CM2ML"):
        # PS3.3 C.8.9.1: g/ml without a type is by body weight.
        suv = str(value_of(dataset, "SUVType") or ("BW" if units == "GML" else "")).strip().upper()
        return _UCUM[units] + _SUV.get(suv, "")
    stated = value_of(dataset, "Units") or (value_of(item, "RescaleType") if item is not None else None)
    term = str(stated or "").strip()
    return _UCUM.get(term.upper(), term)
