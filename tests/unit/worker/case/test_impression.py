"""The sentence that sums a read up hides nothing that is no anatomy, and is not surer than the model."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.findings import Finding, Reading
from tests.readings import LABELS, NODULE, PNEUMONIA, PRESENT, a_card, a_reading, case_of
from worker.case.finding_sentences import findings_of, summary_of
from worker.series.series_volume import LoadedSeries, load_series
from worker.testing import write_mr_series


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """A small series."""
    return load_series(write_mr_series(tmp_path, slices=5), max_voxels=10**6)


def test_what_is_abnormal_is_named_beside_the_anatomy(series: LoadedSeries) -> None:
    """Found with its size, not found by name; a count of structures alone would tell neither."""
    reading = a_reading(series)
    anatomy = summary_of(case_of(series, reading, a_card()))
    lesion = LABELS[0].model_copy(update={"number": 9, "name": "Haemorrhage", "category": NODULE.category, "names": {}})
    structure = replace(reading.structures[0], label=lesion)
    found = summary_of(case_of(series, replace(reading, structures=(*reading.structures, structure)), a_card()))
    assert found.startswith("Haemorrhage: ")
    assert found.endswith(anatomy)
    missing = summary_of(case_of(series, replace(reading, missing=(lesion,)), a_card()))
    assert missing == f"{anatomy} Looked for and not found: Haemorrhage."


def test_certainty_is_100_only_where_it_is(series: LoadedSeries) -> None:
    """99.6 is not rounded up to it."""
    for percent, told in ((99.6, ">99"), (100.0, "100"), (99.4, "99")):
        reading = Reading(findings=(Finding(name=PNEUMONIA, value=PRESENT, certainty_percent=percent),))
        (line,) = findings_of(case_of(series, reading, a_card()))
        assert f"certainty {told} %" in line
