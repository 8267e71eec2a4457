"""Images through a real network in a real runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from models.catalog import ModelState, read_entry
from models.errors import CardError, ImplausibleResult, InputRefused
from models.interpreting.classification import ABSENT, PRESENT
from models.interpreting.image_labels import AREA, PIXELS, SQUARE_MILLIMETRE, structure_of
from models.interpreting.image_reading import PART
from models.loaded import LoadedModel
from models.proving.checking import check
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.runtime import Arrays, Infer
from models.testing_classifier import bright_probability, write_image_classifier
from models.volume import Image, Volume
from tests.readings import LABELS, PNEUMONIA, PNEUMOTHORAX, a_card

IMAGES = {"kind": "image", "size": [20, 20], "normalisation": "min-max", "interpolation": "nearest"}


def bright(rows: int = 32, columns: int = 32) -> Image:
    """Return an image whose upper three quarters are bright."""
    array = np.zeros((1, rows, columns), np.uint16)
    array[:, : rows * 3 // 4] = 4095
    return Image(array=array, spacing_mm=(0.5, 0.5))


def constant(answer: NDArray[np.generic]) -> Infer:
    """Return a network whose answer is always this."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        del network, inputs
        return {"labels": answer}

    return infer


def test_a_real_network_classifies_an_image(tmp_path: Path) -> None:
    """Prepare, ONNX Runtime, interpret: what is bright is present with the network's own probability."""
    entry = read_entry(write_image_classifier(tmp_path))
    model = LoadedModel.load(entry, OnnxRuntime(), 1)
    reading = read(entry.card, bright(), model.infer)
    pneumonia, pneumothorax = reading.findings
    expected = 100 * bright_probability(0.75)
    assert (pneumonia.name, pneumonia.value) == (PNEUMONIA, PRESENT)
    assert pneumonia.certainty_percent == pytest.approx(expected, abs=0.01)
    assert (pneumothorax.name, pneumothorax.value) == (PNEUMOTHORAX, ABSENT)
    assert pneumothorax.certainty_percent == pytest.approx(expected, abs=0.01)


def test_it_says_where_it_looked(tmp_path: Path) -> None:
    """The heat map of what is present lies on the source's own pixels."""
    entry = read_entry(write_image_classifier(tmp_path))
    model = LoadedModel.load(entry, OnnxRuntime(), 1)
    (heat_map,) = read(entry.card, bright(64, 48), model.infer).heat_maps
    assert (heat_map.name, heat_map.array.shape, heat_map.array.dtype) == (PNEUMONIA, (1, 64, 48), np.float32)
    assert heat_map.array[0, :44].min() > 0.9
    assert heat_map.array[0, 52:].max() < 0.1


def test_the_shipped_classifier_proves_itself(tmp_path: Path) -> None:
    """It is a model like any other: ready, and it gives its golden answer."""
    entry = read_entry(write_image_classifier(tmp_path, modality=("CR", "DX")))
    assert entry.state is ModelState.READY
    assert entry.card.selection == {"modality": ["CR", "DX"]}
    (verdict,) = check(entry, OnnxRuntime())
    assert verdict.passed


def test_blank_images_are_left_out_and_said(tmp_path: Path) -> None:
    """A black first frame of a clip does not keep the rest from being read; a clip of nothing else is refused."""
    entry = read_entry(write_image_classifier(tmp_path))
    model = LoadedModel.load(entry, OnnxRuntime(), 1)
    clip = np.concatenate([np.zeros((1, 32, 32), np.uint16), bright().array])
    reading = read(entry.card, Image(array=clip, spacing_mm=None), model.infer)
    assert reading.findings[0].value == PRESENT
    assert reading.warnings == ("Images without any contrast, which were not read: 1.",)
    with pytest.raises(InputRefused, match="no contrast"):
        read(entry.card, Image(array=clip[:1], spacing_mm=None), model.infer)


