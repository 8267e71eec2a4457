"""What a mean is told in is what the images say, or nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from models.card.card_interpretation import LabelMapInterpretation
from models.interpreting.interpretation import interpret
from models.interpreting.measuring import ANOTHER_UNIT
from models.volume import Volume
from tests.readings import LABELS, a_card, case_of, load
from worker.case.finding_sentences import findings_of
from worker.errors import SeriesRefused
from worker.gate.output_gate import check
from worker.results import build
from worker.series.image_frames import frames_of
from worker.series.stated_units import stated_unit
from worker.testing import write_mr_series

HU = {"value": "[hnsf'U]", "scheme": "UCUM", "meaning": "Hounsfield unit"}
SUV = {"value": "{SUVbw}g/ml", "scheme": "UCUM", "meaning": "Standardized Uptake Value body weight"}
LEAN = {"value": "g/ml{SUVlbm}", "scheme": "UCUM", "meaning": "Standardized Uptake Value lean body mass"}
CT = {"SOPClassUID": pydicom.uid.CTImageStorage, "Modality": "CT"}
PET = {"SOPClassUID": pydicom.uid.PositronEmissionTomographyImageStorage, "Modality": "PT"}
SCALED = {"RescaleSlope": "0.5", "RescaleIntercept": "0"}


def told(
    folder: Path, attributes: dict[str, Any], unit: dict[str, str] | None, wanted: Sequence[str] = ("mean", "deviation")
) -> tuple[str, ...]:
    """Return the sentences on a structure whose mean and deviation, or other numbers, a card in this unit wants."""
    label = LABELS[0].model_dump() | {"number": 1, "measurements": wanted}
    card = a_card(labels=[label], interpretation={"kind": "labels"} | ({"value_unit": unit} if unit else {}))
    write_mr_series(folder, attributes=attributes)
    series = load(folder)
    assert isinstance(series.source, Volume)
    assert isinstance(card.interpretation, LabelMapInterpretation)
    mask = np.zeros(series.source.array.shape, np.uint8)
    mask[4:8, 10:20, 8:18] = 1
    answer = Volume(array=mask, affine=series.source.affine)
    case = case_of(series, interpret(card, card.interpretation, answer, series.source), card)
    check(build(case, ("SEG", "SR", "TEXT-SR")), case)
    return findings_of(case)


@pytest.mark.parametrize(
    ("attributes", "unit"),
    [
        (CT | SCALED | {"RescaleType": "MGML"}, HU),
        (CT | SCALED | {"RescaleType": "Z_EFF"}, HU),
        (PET | SCALED | {"Units": "BQML"}, SUV),
        (PET | SCALED | {"Units": "BQML", "RescaleType": "HU"}, HU),
        (PET | SCALED | {"Units": "GML", "SUVType": "LBM"}, SUV),
        (PET | SCALED | {"Units": "GML", "SUVType": "BW"}, LEAN),
        (PET | SCALED | {"Units": "GML"}, LEAN),
        (PET | SCALED | {"Units": "CM2ML", "SUVType": "BSA"}, SUV),
    ],
)
def test_a_mean_in_another_unit_is_left_out_and_told_of(
    attributes: dict[str, Any], unit: dict[str, str], tmp_path: Path
) -> None:
    """The volume stays, and a sentence says what is not there."""
    structure, warning = told(tmp_path, attributes, unit)
    assert structure == "Cerebral cortex: 4.80 ml"
    assert warning == ANOTHER_UNIT


def test_another_unit_is_told_of_also_where_no_number_of_it_is_wanted(tmp_path: Path) -> None:
    """A network that knows Hounsfield units outlines something in an iodine map, too."""
    assert told(tmp_path, CT | SCALED | {"RescaleType": "MGML"}, HU, wanted=())[-1] == ANOTHER_UNIT


@pytest.mark.parametrize(
    ("attributes", "unit", "said"),
    [
        (CT | SCALED | {"RescaleType": "HU"}, HU, "HU"),
        (CT | SCALED | {"RescaleType": "US"}, HU, "HU"),
        (CT | SCALED | {"RescaleType": ""}, HU, "HU"),
        (CT | SCALED, HU, "HU"),
        (CT | SCALED | {"RescaleType": "MGML"}, {"value": "mg/mL", "scheme": "UCUM", "meaning": "mg/mL"}, "mg/mL"),
        (PET | SCALED | {"Units": "GML"}, SUV, ""),
        (PET | SCALED | {"Units": "GML", "SUVType": "BW"}, SUV, ""),
        (PET | SCALED | {"Units": "GML", "SUVType": "LBM"}, LEAN, ""),
        (PET | SCALED | {"Units": "GML", "SUVType": "LBM"}, {"value": "g/ml", "scheme": "UCUM", "meaning": "g/ml"}, ""),
        (SCALED | {"RescaleType": "normalized"}, None, ""),
        (PET | SCALED | {"Units": "BQML"}, None, ""),
    ],
)
def test_a_mean_in_the_cards_unit_is_told(
    attributes: dict[str, Any], unit: dict[str, str] | None, said: str, tmp_path: Path
) -> None:
    """Also where the images state none, or leave it unspecified, and where the card names none."""
    (structure,) = told(tmp_path, attributes, unit)
    assert "mean " in structure
    assert said in structure


def test_slices_in_different_units_are_refused(tmp_path: Path) -> None:
    """Together they would be a volume of nothing; what states none is of the others' unit."""
    files = write_mr_series(tmp_path, attributes=SCALED | {"RescaleType": "HU"})
    dataset = pydicom.dcmread(files[3])
    dataset.RescaleType = "US"
    dataset.save_as(files[3])
    source = load(tmp_path).source
    assert isinstance(source, Volume)
    assert source.unit == "[hnsf'U]"
    dataset.RescaleType = "MGML"
    dataset.save_as(files[3])
    with pytest.raises(SeriesRefused, match=r"^mixed units: "):
        load(tmp_path)


def test_a_multi_frame_image_states_it_with_each_frames_values(tmp_path: Path) -> None:
    """In its Pixel Value Transformation, shared or a frame's own."""
    written = [pydicom.dcmread(file) for file in write_mr_series(tmp_path, slices=2)]
    image = Dataset()
    image.NumberOfFrames = 2
    image.Rows, image.Columns = written[0].Rows, written[0].Columns
    groups = []
    for one in written:
        group = Dataset()
        for sequence, keywords in (
            ("PlanePositionSequence", ["ImagePositionPatient"]),
            ("PlaneOrientationSequence", ["ImageOrientationPatient"]),
            ("PixelMeasuresSequence", ["PixelSpacing"]),
        ):
            item = Dataset()
            for keyword in keywords:
                setattr(item, keyword, one[keyword].value)
            setattr(group, sequence, [item])
        groups.append(group)
    image.PerFrameFunctionalGroupsSequence = groups
    transformation = Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept, transformation.RescaleType = "1", "0", "MGML"
    shared = Dataset()
    shared.PixelValueTransformationSequence = [transformation]
    image.SharedFunctionalGroupsSequence = [shared]
    assert [frame.unit for frame in frames_of([image], ["one"])] == ["mg/ml", "mg/ml"]


@pytest.mark.parametrize(
    ("stated", "unit"), [("HU", "[hnsf'U]"), ("hu ", "[hnsf'U]"), ("US", ""), (None, ""), ("HU_MOD", "HU_MOD")]
)
def test_words_of_the_standard_become_ucum(stated: str | None, unit: str) -> None:
    """What is no such word is told as it is."""
    image = Dataset()
    image.RescaleType = stated
    assert stated_unit(image, image) == unit
    assert stated_unit(None, image) == ""
