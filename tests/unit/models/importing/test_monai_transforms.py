"""MONAI's transforms are said in the card's words, or refused by name."""

from typing import Any

import numpy as np
import pytest

from models.card.card_preparation import Values
from models.errors import WeightsRefused
from models.importing.monai_transforms import interpretation, preparation
from models.preparing.normalisation import normalise, window_of
from tests.optional import need


def step(name: str, **values: Any) -> dict[str, Any]:
    """Return a transform as the bundle's parser gives it."""
    return {"_target_": name, **values}


AXES = step("Orientationd", axcodes="RAS")
SPACING = step("Spacingd", pixdim=[1.5, 1.5, 2.0], mode="bilinear")
HU = step("ScaleIntensityRanged", a_min=-57, a_max=164, b_min=0.0, b_max=1.0, clip=True)
PERCENTILES = step("ScaleIntensityRangePercentilesd", lower=5, upper=90, b_min=-1.0, b_max=1.0, clip=True)
INTENSITIES = ("normalisation", "percentiles", "scale", "offset")


def test_the_usual_chain_is_a_preparation() -> None:
    """Orientation, spacing, a window of values, a crop: the chain of most CT bundles."""
    assert preparation([step("LoadImaged"), AXES, SPACING, HU, step("CropForegroundd", source_key="image")]) == {
        "kind": "volume",
        "orientation": "RAS",
        "fit": "spacing",
        "spacing_mm": [1.5, 1.5, 2.0],
        "anchor": "first-voxel",
        "interpolation": "linear",
        "normalisation": "min-max",
        "window": [-57.0, 164.0],
        "scale": 1.0,
        "offset": 0.0,
        "crop_above": 0.0,
    }


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step("NormalizeIntensityd")], "NormalizeIntensityd without channel_wise is not read here for 2 channels"),
        ([step("ScaleIntensityd")], "ScaleIntensityd without channel_wise"),
        ([step("NormalizeIntensityd", subtrahend=[1], divisor=[2], channel_wise=True)], "1 numbers for 2 channels"),
        ([HU, step("CropForegroundd")], "looks at the first channel"),
    ],
)
def test_what_takes_several_series_together_is_refused(steps: list[dict[str, Any]], words: str) -> None:
    """A card normalises each series by itself, and crops by the first."""
    with pytest.raises(WeightsRefused, match=words):
        preparation([AXES, SPACING, *steps], ["t1", "t2"])


def test_numbers_for_each_series_are_channel_values() -> None:
    """The same numbers for all are said once."""
    each = step("NormalizeIntensityd", subtrahend=[1, 2], divisor=[3, 4], channel_wise=True)
    card = preparation([AXES, SPACING, each, step("CropForegroundd", channel_indices=0)], ["t1", "t2"])
    assert (card["channels"], card["mean"], card["std"]) == (["t2"], 1.0, 3.0)
    assert card["channel_values"] == {"t2": {"normalisation": "fixed", "mean": 2.0, "std": 4.0}}
    same = preparation([AXES, SPACING, step("NormalizeIntensityd", subtrahend=1, divisor=3)], ["t1", "t2"])
    assert "channel_values" not in same


def test_fixed_numbers_may_stand_in_lists() -> None:
    """Subtrahend and divisor of the one channel become mean and std."""
    card = preparation([AXES, SPACING, step("NormalizeIntensityd", subtrahend=[10], divisor=[4.0])])
    assert (card["normalisation"], card["mean"], card["std"]) == ("fixed", 10.0, 4.0)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([SPACING, AXES], "Orientationd comes after"),
        ([AXES, HU, SPACING], "Spacingd comes after"),
        ([AXES, SPACING, HU, step("NormalizeIntensityd")], "NormalizeIntensityd comes after or beside"),
        ([AXES, SPACING, HU, step("CenterSpatialCropd", roi_size=8)], "CenterSpatialCropd comes after"),
        ([SPACING, HU], "left and right could be swapped"),
        ([AXES, HU], "no spacing"),
        ([AXES, SPACING | {"pixdim": [1.0, 1.0, float("inf")]}], "infinite pixdim"),
        ([AXES, SPACING | {"mode": 3}], "mode = 3"),
        ([AXES, step("Resized", spatial_size=[64, 64, 64])], "mode = area"),
        ([AXES, step("Resized", spatial_size=[64, 64, 64], size_mode="longest")], "size_mode"),
        ([AXES, step("Resized", spatial_size=[64, 64, 64], mode="nearest")], "mode = nearest"),
        ([AXES, step("Resized", spatial_size=[64, 64, 64], mode="trilinear", align_corners=True)], "align_corners"),
        ([AXES, SPACING, step("Resized", spatial_size=[64, 64, 64], mode="trilinear")], "Spacingd and then Resized"),
        ([AXES, SPACING | {"diagonal": True}], "diagonal = True"),
        ([AXES, SPACING | {"scale_extent": True}], "scale_extent = True"),
        ([AXES, SPACING | {"padding_mode": "reflection"}], "padding_mode = reflection"),
        ([AXES | {"as_closest_canonical": True}, SPACING], "as_closest_canonical = True"),
        ([AXES | {"labels": [["R", "L"], ["P", "A"], ["I", "S"]]}, SPACING], "labels of its own"),
        ([AXES, SPACING, HU | {"clip": False}], "without clip"),
        ([AXES, SPACING, HU | {"b_min": None}], "values of the transform ScaleIntensityRanged"),
        ([AXES, SPACING, PERCENTILES | {"clip": False}], "Percentilesd without clip"),
        ([AXES, SPACING, PERCENTILES | {"relative": True}], "relative = True"),
        ([AXES, SPACING, step("NormalizeIntensityd", divisor=2.0)], "one of subtrahend and divisor"),
        ([AXES, SPACING, step("ScaleIntensityd", minv=None, maxv=None, factor=0.5)], "ScaleIntensityd"),
        ([AXES, SPACING, HU, step("CropForegroundd", margin=5)], "margin = 5"),
        ([AXES, step("RandFlipd")], "RandFlipd is not read here"),
    ],
)
def test_what_a_card_cannot_say_is_refused(steps: list[dict[str, Any]], words: str) -> None:
    """Another order, a second change of intensities, open values: each by the transform's name."""
    with pytest.raises(WeightsRefused, match=words):
        preparation(steps)


