"""Lower precisions run only after they were measured on this machine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalog import CatalogEntry, read_entry
from models.errors import ModelError, RuntimeFailed
from models.proving.builds import Builds
from models.proving.precision import read_calibration
from models.proving.runtime_choice import in_precision, load_proven
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.openvino_runtime import OpenvinoRuntime
from models.testing_classifier import write_image_classifier


@pytest.fixture
def entry(tmp_path: Path) -> CatalogEntry:
    """A small convolutional classifier, ready."""
    return read_entry(write_image_classifier(tmp_path / "models"))


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    """None yet."""
    return Builds(tmp_path / "builds")


def test_what_was_not_measured_does_not_run(entry: CatalogEntry, builds: Builds) -> None:
    """A site that asks for fp16 without a build gets the command that makes one, and no model."""
    with pytest.raises(RuntimeFailed, match=r"--precision int8 --runtime onnxruntime --calibration DIR`"):
        builds.files(entry, "onnxruntime", "int8")
    with pytest.raises(RuntimeFailed, match=r"wetread models build .* --precision fp16 --runtime onnxruntime"):
        load_proven(
            entry,
            [OnnxRuntime()],
            threads=1,
            passed_over=lambda _name, _why: None,
            chosen=in_precision({entry.card.id: "fp16"}, builds),
        )


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_what_agrees_runs_and_says_so(entry: CatalogEntry, builds: Builds, precision: Any) -> None:
    """After a build the model runs in the lower precision, and its words tell which; others stay in fp32."""
    random = np.random.default_rng(0)
    calibration = [{"input": random.random((1, 1, 16, 16), np.float32)} for _ in range(4 if precision == "int8" else 0)]
    made = builds.make(entry, OnnxRuntime(), "onnxruntime", precision, threads=1, calibration=calibration)
    assert made.passed
    chosen = in_precision({entry.card.id: precision}, builds)
    model = load_proven(entry, [OnnxRuntime()], threads=1, passed_over=lambda _name, _why: None, chosen=chosen)
    assert model.runtime.endswith(f" cpu {precision}")
    other = load_proven(
        entry, [OnnxRuntime()], threads=1, passed_over=lambda _name, _why: None, chosen=in_precision({}, builds)
    )
    assert other.runtime.endswith(" cpu")
    assert [(name, found.precision) for name, found in builds.of(entry)] == [("onnxruntime", precision)]


def test_a_runtime_that_lowers_by_itself_needs_no_other_file(entry: CatalogEntry, builds: Builds) -> None:
    """OpenVINO computes the card's own file in bf16; the build is the record alone."""
    made = builds.make(entry, OpenvinoRuntime(), "openvino", "bf16", threads=1)
    assert made.networks == {}
    assert made.runtime.endswith(" bf16")
    assert builds.files(entry, "openvino", "bf16").precision == "bf16"


def test_what_disagrees_is_recorded_and_refused(entry: CatalogEntry, builds: Builds) -> None:
    """A lower precision whose golden answer is too far off is kept as a refusal with its figures."""
    card = entry.directory / "model.toml"
    card.write_text(card.read_text().replace("[[golden]]", "[[golden]]\nlower = { max_relative_error = 1e-9 }"))
    strict = read_entry(entry.directory)
    made = builds.make(strict, OnnxRuntime(), "onnxruntime", "fp16", threads=1)
    assert not made.passed
    with pytest.raises(RuntimeFailed, match="does not give its golden answers in fp16"):
        builds.files(strict, "onnxruntime", "fp16")


def test_another_version_must_prove_it_again(entry: CatalogEntry, builds: Builds) -> None:
    """A build is for the runtime that measured it: with another version of it nothing is loaded."""
    builds.make(entry, OnnxRuntime(), "onnxruntime", "fp16", threads=1)
    (record,) = builds.root.glob("*/*/build.json")
    content = json.loads(record.read_text())
    content["runtime"] = "onnxruntime 1.0.0 cpu fp16"
    record.write_text(json.dumps(content))
    with pytest.raises(RuntimeFailed, match=r"measured in fp16 with onnxruntime 1\.0\.0"):
        load_proven(
            entry,
            [OnnxRuntime()],
            threads=1,
            passed_over=lambda _name, _why: None,
            chosen=in_precision({entry.card.id: "fp16"}, builds),
        )


def test_another_model_is_not_the_one_that_was_measured(entry: CatalogEntry, builds: Builds) -> None:
    """A build belongs to the model's digest: a changed card must be measured anew."""
    builds.make(entry, OnnxRuntime(), "onnxruntime", "fp16", threads=1)
    card = entry.directory / "model.toml"
    card.write_text(card.read_text() + "\n# changed\n")
    with pytest.raises(RuntimeFailed, match="was not measured in fp16"):
        builds.files(read_entry(entry.directory), "onnxruntime", "fp16")


def test_what_a_runtime_cannot_is_said(entry: CatalogEntry, builds: Builds) -> None:
    """A precision that a runtime does not offer names those that it does; without golden files nothing is proven."""
    with pytest.raises(RuntimeFailed, match="it offers fp32, fp16, int8"):
        builds.make(entry, OnnxRuntime(), "onnxruntime", "bf16", threads=1)
    card = entry.directory / "model.toml"
    card.write_text(card.read_text().partition("[[golden]]")[0])
    with pytest.raises(ModelError, match="no golden files"):
        builds.make(read_entry(entry.directory), OnnxRuntime(), "onnxruntime", "fp16", threads=1)


