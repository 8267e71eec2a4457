"""`wetread models build`, `bench`, `check` and `run`: what a person types, and what comes back."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from typer.testing import CliRunner, Result

from models.errors import CardError, ModelError
from models.testing import write_threshold_model
from models.testing_classifier import write_image_classifier
from ops import cli
from tests.code_models import command_entry
from worker.gate.bundle import content_items
from worker.testing import write_mr_series


def ask(data: Path, *words: object) -> Result:
    """Run a command on a data directory."""
    return CliRunner().invoke(cli.app, ["models", *map(str, words), "--data", str(data)])


def with_precision(folder: Path, model_id: str, precision: str) -> Path:
    """Write a settings file that asks for a lower precision."""
    file = folder / "settings.toml"
    file.write_text(f'[models]\nprecision = {{ "{model_id}" = "{precision}" }}\n')
    return file


def test_a_lower_precision_is_built_checked_and_timed(tmp_path: Path) -> None:
    """Without a build the site's wish is refused with the command; with it, check and bench show the precision."""
    model_id = write_image_classifier(tmp_path / "models").name
    settings = with_precision(tmp_path, model_id, "fp16")
    refused = ask(tmp_path, "check", model_id, "--settings", settings)
    assert refused.exit_code != 0
    assert f"wetread models build {model_id} --precision fp16 --runtime onnxruntime" in str(
        refused.exception or refused.output
    )
    built = ask(tmp_path, "build", model_id, "--precision", "fp16")
    assert built.exit_code == 0, built.output
    assert "gives its golden answer" in built.output
    assert f'models.precision = {{ "{model_id}" = "fp16" }}' in built.output
    checked = ask(tmp_path, "check", model_id, "--settings", settings)
    assert checked.exit_code == 0
    assert "cpu fp16" in checked.output
    timed = ask(tmp_path, "bench", model_id, "--rounds", 2, "--json")
    timings = json.loads(timed.stdout)
    assert [one["runtime"].split()[-1] for one in timings] == ["cpu", "fp16"]
    assert all(one["median_s"] > 0 and one["resident_mib"] > 0 for one in timings)
    assert "median s" in ask(tmp_path, "bench", model_id, "--rounds", 1).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("build", "{id}", "--precision", "fp8"), "--precision fp8 is not known; allowed are fp16, bf16, int8"),
        (("build", "{id}", "--precision", "bf16"), "it offers fp32, fp16, int8"),
        (("build", "{id}", "--precision", "fp16", "--runtime", "cuda"), "--runtime cuda is not known"),
        (("bench", "nobody"), "no model has the id nobody"),
        (("run", "{id}", ".", "--channel", "flair=x"), "needs no --channel"),
        (("import", "caffe", "."), "known are: brainchop, onnx"),
        (("import", "nnunet", "."), "--orientation"),
    ],
)
def test_what_cannot_be_says_why(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """A wrong word is answered with those that are right."""
    model_id = write_threshold_model(tmp_path / "models").name
    done = ask(tmp_path, *(word.format(id=model_id) for word in words))
    assert done.exit_code != 0
    assert said in str(done.exception)


def test_a_command_model_is_run_by_hand(tmp_path: Path) -> None:
    """A model that comes as a program reads a folder of DICOM and leaves a SEG like any other; check says to run it."""
    command_entry(
        tmp_path,
        "import nibabel, numpy as np, pydicom\n"
        "files = sorted(given.iterdir())\n"
        "first = pydicom.dcmread(files[0])\n"
        "mask = np.zeros((first.Columns, first.Rows, len(files)), np.uint8)\n"
        "mask[4:20, 4:20, 2:6] = 1\n"
        "affine = np.diag([-first.PixelSpacing[1], -first.PixelSpacing[0], first.SliceThickness, 1.0])\n"
        "affine[:3, 3] = np.array(first.ImagePositionPatient, float) * (-1, -1, 1)\n"
        "nibabel.save(nibabel.Nifti1Image(mask, affine), out / 'labels.nii.gz')\n",
    )
    assert "comes as code or as a program" in ask(tmp_path, "check", "command-model").output
    write_mr_series(tmp_path / "series", slices=8)
    done = ask(tmp_path, "run", "command-model", tmp_path / "series", "--out", tmp_path / "out")
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    assert (tmp_path / "out" / "seg.dcm").is_file()
    assert (tmp_path / "out" / "picture.png").stat().st_size > 1000


def test_two_directories_with_one_id_are_told_and_nothing_is_run_with_either(tmp_path: Path) -> None:
    """`list` has one broken row, `check` fails with or without the id, `run` names both directories."""
    folder = write_threshold_model(tmp_path / "models")
    shutil.copytree(folder, folder.with_name("copy"))
    said = "two directories hold model constant-answer"
    listed = ask(tmp_path, "list")
    assert listed.exit_code == 0
    assert "broken" in listed.output
    for words in (("check",), ("check", "constant-answer")):
        checked = ask(tmp_path, *words)
        assert checked.exit_code == 1
        assert said in checked.output
    (tmp_path / "images").mkdir()
    for words in (("run", "constant-answer", tmp_path / "images"), ("bench", "constant-answer")):
        refused = ask(tmp_path, *words)
        assert isinstance(refused.exception, ModelError)
        assert said in str(refused.exception)


def test_a_wrong_selection_is_found_before_anything_is_read(tmp_path: Path) -> None:
    """`list` calls the card unreadable, `check` fails, `run` names the file, and `import` refuses such a card."""
    card = write_threshold_model(tmp_path / "models", modality=["CT"]) / "model.toml"
    card.write_text(card.read_text().replace("modality =", "modalty ="))
    said = "selection.modalty: unknown key, did you mean modality?"
    assert "unreadable" in ask(tmp_path, "list").output
    checked = ask(tmp_path, "check")
    assert checked.exit_code == 1
    assert f"{card}: {said}" in checked.output
    for words in (
        ("run", "constant-answer", tmp_path / "models"),
        ("import", "onnx", card.with_name("model.onnx"), "--card", card),
    ):
        refused = ask(tmp_path, *words)
        assert isinstance(refused.exception, CardError)
        assert str(refused.exception) == f"{card}: {said}"


def test_a_model_that_cannot_be_proven_keeps_no_other_from_it(tmp_path: Path) -> None:
    """`check` of all tells what is wrong with one and goes on; the end is a failure."""
    for model_id in ("answer-a", "answer-b"):
        write_threshold_model(tmp_path / "models", id=model_id)
    checked = ask(tmp_path, "check", "--settings", with_precision(tmp_path, "answer-a", "fp16"))
    assert checked.exit_code == 1
    assert "wetread models build answer-a --precision fp16" in checked.output
    assert "answer-b: main gives its golden answer" in checked.output


def test_what_a_check_does_not_prove_is_told(tmp_path: Path) -> None:
    """A golden answer of nothing but background, which a broken runtime gives too; a network without any."""
    folder = write_threshold_model(tmp_path / "models", id="answer")
    told = "Nothing is found in it, so it proves little: add one in which something is"
    assert told not in ask(tmp_path, "check", "answer").output
    with np.load(folder / "golden.npz") as golden:
        dark = {"input.input": golden["input.input"] * 0, "expected.labels": golden["expected.labels"] * 0}
    np.savez(folder / "golden.npz", **dark)
    checked = ask(tmp_path, "check", "answer")
    assert checked.exit_code == 0
    assert told in checked.output
    card = folder / "model.toml"
    networks = card.read_text().split("[networks.main]\n")[1].split("\n\n")[0]
    card.write_text(card.read_text().replace("[preparation]", f"[networks.other]\n{networks}\n\n[preparation]"))
    assert "names no golden file of other, so nothing is proven of that" in ask(tmp_path, "check", "answer").output


def test_a_model_without_networks_is_not_timed(tmp_path: Path) -> None:
    """One that comes as code or as a program has nothing that `bench` could ask."""
    command_entry(tmp_path, "")
    refused = ask(tmp_path, "bench", "command-model")
    assert isinstance(refused.exception, ModelError)
    assert "no network to time" in str(refused.exception)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that belongs to somebody else is named with the reason, and the others are read."""

    def refuse(file: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    write_threshold_model(tmp_path / "models")
    monkeypatch.setattr("ops.commands.model_run.read_meta_to_send", refuse)
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "locked").touch()
    refused = ask(tmp_path, "run", "constant-answer", tmp_path / "series", "--out", tmp_path / "out")
    assert isinstance(refused.exception, ModelError), refused.exception
    assert "not read: locked: Permission denied" in refused.output


def test_a_hidden_model_has_a_row(tmp_path: Path) -> None:
    """`list` says that another path's counts."""
    write_threshold_model(tmp_path / "models")
    write_threshold_model(tmp_path / "site")
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[models]\npath = ["{tmp_path / "site"}"]\n')
    listed = ask(tmp_path, "list", "--settings", settings).output
    assert "hidden" in listed
    assert "ready" in listed


def test_a_list_says_what_the_settings_switch_off_and_what_they_name_in_vain(tmp_path: Path) -> None:
    """A name that is mistyped would have nothing read, and every model look as if it ran."""
    for model_id in ("heads", "chests"):
        write_threshold_model(tmp_path / "models", id=model_id)
    settings = tmp_path / "settings.toml"
    settings.write_text(
        """
        models.enabled = ["heads", "chest"]
        destinations = [{name = "pacs", ae_title = "PACS", host = "h.org", port = 104, models = ["heads", "hands"]}]
        """
    )
    listed = {row.split()[0]: row for row in ask(tmp_path, "list", "--settings", settings).output.splitlines() if row}
    assert "ready" in listed["heads"]
    assert "off" in listed["chests"]
    assert "missing" in listed["chest"]
    assert "missing" in listed["hands"]


def test_a_series_that_the_card_would_not_choose_is_read_and_told(tmp_path: Path) -> None:
    """Whoever tries a model on what it is not made for knows it; the running house would skip the study."""
    write_threshold_model(tmp_path / "models", id="heads", modality=["CT"])
    write_mr_series(tmp_path / "series", slices=4)
    done = ask(tmp_path, "run", "heads", tmp_path / "series", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "by its card, heads would not read this" in done.stderr
    assert done.stderr.rstrip().endswith("modality MR, not CT")
    write_threshold_model(tmp_path / "models", id="heads", modality=["MR"])
    assert "by its card" not in ask(tmp_path, "run", "heads", tmp_path / "series", "--out", tmp_path / "out").stderr


def test_of_a_series_the_images_that_the_card_names_are_read(tmp_path: Path) -> None:
    """As the running house would; where none is of its kind all are, and it is told."""
    write_threshold_model(tmp_path / "models", id="heads", images='{ tag = "ImageType", includes = "M" }')
    write_mr_series(tmp_path / "series", slices=4, attributes={"ImageType": ["ORIGINAL", "PRIMARY", "M"]})
    (scout,) = write_mr_series(
        tmp_path / "scout", slices=1, attributes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    )
    write_mr_series(tmp_path / "others", slices=4)
    scout.rename(tmp_path / "series" / "scout.dcm")
    done = ask(tmp_path, "run", "heads", tmp_path / "series", "--out", tmp_path / "out")
    assert (done.exit_code, "by its card" in done.stderr) == (0, False), done.output
    report = dcmread(tmp_path / "out" / "text-sr.dcm")
    texts = [str(item.get("TextValue")) for item in content_items(report)]
    assert "1 other image of this series is not of the kind that this model reads, and was not read." in texts
    done = ask(tmp_path, "run", "heads", tmp_path / "others", "--out", tmp_path / "out")
    assert "it has no image with ImageType including M" in done.stderr


def test_images_of_another_series_are_not_left_out_of_this_one(tmp_path: Path) -> None:
    """The report would say so: a folder of two series is refused, whatever the card reads of them."""
    write_threshold_model(tmp_path / "models", id="heads", images='{ tag = "EchoTime", at_least = 50 }')
    for seed, echo in ((1, 20), (2, 80)):
        write_mr_series(tmp_path / "both" / str(seed), slices=4, seed=seed, attributes={"EchoTime": echo})
    done = ask(tmp_path, "run", "heads", tmp_path / "both", "--out", tmp_path / "out")
    assert "two series: the files of this series differ in SeriesInstanceUID" in str(done.exception)


def test_of_an_enhanced_image_the_frames_that_the_card_names_are_read(tmp_path: Path, shared_data: Path) -> None:
    """Of a real one of diffusion: what is found lies in the frames without weighting, and others are told of."""
    write_threshold_model(tmp_path / "models", threshold=0.3, images='{ tag = "DiffusionBValue", at_most = 0 }')
    (tmp_path / "dti").mkdir()
    (file,) = (shared_data / "odd-series" / "philips_enhanced" / "dti" / "001").iterdir()
    image = dcmread(file)
    image.FrameOfReferenceUID = "1.2.3"  # an anonymiser removed it
    image.save_as(tmp_path / "dti" / "a.dcm")
    done = ask(tmp_path, "run", "constant-answer", tmp_path / "dti", "--out", tmp_path / "out")
    assert (done.exit_code, "by its card" in done.stderr) == (0, False), done.output
    segmentation = dcmread(tmp_path / "out" / "seg.dcm")
    sources = {
        int(source.ReferencedFrameNumber)
        for groups in segmentation.PerFrameFunctionalGroupsSequence
        for source in groups.DerivationImageSequence[0].SourceImageSequence
    }
    assert sources == {1, 5, 9, 13, 17, 21, 25, 29}
    texts = [str(item.get("TextValue")) for item in content_items(dcmread(tmp_path / "out" / "sr.dcm"))]
    assert "24 other images of this series are not of the kind that this model reads, and were not read." in texts


def test_what_the_disk_refuses_is_told(tmp_path: Path) -> None:
    """A folder in a file's place, a full disk: in words, where a traceback was."""
    model_id = write_threshold_model(tmp_path / "models").name
    write_mr_series(tmp_path / "series", slices=8)
    taken = tmp_path / "out" / "seg.dcm"
    taken.mkdir(parents=True)
    refused = ask(tmp_path, "run", model_id, tmp_path / "series", "--out", tmp_path / "out")
    assert isinstance(refused.exception, ModelError)
    assert f"{taken}: Is a directory; is there space, and may this user write there?" in str(refused.exception)
