"""The catalog finds models, proves their files and says what to do about those that cannot be used."""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnx
import pytest

from models.card.manifest import Card, load_card
from models.catalog import BUILT_IN, Catalog, ModelState, read_entry
from models.errors import CardError, ChecksumMismatch, ModelError, ModelIncomplete, ModelTwice
from models.testing import write_threshold_model

BY_REFERENCE = """
[networks.main.weights]
package = "somewhere"
version = "1"
wheel_sha256 = "{zeros}"
member = "m.onnx"
member_sha256 = "{zeros}"
licence = "MIT"
format = "onnx"
"""


def make_incomplete(directory: Path) -> None:
    """Turn a model into one whose weights come by reference and are not here."""
    (directory / "model.onnx").unlink()
    card = (directory / "model.toml").read_text()
    reference = BY_REFERENCE.format(zeros="0" * 64)
    (directory / "model.toml").write_text(card.replace("\n[preparation]", f"{reference}\n[preparation]"))


def test_models_are_listed_by_id(tmp_path: Path) -> None:
    """Iteration, length, get and ready agree, in the order of the ids whatever the directories are called."""
    for model_id in ("b", "c", "a"):
        write_threshold_model(tmp_path, id=model_id)
    (tmp_path / "a").rename(tmp_path / "zzz")
    catalog = Catalog.scan([tmp_path, tmp_path / "not there"])
    assert [entry.card.id for entry in catalog] == ["a", "b", "c"]
    assert len(catalog) == 3
    assert catalog.ready() == tuple(catalog)
    assert catalog.get("a").directory == tmp_path / "zzz"
    assert catalog.unreadable == ()


def test_an_unknown_id_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    """`get` says which models there are."""
    write_threshold_model(tmp_path, id="only-one")
    with pytest.raises(ModelError, match=r"no model has the id other.*only-one"):
        Catalog.scan([tmp_path]).get("other")


@pytest.mark.parametrize(("locked", "asked"), [("", "iterdir"), ("another-users", "stat")])
def test_a_directory_that_nobody_lets_us_look_into_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str, asked: str
) -> None:
    """As of who fetched or copied a model as root: it is not as if there were none, and others are found."""
    write_threshold_model(tmp_path / "models", id="another-users")
    write_threshold_model(tmp_path / "more", id="ours")
    directory, answer = tmp_path / "models" / locked, getattr(Path, asked)

    def refuse(path: Path, **how: Any) -> Any:
        if directory in (path, path.parent):
            raise PermissionError(13, "Permission denied")
        return answer(path, **how)

    monkeypatch.setattr(Path, asked, refuse)
    catalog = Catalog.scan([tmp_path / "models", tmp_path / "more"])
    assert [entry.card.id for entry in catalog] == ["ours"]
    (told,) = catalog.unreadable
    assert told.directory == directory
    assert "cannot be looked into (Permission denied)" in told.reason


def test_weights_that_were_not_fetched_make_a_model_incomplete(tmp_path: Path) -> None:
    """The reason names the command that completes it, and loading raises ModelIncomplete."""
    make_incomplete(write_threshold_model(tmp_path, id="by-reference"))
    catalog = Catalog.scan([tmp_path])
    entry = catalog.get("by-reference")
    assert entry.state is ModelState.INCOMPLETE
    assert "wetread models fetch by-reference" in entry.reason
    assert catalog.ready() == ()
    with pytest.raises(ModelIncomplete, match="fetch"):
        entry.require_ready()


def test_a_changed_network_is_broken(tmp_path: Path) -> None:
    """One byte more gives another checksum: the model is broken and says which file, also in a second scan."""
    file = write_threshold_model(tmp_path) / "model.onnx"
    before = Catalog.scan([tmp_path]).get("constant-answer")
    file.write_bytes(file.read_bytes() + b"\0")
    entry = Catalog.scan([tmp_path]).get("constant-answer")
    assert entry.state is ModelState.BROKEN
    assert str(file) in entry.reason
    assert entry.digest != before.digest
    with pytest.raises(ChecksumMismatch, match="import the model again"):
        entry.require_ready()