def test_a_damaged_record_is_none(entry: CatalogEntry, builds: Builds) -> None:
    """A record that cannot be read is as good as none."""
    builds.make(entry, OnnxRuntime(), "onnxruntime", "fp16", threads=1)
    (record,) = builds.root.glob("*/*/build.json")
    whole = json.loads(record.read_text())
    odd = ({"networks": 5}, {"networks": {"main": 5}}, {"sha256": None}, {"runtime": []}, {"precision": "fp8"})
    values = [{"verdicts": 1}, {"verdicts": [{}]}, {"verdicts": [{"passed": {}}]}, *(whole | one for one in odd)]
    for content in ("{", "[]", "[" * 100_000, *map(json.dumps, values)):
        record.write_text(content)
        assert builds.find(entry, "onnxruntime", "fp16") is None
    record.write_bytes(b"\xff")
    assert builds.find(entry, "onnxruntime", "fp16") is None
    record.write_text(json.dumps(whole | {"sha256": {}}))
    with pytest.raises(RuntimeFailed, match="is not what was measured"):
        builds.files(entry, "onnxruntime", "fp16")


def test_a_mask_is_judged_by_its_overlap(tmp_path: Path) -> None:
    """A label that is there and not found fails by its Dice, however few voxels it has among all."""
    from models.proving.checking import _dice  # noqa: PLC0415

    wanted = np.zeros((20, 20, 20), np.uint8)
    wanted[:2, :2, :4] = 1
    assert _dice(np.zeros_like(wanted), wanted) == 0.0
    assert _dice(wanted, wanted) == 1.0
    half = wanted.copy()
    half[:1] = 0
    assert _dice(half, wanted) == pytest.approx(2 * 8 / (8 + 16))


def test_a_file_that_was_not_measured_does_not_run(entry: CatalogEntry, builds: Builds) -> None:
    """Damaged, or half of another build: it is found by its digest."""
    made = builds.make(entry, OnnxRuntime(), "onnxruntime", "fp16", threads=1)
    (file,) = builds.root.glob(f"*/*/{made.networks['main']}")
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(RuntimeFailed, match="is not what was measured in fp16"):
        builds.files(entry, "onnxruntime", "fp16")


def test_a_build_that_was_interrupted_is_none(entry: CatalogEntry, builds: Builds) -> None:
    """The one before it had passed, and its files are overwritten."""
    builds.make(entry, OnnxRuntime(), "onnxruntime", "fp16", threads=1)

    def interrupt(step: str) -> None:
        if step.startswith("measuring"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        builds.make(entry, OnnxRuntime(), "onnxruntime", "fp16", threads=1, step=interrupt)
    with pytest.raises(RuntimeFailed, match="was not measured in fp16"):
        builds.files(entry, "onnxruntime", "fp16")


def test_int8_is_not_proven_by_what_it_was_made_from(entry: CatalogEntry, builds: Builds) -> None:
    """Without a calibration set the golden input would be both; an earlier build stays."""
    inputs = [{"input": np.random.default_rng(0).random((1, 1, 16, 16), np.float32)}]
    builds.make(entry, OnnxRuntime(), "onnxruntime", "int8", threads=1, calibration=inputs)
    with pytest.raises(ModelError, match=r"without inputs like those that will come.*--calibration"):
        builds.make(entry, OnnxRuntime(), "onnxruntime", "int8", threads=1)
    assert builds.find(entry, "onnxruntime", "int8") is not None


def test_a_calibration_set_is_read_by_the_inputs_names(entry: CatalogEntry, tmp_path: Path) -> None:
    """As golden files have them, in the network's type; what else a file holds is left out."""
    np.savez(tmp_path / "one.npz", **{"input.input": np.ones((1, 1, 2, 3)), "expected.logits": np.zeros(3)})  # type: ignore[arg-type,unused-ignore]
    (found,) = read_calibration(tmp_path, entry.directory / "model.onnx")
    assert list(found) == ["input"]
    assert found["input"].dtype == np.float32
    np.testing.assert_array_equal(found["input"], np.ones((1, 1, 2, 3)))


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        (
            {"input.input": np.ones((4, 4))},
            r"input\.input has the shape \(4, 4\), and the network takes \(1, 1, any, any\)",
        ),
        ({"input.input": np.ones((1, 3, 4, 4))}, r"\(1, 3, 4, 4\), and the network takes"),
        ({"input.image": np.ones((1, 1, 4, 4))}, r"no input 'image'; allowed are input\.input"),
        ({"input.input": np.full((1, 1, 4, 4), np.nan)}, "must hold finite numbers of type float32"),
        ({"input.input": np.ones((1, 1, 4, 4), complex)}, "of type float32, and is complex128"),
    ],
)
def test_a_calibration_array_that_the_network_does_not_take_is_told(
    entry: CatalogEntry, tmp_path: Path, arrays: Any, told: str
) -> None:
    """The file is named, before a runtime says it in its own words."""
    np.savez(tmp_path / "five.npz", **arrays)
    with pytest.raises(ModelError, match=rf"five\.npz: .*{told}"):
        read_calibration(tmp_path, entry.directory / "model.onnx")


@pytest.mark.parametrize("wrong", ["none", "damaged", "cut short", "other names"])
def test_a_calibration_set_that_cannot_be_used_is_told(entry: CatalogEntry, tmp_path: Path, wrong: str) -> None:
    """The file is named, and what it should hold; a damaged one ends in no traceback."""
    file = tmp_path / "one.npz"
    if wrong == "damaged":
        file.write_bytes(b"no zip at all")
    elif wrong != "none":
        np.savez(file, **{"input.input" if wrong == "cut short" else "input": np.ones(900)})  # type: ignore[arg-type,unused-ignore]
    if wrong == "cut short":
        file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(ModelError, match=r"holds no npz file" if wrong == "none" else r"one\.npz .*numpy\.savez"):
        read_calibration(tmp_path, entry.directory / "model.onnx")