def test_what_a_crop_leaves_out_is_said(tmp_path: Path) -> None:
    """Once for the whole clip; a frame of nearly the input's aspect was read whole."""
    entry = read_entry(write_image_classifier(tmp_path, fit="crop"))
    model = LoadedModel.load(entry, OnnxRuntime(), 1)
    clip = np.concatenate([np.zeros((1, 32, 40), np.uint16), *[bright(32, 40).array] * 2])
    reading = read(entry.card, Image(array=clip, spacing_mm=None), model.infer)
    assert reading.warnings == (PART, "Images without any contrast, which were not read: 1.")
    assert read(entry.card, bright(48, 32), model.infer).warnings == (PART,)
    for whole in (bright(), bright(320, 322)):
        assert read(entry.card, whole, model.infer).warnings == ()
    stretched = entry.card.model_copy(update={"preparation": entry.card.preparation.model_copy(update={"fit": "pad"})})
    assert read(stretched, bright(48, 32), model.infer).warnings == ()


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_a_box_and_a_mask_of_unequal_pixels_lie_where_the_thing_is(fit: str) -> None:
    """A network that sees mm finds a square as a square; it comes back to the pixels' edges of the frame."""
    array = np.zeros((1, 100, 100), np.uint16)
    array[0, 40:50, 30:50] = 1000
    image = Image(array=array, spacing_mm=(0.4, 0.2))
    preparation = {"kind": "image", "size": [160, 160], "normalisation": "min-max", "fit": fit}
    seen = []

    def detector(network: str, inputs: Arrays) -> Arrays:
        del network
        (given,) = inputs.values()
        places = np.argwhere(np.asarray(given)[0, 0] > 0.5)
        box = np.concatenate([places.min(axis=0), places.max(axis=0) + 1])
        seen.append(box)
        return {"boxes": box[np.newaxis].astype(np.float32), "scores": np.ones(1), "classes": np.ones(1, np.int64)}

    label = LABELS[0].model_dump() | {"number": 1}
    card = a_card(preparation=preparation, labels=[label], interpretation={"kind": "boxes"})
    (found,) = read(card, image, detector).detections
    (box,) = seen
    assert box[2] - box[0] == pytest.approx(box[3] - box[1], abs=1)
    edge = 1.0 if fit == "pad" else 0.5  # a pixel of the network's input
    np.testing.assert_allclose(np.min(found.outline, axis=0), [39.5, 29.5], atol=edge)
    np.testing.assert_allclose(np.max(found.outline, axis=0), [49.5, 49.5], atol=edge)

    def mask(network: str, inputs: Arrays) -> Arrays:
        del network
        (given,) = inputs.values()
        return {"labels": (np.asarray(given)[0] > 0.5).astype(np.uint8)}

    reading = read(a_card(preparation=preparation, labels=[label], interpretation={"kind": "labels"}), image, mask)
    assert reading.labels is not None
    assert ((reading.labels > 0) ^ (array > 0)).sum() <= 0.1 * (array > 0).sum()


def test_what_a_crop_of_unequal_pixels_leaves_out_is_said() -> None:
    """A square of pixels is no square of the body: a square crop leaves out a part of it."""
    preparation = {"kind": "image", "size": [20, 20], "normalisation": "min-max", "fit": "crop"}
    card = a_card(preparation=preparation, labels=[LABELS[0].model_dump()], interpretation={"kind": "labels"})
    nothing = constant(np.zeros((1, 20, 20), np.uint8))
    for spacing, told in (((0.4, 0.2), (PART,)), ((0.2, 0.2), ())):
        assert read(card, Image(array=bright().array, spacing_mm=spacing), nothing).warnings == told


def test_another_source_is_refused_by_name(tmp_path: Path) -> None:
    """A model of X-rays given a volume says what it was given, and a model of volumes given an X-ray too."""
    entry = read_entry(write_image_classifier(tmp_path))
    volume = Volume(array=np.zeros((2, 8, 8)), affine=np.eye(4))
    with pytest.raises(InputRefused, match=r"reads images .* this is a volume"):
        read(entry.card, volume, constant(np.zeros(0)))
    with pytest.raises(InputRefused, match="reads volumes, and this is images"):
        read(a_card(), bright(), constant(np.zeros(0)))


