"""A model whose channels are several series: chosen, brought to one grid, read, and named in the report."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pydicom
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.card.manifest import load_card
from models.catalog import CatalogEntry, read_entry
from models.errors import CardError, InputRefused
from models.loaded import LoadedModel
from models.preparing.preparation import prepare
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Volume
from tests.importing import oblique_head
from tests.unit.worker.selecting.test_selection import series as series_that_fits
from tests.unit.worker.selecting.test_selection import study
from worker import results
from worker.case.case import Case
from worker.errors import SeriesRefused
from worker.gate import output_gate
from worker.instances.inputs_digest import by_folder
from worker.provenance import Provenance
from worker.selecting.selection import choose
from worker.selecting.selection_summary import SeriesSummary
from worker.series.channel_series import load_channels
from worker.testing import write_mr_series

CARD = """
schema = 1
id = "two-channels"
name = "Two channels"
version = "1"
manufacturer = "Tests"
licence = "Apache-2.0"
intended_use = "Tests of channels: label 1 where both series are bright. Never for patients."
[regulatory]
status = "research"
[patient]
missing_age = "allow"
[selection]
modality = ["MR"]
where = { tag = "SeriesDescription", matches = "t1" }
[selection.channels.flair]
modality = ["MR"]
where = { tag = "SeriesDescription", matches = "flair" }
[networks.main]
[preparation]
kind = "volume"
orientation = "LPS"
fit = "spacing"
spacing_mm = [2.0, 2.0, 3.0]
normalisation = "min-max"
channels = ["flair"]
[inference]
strategy = "whole"
[interpretation]
kind = "labels"
[[labels]]
number = 1
name = "Both"
concept = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
category = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
colour_rgb = [230, 60, 60]
"""


@pytest.fixture
def entry(tmp_path: Path) -> CatalogEntry:
    """A network of two channels that labels where the darker of them is above a half."""
    folder = tmp_path / "models" / "two-channels"
    folder.mkdir(parents=True)
    nodes = [
        helper.make_node("ReduceMin", ["input"], ["darker"], axes=[1], keepdims=0),
        helper.make_node("Greater", ["darker", "half"], ["above"]),
        helper.make_node("Cast", ["above"], ["labels"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "both",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 2, "d", "h", "w"])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, "d", "h", "w"])],
        [numpy_helper.from_array(np.float32(0.5), "half")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    (folder / "model.toml").write_text(CARD)
    return read_entry(folder)


@pytest.fixture
def series(tmp_path: Path) -> dict[str, list[Path]]:
    """A T1 and, on a coarser grid of the same space, a FLAIR of one study; each bright in a half of its own."""
    made = {}
    for name, shape, spacing, axis in (
        ("t1", (12, 32, 28), (3.0, 2.0, 2.0), 2),
        ("flair", (9, 16, 14), (4.0, 4.0, 4.0), 1),
    ):
        array = np.full(shape, 100, np.uint16)
        array[(slice(None),) * axis + (slice(shape[axis] // 2, None),)] = 900
        files = write_mr_series(
            tmp_path / name, slices=shape[0], rows=shape[1], columns=shape[2], spacing_mm=spacing, array=array,
            attributes={"SeriesDescription": name},
        )  # fmt: skip
        for file in files:
            dataset = pydicom.dcmread(file)
            dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = "2.25.41", "2.25.42"
            dataset.SeriesInstanceUID = f"2.25.43{len(name)}"
            dataset.save_as(file)
        made[name] = files
    return made


def test_the_report_names_both_series_and_the_mask_lies_on_the_first(
    entry: CatalogEntry, series: dict[str, list[Path]]
) -> None:
    """Label 1 is where both are bright, on the T1's own grid; the SR's evidence has every image of both."""
    loaded = load_channels([series["t1"], series["flair"]], max_voxels=10**7)
    model = LoadedModel.load(entry, OnnxRuntime(), 1)
    reading = read(entry.card, loaded.source, model.infer)
    assert reading.labels is not None
    assert reading.labels.shape == (12, 32, 28)
    share = reading.labels.mean()
    assert 0.15 < share < 0.3
    assert reading.labels[:, 20:, 18:].mean() > 0.9
    assert not reading.labels[:, :12, :].any()
    assert not reading.labels[:, :, :12].any()
    provenance = Provenance(
        card=entry.card,
        model_digest=entry.digest,
        inputs_digest=loaded.inputs_digest,
        recipe_digest="0" * 64,
        read_at=pydicom.valuerep.DT("20260101120000+0000"),
        runtime=model.runtime,
    )
    case = Case.of(loaded, reading, provenance)
    objects = results.build(case)
    output_gate.check(objects, case)
    made = {one.kind: pydicom.dcmread(pydicom.filebase.DicomBytesIO(one.data)) for one in objects}
    listed = [
        str(item.ReferencedSOPInstanceUID)
        for study in made["SR"].CurrentRequestedProcedureEvidenceSequence
        for entry_of_series in study.ReferencedSeriesSequence
        for item in entry_of_series.ReferencedSOPSequence
    ]
    read_uids = {str(pydicom.dcmread(file).SOPInstanceUID) for files in series.values() for file in files}
    assert read_uids <= set(listed)
    assert made["SEG"].Rows == 32


def test_a_channel_lands_where_it_lies(entry: CatalogEntry) -> None:
    """An oblique second series keeps its values at the same physical points as the first."""
    head = oblique_head()
    turn = np.eye(4)
    turn[:2, :2] = [[0.96, -0.28], [0.28, 0.96]]
    z, y, x = np.indices((50, 60, 60)).astype(np.float64)
    affine = turn @ np.array([[0, 0, 1.6, -48], [0, 1.6, 0, -48], [1.9, 0, 0, -45], [0, 0, 0, 1.0]])
    points = np.einsum("ij,jzyx->izyx", affine, np.stack([z, y, x, np.ones_like(z)]))
    other = Volume(array=(points[0] + 2 * points[1] + 3 * points[2]).astype(np.float32), affine=affine)
    preparation = entry.card.preparation.model_copy(update={"normalisation": "none"})
    prepared = prepare(replace(head, others=(other,)), preparation)  # type: ignore[arg-type]
    assert prepared.array.shape[1] == 2
    grid = np.indices(prepared.array.shape[2:]).astype(np.float64)
    there = np.einsum("ij,jzyx->izyx", prepared.affine, np.stack([*grid, np.ones_like(grid[0])]))
    wanted = there[0] + 2 * there[1] + 3 * there[2]
    inside = (slice(8, -8),) * 3
    np.testing.assert_allclose(prepared.array[0, 1][inside], wanted[inside], atol=0.05)


def test_what_is_missing_is_named(entry: CatalogEntry) -> None:
    """Without a FLAIR the model does not run, and the reason names the channel; no series is taken twice."""
    t1 = _summary("t1", "2.25.1")
    alone = choose(entry.card, study(t1))
    assert not alone.runs
    assert alone.reason.startswith("channel flair: ")
    both = choose(entry.card, study(t1, _summary("flair", "2.25.2")))
    assert both.runs
    assert both.series_instance_uid == "2.25.1"
    assert [file.parent.name for file in map(Path, both.files)] == ["t1", "t1", "flair", "flair"]
    assert [len(group) for group in by_folder([Path(file) for file in both.files])] == [2, 2]


def _summary(description: str, uid: str) -> SeriesSummary:
    return series_that_fits(
        uid,
        files=(f"s/{description}/1.dcm", f"s/{description}/2.dcm"),
        series_description=description,
        tag_values={"SeriesDescription": (description,)},
    )


def test_another_space_is_refused(series: dict[str, list[Path]]) -> None:
    """Series of two frames of reference are no channels of one another, unless the card says so."""
    for file in series["flair"]:
        dataset = pydicom.dcmread(file)
        dataset.FrameOfReferenceUID = "2.25.99"
        dataset.save_as(file)
    groups = [series["t1"], series["flair"]]
    with pytest.raises(SeriesRefused, match="another frame of reference: channel 1"):
        load_channels(groups, max_voxels=10**7)
    assert load_channels(groups, max_voxels=10**7, same_frame_of_reference=False).others


@pytest.mark.parametrize(
    ("away_mm", "told"),
    [
        (3.0, ()),
        (18.0, ("A further series covers 50 % of the first: the rest was read without it.",)),
        (30.0, None),
        (400.0, None),
    ],
)
def test_a_channel_must_show_what_the_first_series_shows(
    tmp_path: Path, away_mm: float, told: tuple[str, ...] | None
) -> None:
    """What lies beyond a channel is filled in: a part of it is told, and where there is next to nothing it is refused.

    Both are oblique, in one frame of reference and 36 mm deep, and the second lies so far along their normal.
    """
    groups = [write_mr_series(tmp_path / name, oblique=True) for name in ("t1", "flair")]
    for file in groups[1]:
        dataset = pydicom.dcmread(file)
        row, column = np.reshape([float(value) for value in dataset.ImageOrientationPatient], (2, 3))
        moved = np.array([float(value) for value in dataset.ImagePositionPatient]) + away_mm * np.cross(row, column)
        dataset.ImagePositionPatient = [f"{value:.5f}" for value in moved]
        dataset.SeriesInstanceUID = "2.25.431"
        dataset.save_as(file)
    if told is None:
        with pytest.raises(SeriesRefused, match=r"^too little in common: channel 1 shows [01]"):
            load_channels(groups, max_voxels=10**7)
    else:
        assert load_channels(groups, max_voxels=10**7).repairs == told


def test_what_is_too_little_is_not_rounded_up_to_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody understands that 25 % are refused for less than 25 %."""
    groups = [write_mr_series(tmp_path / name, oblique=True) for name in ("t1", "flair")]
    for file in groups[1]:
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID = "2.25.431"
        dataset.save_as(file)
    monkeypatch.setattr("worker.series.channel_series.share_covered", lambda *_: 0.2499)
    with pytest.raises(SeriesRefused, match="channel 1 shows 24% of the first series' space, at least 25% needed"):
        load_channels(groups, max_voxels=10**7)


def test_one_series_is_too_few(entry: CatalogEntry) -> None:
    """A model of two channels does not read one."""
    with pytest.raises(InputRefused, match="names 2 series as channels, and 1 are here"):
        read(entry.card, oblique_head(), lambda _network, _inputs: {})


def test_a_card_names_the_same_series_twice(entry: CatalogEntry) -> None:
    """What preparation calls a channel must be chosen by selection, and the other way round."""
    file = entry.directory / "model.toml"
    file.write_text(CARD.replace('channels = ["flair"]', 'channels = ["t2"]'))
    with pytest.raises(CardError, match=r"preparation\.channels names t2, selection\.channels flair"):
        load_card(file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() != entry.digest
