"""The size that a compressed frame announces, against what encoders wrote."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from openjpeg.utils import encode_array
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from worker.errors import SeriesRefused
from worker.instances.codestream_size import codestream_size
from worker.series.series_volume import load_series
from worker.testing import write_mr_series


def test_jpeg_2000_with_and_without_its_box() -> None:
    """Rows, columns and samples stand in SIZ, wrapped in a JP2 file or not."""
    codestream = encode_array(np.zeros((300, 500), np.uint16))
    assert codestream_size(codestream) == (300, 500, 1)
    wrapped = BytesIO()
    Image.new("RGB", (500, 300)).save(wrapped, "JPEG2000")
    assert wrapped.getvalue().startswith(b"\0\0\0\x0cjP")
    assert codestream_size(wrapped.getvalue()) == (300, 500, 3)


@pytest.mark.parametrize(("mode", "samples"), [("L", 1), ("RGB", 3)])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(mode: str, samples: int, progressive: bool) -> None:  # noqa: FBT001  # parametrised
    """Rows, columns and samples stand in the start of frame, whichever process it is."""
    file = BytesIO()
    Image.new(mode, (500, 300)).save(file, "JPEG", progressive=progressive)
    assert codestream_size(file.getvalue()) == (300, 500, samples)


def test_jpeg_ls(tmp_path: Path) -> None:
    """JPEG-LS has a start of frame of its own."""
    (file,) = write_mr_series(tmp_path, slices=1, rows=300, columns=500)
    dataset = pydicom.dcmread(file)
    dataset.compress(JPEGLSLossless)
    assert codestream_size(next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))) == (300, 500, 1)


@pytest.mark.parametrize(
    "frame", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\x4f\xff\x51\0", b"RLE?", b"\xff\xd8\xff\xe0"]
)
def test_bytes_that_tell_nothing(frame: bytes) -> None:
    """What announces no size is left to the decoder."""
    assert codestream_size(frame) is None


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """400 bytes that would become 288 MB are refused by what they announce."""
    bomb = encode_array(np.zeros((12000, 12000), np.uint16))
    assert len(bomb) < 1000
    files = write_mr_series(tmp_path, slices=2, rows=6, columns=5)
    dataset = pydicom.dcmread(files[0])
    dataset.PixelData = encapsulate([bomb])
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(files[0])
    with pytest.raises(SeriesRefused, match=r"wrong size: 0000\.dcm holds \(12000, 12000, 1\)"):
        load_series(files, max_voxels=10**6)
