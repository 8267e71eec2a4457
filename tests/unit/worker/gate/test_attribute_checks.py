"""The gate knows what PS3.3 requires of each object, and names what is missing."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.readings import a_card, a_reading, case_of, load
from worker.gate.attribute_checks import attributes
from worker.gate.bundle import Bundle, parsed, sources_of
from worker.results import build
from worker.testing import write_mr_series

_STORAGE = "1.2.840.10008.5.1.4.1.1."
#: What a result of ours or of another maker may be.
_SOP_CLASSES = tuple(
    _STORAGE + last
    for last in ("7", "11.1", "30", "66.4", "66.7", "88.11", "88.22", "88.33", "88.34", "88.59", "104.1", "481.3")
)
#: Modules whose tables list the attributes of every value type and of every functional group as if all were there.
_CONTEXTUAL = ("sr-document-content", "document-relationship")
#: Sequences that the maker of a result writes, and does not copy from its source.
_OWN_SEQUENCES = (
    "ContributingEquipmentSequence", "CurrentRequestedProcedureEvidenceSequence", "DimensionIndexSequence",
    "DimensionOrganizationSequence", "PertinentOtherEvidenceSequence", "ROIContourSequence",
    "RTROIObservationsSequence", "SegmentSequence", "StructureSetROISequence",
)  # fmt: skip


def table() -> dict[str, dict[str, list[str]]]:
    """Return what PS3.3 requires of each SOP class, from the tables that highdicom ships."""
    standard = files("highdicom") / "_standard"
    iods, modules, classes = (
        json.loads((standard / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("iod_module_map", "module_attribute_map", "sop_class_iod_map")
    )
    made = {}
    for uid in _SOP_CLASSES:
        required: dict[str, set[str]] = {"1": set(), "2": set()}
        for module in iods[classes[uid]]:
            if module["usage"] == "M" and module["key"] not in _CONTEXTUAL:
                for path, kind in _required(modules[module["key"]]):
                    required[kind].add(path)
        made[uid] = {"1": sorted(required["1"]), "2": sorted(required["2"] - required["1"])}
    return made


def _required(attributes_of_module: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for attribute in attributes_of_module:
        path = attribute["path"]
        if attribute["type"] in ("1", "2") and (not path or (len(path) == 1 and path[0] in _OWN_SEQUENCES)):
            yield ".".join([*path, attribute["keyword"]]), attribute["type"]


def test_the_table_is_the_standards() -> None:
    """What ships equals what highdicom's 22 MB of tables say; those are too large to load in every worker."""
    shipped = json.loads((files("worker.gate") / "required_attributes.json").read_text(encoding="utf-8"))
    assert shipped == table()


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The results of the known reading."""
    write_mr_series(tmp_path / "source")
    series = load(tmp_path / "source")
    objects = tuple(parsed(made.data) for made in build(case_of(series, a_reading(series), a_card())))
    return Bundle(objects=objects, sources=sources_of(series.datasets, exact=True), card=None, reading=None)


def test_results_lack_nothing(bundle: Bundle) -> None:
    """Every object of a good bundle has what its modules require."""
    assert list(attributes(bundle)) == []


def test_what_lacks_is_named(bundle: Bundle) -> None:
    """A Type 1 attribute without a value, one that is missing inside a sequence, and a Type 2 that is missing."""
    seg, report, text, *_ = bundle.objects
    seg.ContentLabel = ""
    del seg.SegmentSequence[1].SegmentLabel
    del report.PatientBirthDate
    text.PatientID = ""
    assert list(attributes(bundle)) == [
        "SEG without ContentLabel, SegmentSequence.SegmentLabel",
        "SR without PatientBirthDate",
    ]


def test_an_unknown_class_is_not_judged() -> None:
    """Of a SOP class that is no result nothing is required here."""
    image = Dataset()
    image.SOPClassUID = f"{_STORAGE}2"
    sources = sources_of([_a_source()], exact=False)
    assert list(attributes(Bundle(objects=(image,), sources=sources, card=None, reading=None))) == []


def _a_source() -> Dataset:
    source = Dataset()
    source.SOPClassUID = f"{_STORAGE}9.1.1"
    source.SOPInstanceUID = source.StudyInstanceUID = source.SeriesInstanceUID = "1.2.3"
    return source