def test_weights_beside_the_network_are_not_taken(tmp_path: Path) -> None:
    """Another file there would be another model under the same checksums and the same verdicts."""
    directory = write_threshold_model(tmp_path)
    network = onnx.load(directory / "model.onnx")
    # Behind the first part of the file that is looked through.
    network.doc_string = "x" * ((1 << 20) - 500)
    onnx.save_model(network, directory / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    card = directory / "model.toml"
    card.write_text(re.sub('sha256 = ".*"', "", card.read_text()))
    entry = Catalog.scan([tmp_path]).get("constant-answer")
    assert entry.state is ModelState.BROKEN
    assert entry.reason.endswith("covers; put them into it with `wetread models import onnx`")


def test_a_missing_network_without_reference_is_broken(tmp_path: Path) -> None:
    """What cannot be fetched is not called incomplete."""
    (write_threshold_model(tmp_path) / "model.onnx").unlink()
    entry = Catalog.scan([tmp_path]).get("constant-answer")
    assert entry.state is ModelState.BROKEN
    assert "is missing" in entry.reason


def test_a_missing_golden_file_is_broken(tmp_path: Path) -> None:
    """Without it the model cannot prove itself, so it is not called ready; what ails a network is told first."""
    directory = write_threshold_model(tmp_path)
    (directory / "golden.npz").unlink()
    entry = Catalog.scan([tmp_path]).get("constant-answer")
    assert entry.state is ModelState.BROKEN
    assert entry.reason.startswith(f"{directory / 'golden.npz'} is missing")
    (directory / "model.onnx").unlink()
    assert "model.onnx is missing" in Catalog.scan([tmp_path]).get("constant-answer").reason


def test_a_card_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """An unknown key is listed with its reason, and the models beside it are there."""
    card = write_threshold_model(tmp_path, id="wrong") / "model.toml"
    card.write_text("licens = 1\n" + card.read_text())
    write_threshold_model(tmp_path, id="right")
    catalog = Catalog.scan([tmp_path])
    assert [entry.card.id for entry in catalog] == ["right"]
    (wrong,) = catalog.unreadable
    assert wrong.directory == tmp_path / "wrong"
    assert "did you mean licence" in wrong.reason


def test_a_card_that_is_no_card_stops_no_other(tmp_path: Path) -> None:
    """A pipe, which nobody writes into, and tables within tables without end: each is told, and the rest is there."""
    for name in ("deep", "folder", "pipe", "right"):
        write_threshold_model(tmp_path, id=name)
    (tmp_path / "deep" / "model.toml").write_text("a = " + "[" * 100_000)
    for name in ("folder", "pipe"):
        (tmp_path / name / "model.toml").unlink()
    (tmp_path / "folder" / "model.toml").mkdir()
    os.mkfifo(tmp_path / "pipe" / "model.toml")
    catalog = Catalog.scan([tmp_path])
    assert [entry.card.id for entry in catalog] == ["right"]
    assert [wrong.directory.name for wrong in catalog.unreadable] == ["deep", "folder", "pipe"]


def test_a_model_that_is_removed_while_it_is_looked_at_stops_no_other(tmp_path: Path) -> None:
    """Its card was read a moment ago and is gone now."""
    for name in ("leaving", "right"):
        write_threshold_model(tmp_path, id=name)

    def loaded_and_gone(file: Path) -> Card:
        card = load_card(file)
        if file.parent.name == "leaving":
            shutil.rmtree(file.parent)
        return card

    with patch("models.catalog.load_card", loaded_and_gone):
        catalog = Catalog.scan([tmp_path])
    assert [entry.card.id for entry in catalog] == ["right"]
    (gone,) = catalog.unreadable
    assert "is the model being moved?" in gone.reason


def test_a_later_path_counts_unless_only_the_earlier_is_ready(tmp_path: Path) -> None:
    """A completed model overrides the built-in one without weights, an incomplete one never hides one that is ready."""
    first, second = tmp_path / "built-in", tmp_path / "data"
    make_incomplete(write_threshold_model(first))
    write_threshold_model(second)
    assert Catalog.scan([first, second]).get("constant-answer").directory == second / "constant-answer"
    assert Catalog.scan([second, first]).get("constant-answer").directory == second / "constant-answer"
    write_threshold_model(first)
    assert Catalog.scan([first, second]).get("constant-answer").directory == second / "constant-answer"


def test_a_wrong_selection_makes_a_card_unreadable(tmp_path: Path) -> None:
    """What is said of it stands behind the file's name; asked for by its id or its directory, it is told again."""
    write_threshold_model(tmp_path, id="right")
    wrong = write_threshold_model(tmp_path, id="wrong", modality=["CT"])
    wrong = wrong.rename(tmp_path / "elsewhere")
    catalog = Catalog.scan([tmp_path], lambda selection: "not like this" if "modality" in selection else "")
    assert list(catalog.entries) == ["right"]
    (told,) = catalog.unreadable
    assert told.reason == f"{wrong / 'model.toml'}: not like this"
    for name in ("wrong", "elsewhere"):
        with pytest.raises(CardError, match="not like this"):
            catalog.get(name)


def test_a_hidden_model_is_told_with_the_one_that_counts(tmp_path: Path) -> None:
    """Both directories are named, and why: the later path, or the one that can be loaded, with what ails the other."""
    first, second = write_threshold_model(tmp_path / "first"), write_threshold_model(tmp_path / "second")
    paths = [tmp_path / "first", tmp_path / "second"]
    (hidden,) = Catalog.scan(paths).hidden
    assert hidden.entry.directory == first
    assert hidden.reason.startswith(f"{second} counts: its path is later. {first} is not used")
    (second / "model.onnx").unlink()
    (hidden,) = Catalog.scan(paths).hidden
    assert hidden.entry.directory == second
    assert hidden.reason.startswith(f"{first} counts: it is ready. {second} is not used")
    assert "is missing" in hidden.reason


def test_a_model_that_was_completed_elsewhere_is_not_told_as_hidden(tmp_path: Path) -> None:
    """The same card, without its weights here and with them there, is one model; so is a path that is named twice."""
    first, second = write_threshold_model(tmp_path / "first"), write_threshold_model(tmp_path / "second")
    make_incomplete(first)
    (second / "model.toml").write_text((first / "model.toml").read_text())
    catalog = Catalog.scan([tmp_path / "first", tmp_path / "second", tmp_path / "second"])
    assert catalog.get("constant-answer").state is ModelState.READY
    assert catalog.hidden == ()


def test_two_directories_of_one_path_with_one_id_are_broken(tmp_path: Path) -> None:
    """A copy never becomes the model that reads, nor does it hide: whatever its name or state, neither is loaded."""
    write_threshold_model(tmp_path)
    before = Catalog.scan([tmp_path]).get("constant-answer")
    for name in ("aaa", "constant-answer.bak"):
        copy = tmp_path / name
        shutil.copytree(before.directory, copy)
        twice = Catalog.scan([tmp_path])
        entry = twice.get("constant-answer")
        assert (entry.state, len(twice), twice.ready()) == (ModelState.BROKEN, 1, ())
        assert set(entry.rivals) == {before.directory, copy}
        assert "two directories hold model constant-answer" in entry.reason
        assert str(copy) in entry.reason
        assert entry.digest != before.digest
        with pytest.raises(ModelTwice, match="keep one"):
            entry.require_ready()
        (copy / "model.onnx").unlink()
        assert "is missing" in Catalog.scan([tmp_path]).get("constant-answer").reason
        shutil.rmtree(copy)
    assert Catalog.scan([tmp_path]).get("constant-answer") == before


def test_a_link_beside_a_model_is_not_a_second_one(tmp_path: Path) -> None:
    """`current`, a link to the directory beside it, is the same model."""
    (tmp_path / "current").symlink_to(write_threshold_model(tmp_path))
    catalog = Catalog.scan([tmp_path])
    assert catalog.get("constant-answer").state is ModelState.READY
    assert catalog.hidden == ()


def test_twice_in_one_path_goes_by_the_order_of_paths(tmp_path: Path) -> None:
    """One that is ready in another path reads, and those that are there twice are told as hidden by it."""
    one = write_threshold_model(tmp_path / "one")
    write_threshold_model(tmp_path / "two")
    shutil.copytree(tmp_path / "two" / "constant-answer", tmp_path / "two" / "copy")
    for paths in ([tmp_path / "one", tmp_path / "two"], [tmp_path / "two", tmp_path / "one"]):
        catalog = Catalog.scan(paths)
        assert catalog.get("constant-answer").directory == one
        assert "two directories hold" in catalog.hidden[0].reason


def test_the_digest_is_of_card_and_networks(tmp_path: Path) -> None:
    """The same files elsewhere have the same digest; another card has another."""
    here = read_entry(write_threshold_model(tmp_path / "here"))
    there = read_entry(write_threshold_model(tmp_path / "there"))
    other = read_entry(write_threshold_model(tmp_path / "other", late_images="ignore"))
    assert here.digest == there.digest
    assert here.digest != other.digest
    assert len(here.digest) == 64


def test_the_built_in_cards_are_readable() -> None:
    """Every card that ships can be read, and each model is ready or can be fetched."""
    catalog = Catalog.scan([BUILT_IN])
    assert catalog.unreadable == ()
    assert {"brain-extraction", "ecg-rhythm"} <= set(catalog.entries)
    assert all(entry.state is not ModelState.BROKEN for entry in catalog)


def test_the_catalog_needs_neither_numpy_nor_a_runtime(tmp_path: Path) -> None:
    """The receiving process chooses models by it and stays small."""
    write_threshold_model(tmp_path)
    program = (
        "import sys; from pathlib import Path; from models.catalog import Catalog\n"
        f"assert len(Catalog.scan([Path({str(tmp_path)!r})])) == 1\n"
        "print([name for name in ('numpy', 'onnx', 'onnxruntime', 'scipy') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(BUILT_IN.parents[1])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_a_network_that_cannot_be_read_is_broken(tmp_path: Path) -> None:
    """A directory in the network's place is neither ready nor a crash of the scan."""
    directory = write_threshold_model(tmp_path)
    (directory / "model.onnx").unlink()
    (directory / "model.onnx").mkdir()
    entry = Catalog.scan([tmp_path]).get("constant-answer")
    assert entry.state is ModelState.BROKEN
    assert "model.onnx" in entry.reason


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_file_that_cannot_be_read_costs_its_own_model_alone(tmp_path: Path, suffix: str) -> None:
    """It is broken, and why stands there; the other models are as they were."""
    sick = write_threshold_model(tmp_path, id="sick")
    program = b"a program"
    (sick / "model.pt2").write_bytes(program)
    pinned = f'file = "model.onnx"\npt2_sha256 = "{hashlib.sha256(program).hexdigest()}"'
    card = sick / "model.toml"
    card.write_text(card.read_text().replace('file = "model.onnx"', pinned))
    write_threshold_model(tmp_path, id="well")
    opened = Path.open

    def refusing(self: Path, *arguments: Any, **named: Any) -> Any:
        if self.suffix == suffix and self.parent.name == "sick":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *arguments, **named)

    with patch.object(Path, "open", refusing):
        catalog = Catalog.scan([tmp_path])
    assert catalog.get("sick").state is ModelState.BROKEN
    assert f"model{suffix} cannot be read (Permission denied)" in catalog.get("sick").reason
    assert catalog.get("well").state is ModelState.READY
