"""Real values of stored ones: exact, and in no more bytes than that takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.series.image_frames import Frame
from worker.series.rescaling import add_whole, scale, stay_whole, whole_dtype
from worker.series.slice_geometry import Plane

PLANE = Plane(position_mm=(0, 0, 0), orientation=(1, 0, 0, 0, 1, 0), spacing_mm=(1, 1), size=(1, 4))


def frame(slope: float = 1.0, intercept: float = 0.0) -> Frame:
    """A frame that is rescaled so."""
    return Frame(dataset=0, number=0, plane=PLANE, slope=slope, intercept=intercept, kind=())


@pytest.mark.parametrize(
    ("stored", "bits", "intercepts", "wanted"),
    [
        ("u2", 12, [-1024.0], "i2"),
        ("u2", 16, [-1024.0], "f4"),
        ("i2", 16, [0.0], "i2"),
        ("i2", 12, [-1024.0], "i2"),
        ("u1", 8, [-128.0], "i1"),
        ("u2", 12, [0.0, -1024.0], "i2"),
        ("u4", 32, [0.0], "u4"),
    ],
)
def test_the_smallest_type_that_holds_all(stored: str, bits: int, intercepts: list[float], wanted: str) -> None:
    """CT stays in 16 bits; where a sum may need more, values are float32, which holds 24 exactly."""
    frames = [frame(intercept=intercept) for intercept in intercepts]
    assert stay_whole(np.dtype(stored), frames)
    assert whole_dtype(np.dtype(stored), bits, frames) == np.dtype(wanted)


@pytest.mark.parametrize("other", [frame(slope=2.0), frame(intercept=0.5)])
def test_a_slope_or_a_broken_intercept_makes_float32(other: Frame) -> None:
    """One such frame is enough."""
    assert not stay_whole(np.dtype("u2"), [frame(), other])


def test_wide_integers_with_an_intercept_are_float32() -> None:
    """Their sums are not whole numbers of 16 bits."""
    assert not stay_whole(np.dtype("u4"), [frame(intercept=-1.0)])


@given(
    values=st.lists(st.integers(-32768, 65535), min_size=4, max_size=4),
    intercept=st.integers(-70000, 70000),
    bits=st.sampled_from([8, 12, 16]),
    kind=st.sampled_from(["u1", "i1", "u2", "i2", ">u2", ">i2"]),
)
def test_the_sum_is_exact_whatever_the_header_says_of_its_bits(
    values: list[int], intercept: int, bits: int, kind: str
) -> None:
    """Values beyond the bits that are said to be stored widen the volume; none wraps around."""
    stored = np.array([values]).astype(kind)
    frames = [frame(intercept=float(intercept))]
    dtype = whole_dtype(stored.dtype, min(bits, 8 * stored.itemsize), frames)
    volume = add_whole(np.empty((1, *stored.shape), dtype=dtype), 0, stored, float(intercept))
    np.testing.assert_array_equal(volume[0].astype(np.int64), stored.astype(np.int64) + intercept)


def test_a_file_of_another_type_widens_what_is_there_already() -> None:
    """The first slices keep their values."""
    volume = np.zeros((3, 1, 4), np.int16)
    volume = add_whole(volume, 0, np.array([[1, 2, 3, 4]], np.uint16), -1024.0)
    volume = add_whole(volume, 1, np.array([[65535, 0, 0, 0]], np.uint16), -1024.0)
    volume = add_whole(volume, 2, np.array([[0.5, 0, 0, 0]], np.float64), 0.0)
    assert volume[:, 0].tolist() == [[-1023, -1022, -1021, -1020], [64511, -1024, -1024, -1024], [0.5, 0, 0, 0]]


def test_scaled_values_are_float32() -> None:
    """Stored value times Rescale Slope plus Rescale Intercept."""
    out = np.empty((1, 4), np.float32)
    scale(np.array([[0, 1, 2, 65535]], np.uint16), frame(0.5, -1000.0), out)
    assert out.tolist() == [[-1000.0, -999.5, -999.0, 31767.5]]