def test_percentiles_are_those_of_monai() -> None:
    """What lies beyond is clipped, and what is left spans what the bundle says."""
    monai, torch = need("monai.transforms"), need("torch")
    said = {key: value for key, value in PERCENTILES.items() if key != "_target_"}
    array = np.random.default_rng(3).normal(100.0, 30.0, (8, 9, 10)).astype(np.float32)
    wanted = monai.ScaleIntensityRangePercentiles(**said)(torch.from_numpy(array[np.newaxis])).numpy()[0]
    values = Values.model_validate({key: preparation([AXES, SPACING, PERCENTILES])[key] for key in INTENSITIES})
    normalise(array, values, window_of(array, values))
    np.testing.assert_allclose(array, wanted, atol=1e-5)


def test_what_is_the_usual_thing_may_be_said() -> None:
    """The names of axes that MONAI has anyway, a padding or a threshold of the one key by itself."""
    labels = [["L", "R"], ["P", "A"], ["I", "S"]]
    card = preparation([AXES | {"labels": labels}, SPACING | {"padding_mode": ["zeros"]}])
    assert (card["orientation"], card["outside"]) == ("RAS", 0.0)
    assert "outside" not in preparation([AXES, SPACING | {"padding_mode": "border"}])
    answer = interpretation([step("Activationsd", sigmoid=True), step("AsDiscreted", threshold=[0.4])])
    assert answer["threshold"] == 0.4


def test_a_side_that_spacing_leaves_alone_is_0() -> None:
    """MONAI keeps the images' own where pixdim is not above 0, or no number."""
    for kept in (-1, 0, float("nan")):
        assert preparation([AXES, SPACING | {"pixdim": [1.5, 1.5, kept]}])["spacing_mm"] == [1.5, 1.5, 0.0]


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
@pytest.mark.parametrize(("pixdim", "sides"), [(1.5, [1.5] * 3), ([1.5], [1.5] * 3), ((1, 2), [1.0, 2.0, 2.0])])
def test_fewer_sides_than_three_are_those_of_the_rest(pixdim: object, sides: list[float]) -> None:
    """As MONAI's Spacing fills them up."""
    monai = need("monai.transforms")
    torch = need("torch")
    assert preparation([AXES, SPACING | {"pixdim": pixdim}])["spacing_mm"] == sides
    spaced = monai.Spacing(pixdim=pixdim)(need("monai.data").MetaTensor(torch.rand(1, 9, 9, 9)))
    assert spaced.pixdim.tolist() == sides


def test_the_middle_may_be_cropped_before_intensities() -> None:
    """One number is three, and a side that is not above 0 is left as it is."""
    cropped = preparation([AXES, SPACING, step("CenterSpatialCropd", roi_size=[96, -1, 64]), HU])
    assert cropped["crop_centre"] == [96, 0, 64]
    assert preparation([AXES, SPACING, step("CenterSpatialCropd", roi_size=8)])["crop_centre"] == [8, 8, 8]


def test_what_comes_after_the_network() -> None:
    """Softmax and argmax are classes, a sigmoid with a threshold labels by themselves, the largest part is kept."""
    assert interpretation([step("Activationsd", softmax=True), step("AsDiscreted", argmax=True)]) == {"kind": "classes"}
    assert interpretation(
        [
            step("Activationsd", sigmoid=True),
            step("AsDiscreted", threshold=0.4),
            step("KeepLargestConnectedComponentd", independent=False),
        ]
    ) == {"kind": "multi-label", "threshold": 0.4, "largest_component": "foreground"}


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step("AsDiscreted", threshold=0.5)], "after Activationsd with sigmoid only"),
        ([step("Activationsd", sigmoid=True), step("AsDiscreted", threshold="a half")], "only one number"),
        ([step("KeepLargestConnectedComponentd", applied_labels=[1])], "applied_labels"),
        ([step("Lambdad", func=None)], "Lambdad after the network"),
    ],
)
def test_an_answer_that_a_card_cannot_read_is_refused(steps: list[dict[str, Any]], words: str) -> None:
    """A threshold of raw numbers, a part of the labels, any code."""
    with pytest.raises(WeightsRefused, match=words):
        interpretation(steps)