def test_a_network_may_answer_about_a_whole_volume() -> None:
    """The same answers about a volume, and a heat map on its grid."""
    card = a_card(
        labels=[],
        preparation={"kind": "volume", "orientation": "LPS", "fit": "resize", "size": [4, 4, 4],
                     "normalisation": "min-max"},
        interpretation={"kind": "classification", "activation": "none", "answer_output": "a", "heat_map_output": "m",
                        "classes": [{"name": "p", "concept": PNEUMONIA.model_dump()}]},
    )  # fmt: skip
    array = np.zeros((8, 6, 5), np.int16)
    array[4:] = 100

    def infer(network: str, inputs: Arrays) -> Arrays:
        assert (network, inputs["input"].shape) == ("main", (1, 1, 4, 4, 4))
        return {"a": np.array([[0.8]], np.float32), "m": np.asarray(inputs["input"], np.float32)[:, :, ::2, ::2, ::2]}

    reading = read(card, Volume(array=array, affine=np.diag([-1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]), infer)
    assert reading.findings[0].value == PRESENT
    (heat_map,) = reading.heat_maps
    assert heat_map.array.shape == array.shape
    assert heat_map.array.max() == 1.0


@pytest.mark.parametrize("kind", ["labels", "classes", "probability"])
@pytest.mark.parametrize("spacing_mm", [(0.5, 0.25), None])
def test_what_is_outlined_has_an_area(kind: str, spacing_mm: tuple[float, float] | None) -> None:
    """Labels come back on the source's pixels; the area is in mm2, in pixels where nobody knows their size."""
    labels = [{**LABELS[0].model_dump(), "number": 1}, *([] if kind == "probability" else [LABELS[2].model_dump()])]
    # A contour between two pixels is round at its corners; pixel for pixel there is none.
    size = [40, 60] if kind == "probability" else [20, 20]
    card = a_card(preparation=IMAGES | {"size": size}, interpretation={"kind": kind}, labels=labels)
    array = np.zeros((2, 40, 60), np.uint8)
    array[0, 10:30, 6:15] = 200
    array[1, 10:20, 6:15] = 200

    def infer(network: str, inputs: Arrays) -> Arrays:
        assert network == "main"
        found = np.asarray(inputs["input"])[0, 0] > 0.5
        if kind == "labels":
            return {"answer": found.astype(np.uint8)[np.newaxis]}
        channels = [~found, found, *[np.zeros_like(found)] * (8 if kind == "classes" else 0)]
        return {"answer": 20 * np.stack(channels).astype(np.float32)[np.newaxis] - 10}

    reading = read(card, Image(array=array, spacing_mm=spacing_mm), infer)
    (structure,) = reading.structures
    assert reading.labels is not None
    np.testing.assert_array_equal(reading.labels, array > 0)
    assert structure.voxels == 180 + 90
    (area,) = structure.measurements
    assert (area.name, area.unit) == (AREA, SQUARE_MILLIMETRE if spacing_mm else PIXELS)
    assert area.value == 180 * (0.125 if spacing_mm else 1)
    assert [label.number for label in reading.missing] == [label["number"] for label in labels[1:]]


@pytest.mark.parametrize(("first", "cut"), [(0, True), (1, False)])
def test_what_reaches_the_edge_of_its_largest_frame_is_cut(first: int, *, cut: bool) -> None:
    """Across frames there is no edge."""
    labels = np.zeros((2, 12, 12), np.uint8)
    labels[1, first:8, 3:6] = LABELS[0].number
    found = structure_of(LABELS[0], labels, None)
    assert found is not None
    assert found.cut == cut


def test_a_label_that_is_not_on_the_card_is_not_sent() -> None:
    """Nobody could say what it means."""
    card = a_card(preparation=IMAGES, interpretation={"kind": "labels"})
    with pytest.raises(ImplausibleResult, match="label 7"):
        read(card, bright(), constant(np.full((1, 20, 20), 7, np.uint8)))
    with pytest.raises(CardError, match="not labels"):
        read(card, bright(), constant(np.zeros((1, 20, 21), np.uint8)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"inference": {"strategy": "sliding-window", "window": [8, 8, 8]}},
        {"interpretation": {"kind": "labels", "plausible_total_ml": {"min": 1}}},
        {"labels": [{**LABELS[0].model_dump(), "instances": True}]},
        {"labels": [{**LABELS[0].model_dump(), "plausible_volume_ml": {"min": 1}}]},
        {"interpretation": {"kind": "classification", "activation": "sigmoid", "classes": [{"name": "x"}]}},
        {"interpretation": {"kind": "classification", "activation": "sigmoid",
                            "classes": [{"name": "x", "concept": PNEUMONIA.model_dump()}] * 2}},
        {"interpretation": {"kind": "classification", "activation": "sigmoid", "heat_map_output": "m",
                            "classes": [{"name": "x", "concept": PNEUMONIA.model_dump()}]}},
        {"interpretation": {"kind": "classification", "activation": "sigmoid",
                            "classes": [{"name": "x", "concept": PNEUMONIA.model_dump()}]},
         "critical": [{"when": "certainty", "concept": PNEUMOTHORAX.model_dump(), "at_least": 80}]},
    ],
)  # fmt: skip
def test_a_card_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    """What images cannot give, and what the network never says, is told when the card is read."""
    with pytest.raises(ValidationError):
        a_card(preparation=IMAGES, **wrong)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ({"measurements": ["mean"]}, "has an area alone"),
        ({"measurements": ["deviation", "diameters"]}, "has an area alone"),
        ({"smallest_ml": 0.1}, "leave out smallest_ml, smallest_mm"),
        ({"smallest_mm": 3.0}, "leave out smallest_ml, smallest_mm"),
    ],
)
def test_a_key_that_nothing_applies_on_images_is_refused(key: dict[str, Any], told: str) -> None:
    """Somebody who asks for it would believe that it is done."""
    label = LABELS[0].model_dump()
    a_card(preparation=IMAGES, labels=[label])
    with pytest.raises(ValidationError, match=told):
        a_card(preparation=IMAGES, labels=[label | key])


@pytest.mark.parametrize(
    ("mirrored", "sided", "refused"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_left_is_not_told_of_what_lies_on_the_right(*, mirrored: bool, sided: bool, refused: bool) -> None:
    """Where the header says that an image is mirrored, a model that names sides would name the wrong one."""
    labels = [{**LABELS[1].model_dump(), "number": 1, "laterality": "left" if sided else None}]
    card = a_card(preparation=IMAGES, interpretation={"kind": "labels"}, labels=labels)
    array = np.zeros((1, 20, 20), np.uint8)
    array[0, 5:10, 5:10] = 200
    image = Image(array=array, spacing_mm=None, mirrored=mirrored)
    answer = constant((array > 0).astype(np.uint8))
    if refused:
        with pytest.raises(InputRefused, match="the images are mirrored"):
            read(card, image, answer)
    else:
        assert read(card, image, answer).structures
