"""A model that counts reads a folder of DICOM, as its user would have it do."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom

from models.testing import write_threshold_model
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of
from worker.testing import write_mr_series


def counts_in(out: Path) -> list[tuple[str, float]]:
    """Return each count of the SR with what it counts."""
    report = pydicom.dcmread(out / "sr.dcm")
    groups = [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]
    return [
        (children(group, "121071", "DCM")[0].ConceptCodeSequence[0].CodeMeaning, float(value.NumericValue))
        for group in groups
        for item in children(group, "246206008", "SCT")
        for value in item.MeasuredValueSequence
    ]


def run_counting(folder: Path, more: str) -> Path:
    """Read four cubes of different sizes by `wetread models run`, with these keys beside the label's."""
    model = write_threshold_model(folder / "data" / "models", id="counts-parts") / "model.toml"
    model.write_text(model.read_text().replace("colour_rgb", f'measurements = ["count"]\n{more}\ncolour_rgb'))
    array = np.zeros((16, 16, 16), np.uint16)
    array[2:7, 2:7, 2:7] = array[2:6, 2:6, 10:14] = array[10:13, 10:13, 3:6] = array[13, 13, 13] = 900
    write_mr_series(folder / "series", slices=16, rows=16, columns=16, array=array)
    command = [str(Path(sys.executable).parent / "wetread"), "models", "run", "counts-parts", "series", "--out", "out"]
    done = subprocess.run(
        [*command, "--data", "data"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out"


def test_connected_parts_are_counted_in_the_report(tmp_path: Path) -> None:
    """Three of four parts are large enough: one number beside the volume, and the whole bundle has passed the gate."""
    assert counts_in(run_counting(tmp_path, "smallest_ml = 0.02")) == [("Tissue", 3)]


def test_instances_are_counted_in_the_report(tmp_path: Path) -> None:
    """Each part has a group of its own, and how many there are is one more."""
    assert counts_in(run_counting(tmp_path, "instances = true")) == [("Tissue", 4)]
