"""One reading, one bundle, always the same bytes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.readings import a_card, a_reading, an_ecg, an_ecg_card, an_ecg_reading, case_of, load
from worker.gate.bundle import children, content_items, name_of, parsed
from worker.results import build
from worker.testing import write_mr_series

_DIGESTS = """
import hashlib, sys
from pathlib import Path
from tests.readings import a_card, a_reading, case_of, load
from worker.results import build
series = load(Path(sys.argv[1]))
for made in build(case_of(series, a_reading(series), a_card())):
    print(hashlib.sha256(made.data).hexdigest())
"""


def test_the_same_arguments_give_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """Twice in this process and once in another: not a bit differs."""
    write_mr_series(tmp_path)
    bundles = []
    for _ in range(2):
        series = load(tmp_path)
        bundles.append(build(case_of(series, a_reading(series), a_card())))
    assert bundles[0] == bundles[1]
    other = subprocess.run(
        [sys.executable, "-c", _DIGESTS, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": "."},
    )
    assert other.stdout.split() == [hashlib.sha256(made.data).hexdigest() for made in bundles[0]]


@pytest.mark.parametrize("changed", ["model_digest", "recipe_digest", "inputs_digest"])
def test_another_read_is_another_set_of_objects(tmp_path: Path, changed: str) -> None:
    """Other weights, settings or inputs give other instances in other series."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    first, second = (
        build(case_of(series, a_reading(series), a_card(), **change)) for change in ({}, {changed: "0" * 64})
    )
    uids = [
        {uid for made in some for uid in (made.sop_instance_uid, made.series_instance_uid)} for some in (first, second)
    ]
    assert len(uids[0]) == 8
    assert not uids[0] & uids[1]


def test_a_label_map_gives_seg_sr_and_text(tmp_path: Path) -> None:
    """The bundle of a volume, in the order in which an archive should get it."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    objects = build(case_of(series, a_reading(series), a_card()))
    assert [made.kind for made in objects] == ["SEG", "SR", "TEXT-SR", "SC"]
    for made in objects:
        dataset = parsed(made.data)
        assert (dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID) == (
            made.sop_class_uid,
            made.sop_instance_uid,
            made.series_instance_uid,
        )


def test_the_report_tells_each_structure_once(tmp_path: Path) -> None:
    """Each group has name, side, volume, and the algorithm; its template is TID 1411."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    reading = a_reading(series)
    report = parsed(build(case_of(series, reading, a_card()))[1].data)
    groups = [item for item in content_items(report) if name_of(item) == ("125007", "DCM")]
    assert [group.ContentTemplateSequence[0].TemplateIdentifier for group in groups] == ["1411", "1411"]
    volumes = [_number(children(group, "118565006", "SCT")[0]) for group in groups]
    assert volumes == pytest.approx([structure.measurements[0].value for structure in reading.structures])
    (site,) = children(groups[1], "363698007", "SCT")
    assert [item.ConceptCodeSequence[0].CodeMeaning for item in site.ContentSequence] == ["Left"]
    assert [item.TextValue for item in children(groups[0], "111001", "DCM")] == ["Test structures"]


def test_the_ecg_report_speaks_of_its_lead() -> None:
    """The numbers of one lead stand in a group of that lead, with the waveform as their source and no SEG beside."""
    series = an_ecg()
    objects = build(case_of(series, an_ecg_reading(), an_ecg_card()))
    assert [made.kind for made in objects] == ["ECG-SR", "TEXT-SR", "SC"]
    items = list(content_items(parsed(objects[0].data)))
    assert [item.ConceptCodeSequence[0].CodeMeaning for item in items if name_of(item) == ("122148", "DCM")] == [
        "Lead II"
    ]
    (waveform,) = [item for item in items if item.ValueType == "WAVEFORM"]
    assert waveform.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == series.datasets[0].SOPInstanceUID
    assert [_number(item) for item in items if name_of(item) == ("2:33024", "MDC")] == [982.0]


def _number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)
