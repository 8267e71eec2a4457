"""What the source says of lossy compression goes on; what it leaves blank does not, and costs nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.readings import a_card, a_reading, case_of, load
from worker.gate.bundle import parsed
from worker.gate.output_gate import check
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build
from worker.testing import write_mr_series

_PLANAR = {"kind": "image", "size": [32, 32], "normalisation": "min-max"}
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def objects_of(folder: Path, attributes: dict[str, Any], kind: str) -> list[Dataset]:
    """Return the checked SEG and picture of the known reading of a source with these attributes."""
    if kind == "MR":
        write_mr_series(folder, attributes=attributes)
        card = a_card()
    else:
        write_planar_image(folder / "a.dcm", a_chest().astype(np.uint8), kind=kind, attributes=attributes)
        card = a_card(preparation=_PLANAR)
    series = load(folder)
    case = case_of(series, a_reading(series), card)
    results = build(case, ("SEG", "SC", "TEXT-SR"))
    check(results, case)
    return [parsed(result.data) for result in results if result.kind in ("SEG", "SC")]


@pytest.mark.parametrize("kind", ["MR", "US"])
@pytest.mark.parametrize("blank", [None, "", " "])
def test_a_source_that_leaves_lossy_compression_blank_loses_nothing(
    blank: str | None, kind: str, tmp_path: Path
) -> None:
    """The attribute is Type 3 of a general image, and may be without a value (PS3.5 7.4.5)."""
    segmentation, picture = objects_of(tmp_path, dict.fromkeys(_LOSSY, blank), kind)
    assert segmentation.LossyImageCompression == "00"
    assert not any(keyword in picture for keyword in _LOSSY)


@pytest.mark.parametrize("kind", ["MR", "US"])
def test_a_lossy_source_is_said_to_be_one_without_what_it_leaves_blank(kind: str, tmp_path: Path) -> None:
    """A blank ratio or method is left out of what is made."""
    attributes = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    for made in objects_of(tmp_path, attributes, kind):
        assert made.LossyImageCompression == "01"
        assert made.LossyImageCompressionMethod == "ISO_10918_1"
        assert "LossyImageCompressionRatio" not in made
