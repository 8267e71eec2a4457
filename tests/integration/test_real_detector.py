"""A detector with real weights on a real photograph: imported as a user imports it, and read back from its report."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pydicom
import pytest
import tomli_w
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from models.catalog import read_entry
from models.importing.import_kinds import import_from
from models.proving.checking import check
from models.proving.runtime_choice import runtime_named
from ops.cli import app
from tests.center_face import SIDE, fetched, write_detector
from tests.importing import wishes
from worker.gate.bundle import content_items
from worker.planar_testing import a_chest, write_planar_image

pytestmark = pytest.mark.weights

#: Of the face in the photograph, drawn by hand: from brow to chin, from ear to ear; first and last row, and column.
FACE = (130, 335, 170, 370)
FACE_CODE = {"value": "89545001", "scheme": "SCT", "meaning": "Face"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder that holds the detector."""
    folder = tmp_path_factory.mktemp("detector")
    card = folder / "card.toml"
    table = wishes(
        id="faces",
        selection={"modality": ["OT"]},
        labels=[{"number": 1, "name": "Face", "concept": FACE_CODE, "colour_rgb": [240, 200, 60]}],
    )
    table |= {
        "preparation": {
            "kind": "image", "size": [SIDE, SIDE], "fit": "pad", "channels": 3, "normalisation": "min-max",
            "window": [0.0, 255.0], "scale": 255.0,
        },
        "inference": {"strategy": "whole"},
        "interpretation": {"kind": "boxes", "corners": "centre-size", "overlap": 0.3},
    }  # fmt: skip
    card.write_text(tomli_w.dumps(table))
    return import_from("onnx", write_detector(fetched(), folder / "net.onnx"), card, folder / "models").parent


def photograph() -> NDArray[np.uint8]:
    """Return a portrait that Matplotlib ships, in grey, (600, 512)."""
    with Image.open(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg") as image:
        return np.asarray(image.convert("L"))


def reports(models: Path, folder: Path, array: NDArray[Any]) -> dict[str, pydicom.Dataset]:
    """Read an image with `wetread models run` and return its objects by the names of their files."""
    write_planar_image(folder / "in" / "image.dcm", array, kind="SC", without=("PixelSpacing",))
    settings = folder / "wetread.toml"
    settings.write_text(tomli_w.dumps({"models": {"path": [str(models)]}}))
    told = CliRunner().invoke(
        app, ["models", "run", "faces", str(folder / "in"), "--out", str(folder / "out"), "--settings", str(settings)]
    )
    assert told.exit_code == 0, told.output
    return {file.stem: pydicom.dcmread(file) for file in (folder / "out").glob("*.dcm")}


def boxes(report: pydicom.Dataset) -> list[tuple[float, float, float, float]]:
    """Return the first and last row and column of each region of a report."""
    found = []
    for item in content_items(report):
        if item.ValueType == "SCOORD":
            points = np.reshape(item.GraphicData, (-1, 2))
            (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
            found.append((top, bottom, left, right))
    return found


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return intersection over union of two boxes."""
    sides = [min(one[i + 1], other[i + 1]) - max(one[i], other[i]) for i in (0, 2)]
    shared = max(sides[0], 0.0) * max(sides[1], 0.0)
    first, second = ((box[1] - box[0]) * (box[3] - box[2]) for box in (one, other))
    return shared / (first + second - shared)


def test_its_golden_answers_are_given_by_each_runtime(models: Path) -> None:
    """25,600 boxes of noise, in every runtime that is here."""
    for name in ("onnxruntime", "openvino"):
        (verdict,) = check(read_entry(models / "faces"), runtime_named(name), threads=2)
        assert verdict.passed, str(verdict)


def test_a_face_is_found_where_it_is(models: Path, tmp_path: Path) -> None:
    """One region, which is the face that a person outlined, in the coordinates of the source image."""
    (box,) = boxes(reports(models, tmp_path, photograph())["region-sr"])
    assert overlap(box, FACE) > 0.75


def test_of_two_faces_each_is_found_once(models: Path, tmp_path: Path) -> None:
    """A wide image with the portrait and its mirror image: hundreds of overlapping boxes become two."""
    portrait = photograph()
    columns = portrait.shape[1]
    made = reports(models, tmp_path, np.hstack([portrait, portrait[:, ::-1]]))
    first, second = sorted(boxes(made["region-sr"]), key=lambda box: box[2])
    mirrored = (FACE[0], FACE[1], 2 * columns - FACE[3], 2 * columns - FACE[2])
    assert overlap(first, FACE) > 0.75
    assert overlap(second, mirrored) > 0.75


def test_where_there_is_none_none_is_told(models: Path, tmp_path: Path) -> None:
    """A made-up chest has no face: no region, and the text says that it was looked for."""
    made = reports(models, tmp_path, np.asarray(a_chest(300, 240) >> 4, np.uint8))
    assert set(made) == {"text-sr", "sc"}
    told = [str(item.get("TextValue", "")) for item in content_items(made["text-sr"])]
    assert "Looked for and not found: Face." in told
