"""What other people's encoders wrote is decoded to the bit, by the decoder that the table names."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2KLossless, RLELossless

from tests.dcmtk import dcmtk
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.series.frame_decoders import in_parallel, plugin_for
from worker.series.image_frames import decode
from worker.series.plain_frames import encapsulated_frame
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

#: Transfer syntax UID and the encoder of another house.
ENCODERS: dict[str, tuple[str, ...]] = {
    "1.2.840.10008.1.2.5": ("dcmcrle",),
    "1.2.840.10008.1.2.4.57": ("dcmcjpeg", "+el"),
    "1.2.840.10008.1.2.4.70": ("dcmcjpeg", "+e1"),
    "1.2.840.10008.1.2.4.80": ("dcmcjpls", "+el"),
    "1.2.840.10008.1.2.4.90": ("gdcmconv", "--j2k"),
}


def a_slice(file: Path, *, stored: int, signed: bool, monochrome1: bool = False) -> Path:
    """Write an uncompressed image of so many stored bits, with its extreme values."""
    (source,) = write_mr_series(file.parent / "source", slices=1)
    dataset = pydicom.dcmread(source)
    low, high = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    random = np.random.default_rng(stored)
    ramp = np.add.outer(np.linspace(low, high, 40), random.normal(0, 2, 56)).clip(low, high)
    kind = np.dtype(f"{'i' if signed else 'u'}{1 if stored <= 8 else 2}")
    values = ramp.astype(kind)
    values[0, 0], values[-1, -1] = low, high
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * kind.itemsize, stored, stored - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PhotometricInterpretation = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB" if kind.itemsize == 1 else "OW"
    dataset.save_as(file, enforce_file_format=True)
    return file


def encoded(file: Path, syntax: str) -> Path:
    """Write a file in another transfer syntax with the other house's tool."""
    tool, *options = ENCODERS[syntax]
    beside = shutil.which(tool, path=str(Path(sys.executable).parent))
    command = [beside or dcmtk(tool), *options, str(file), str(file.with_suffix(".out"))]
    subprocess.run(command, check=True, capture_output=True)
    return file.with_suffix(".out")


@pytest.mark.parametrize("syntax", ENCODERS)
@pytest.mark.parametrize(
    ("stored", "signed"), [(8, False), (8, True), (12, False), (12, True), (16, False), (16, True)]
)
def test_lossless_is_lossless(tmp_path: Path, syntax: str, stored: int, signed: bool) -> None:  # noqa: FBT001
    """Every value that was stored comes back, the extremes too, in every lossless transfer syntax."""
    plain = a_slice(tmp_path / "slice.dcm", stored=stored, signed=signed)
    wanted = pydicom.dcmread(plain).pixel_array
    dataset = pydicom.dcmread(encoded(plain, syntax))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    found = decode(dataset, 0, "slice")
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_jpeg_of_twelve_bits_is_read(tmp_path: Path) -> None:
    """JPEG Extended, as radiographs are compressed with loss, is what DCMTK makes of it."""
    plain = a_slice(tmp_path / "slice.dcm", stored=12, signed=False)
    lossy, again = tmp_path / "lossy.dcm", tmp_path / "again.dcm"
    subprocess.run([dcmtk("dcmcjpeg"), "+ee", str(plain), str(lossy)], check=True, capture_output=True)
    subprocess.run([dcmtk("dcmdjpeg"), str(lossy), str(again)], check=True, capture_output=True)
    found, wanted = decode(pydicom.dcmread(lossy), 0, "slice"), pydicom.dcmread(again).pixel_array
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, atol=1)


@pytest.mark.parametrize("syntax", ["", *ENCODERS])
def test_monochrome1_is_decoded_as_stored(tmp_path: Path, syntax: str) -> None:
    """What is shown dark is not inverted by any decoder: that is for who reads the image."""
    plain = a_slice(tmp_path / "slice.dcm", stored=12, signed=False, monochrome1=True)
    wanted = pydicom.dcmread(plain).pixel_array
    dataset = pydicom.dcmread(encoded(plain, syntax) if syntax else plain)
    assert dataset.PhotometricInterpretation == "MONOCHROME1"
    np.testing.assert_array_equal(decode(dataset, 0, "slice"), wanted)


@pytest.mark.parametrize("syntax", ["", "1.2.840.10008.1.2.5"])
@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_stored_ones_say_nothing(tmp_path: Path, syntax: str, signed: bool) -> None:  # noqa: FBT001
    """PS3.5 8.1.1: an overlay in the unused bits is no brightness, also where the value is signed."""
    plain = a_slice(tmp_path / "slice.dcm", stored=12, signed=signed)
    dataset = pydicom.dcmread(plain)
    wanted = dataset.pixel_array
    overlaid = (wanted.view(np.uint16) & 0x0FFF) | 0xA000
    dataset.PixelData = overlaid.tobytes()
    if syntax:
        dataset.compress(syntax, encoding_plugin="pydicom")
    np.testing.assert_array_equal(decode(dataset, 0, "slice"), wanted)


@pytest.mark.parametrize("change", [-1, -2, 2])
def test_pixel_data_of_another_length_than_announced_is_never_read_askew(tmp_path: Path, change: int) -> None:
    """Too little is unreadable; what is too much is left out, as pydicom does."""
    dataset = pydicom.dcmread(a_slice(tmp_path / "slice.dcm", stored=16, signed=False))
    wanted, data = dataset.pixel_array, bytes(dataset.PixelData)
    dataset.PixelData = data[:change] if change < 0 else data + bytes(change)
    if change < 0:
        with pytest.raises(
            SeriesUnreadable, match=rf"slice: .* {len(data) + change} bytes, .* announces {len(data)}; "
        ):
            decode(dataset, 0, "slice")
    else:
        np.testing.assert_array_equal(decode(dataset, 0, "slice"), wanted)


def test_htj2k_is_lossless_too(tmp_path: Path) -> None:
    """High-throughput JPEG 2000, as OpenJPH encodes it, comes back to the bit."""
    plain = a_slice(tmp_path / "slice.dcm", stored=12, signed=False)
    dataset = pydicom.dcmread(plain)
    wanted = dataset.pixel_array
    dataset.PixelData = encapsulate([imagecodecs.htj2k_encode(wanted, reversible=True)])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    np.testing.assert_array_equal(decode(dataset, 0, "slice"), wanted)


@pytest.mark.parametrize("syntax", [syntax for syntax in ENCODERS if plugin_for(syntax, 1) == "imagecodecs"])
def test_what_is_damaged_is_unreadable(tmp_path: Path, syntax: str) -> None:
    """A codestream that is nonsense inside is a named refusal, whichever codec it was for."""
    dataset = pydicom.dcmread(encoded(a_slice(tmp_path / "slice.dcm", stored=12, signed=False), syntax))
    data = bytearray(dataset.PixelData)
    data[40:-16] = bytes(len(data) - 56)
    dataset.PixelData = bytes(data)
    with pytest.raises((SeriesUnreadable, SeriesRefused), match="slice"):
        decode(dataset, 0, "slice")


def test_a_decoder_that_panics_is_unreadable(tmp_path: Path) -> None:
    """Segments of RLE that hold a hundred thousand times what they should make the decoder panic, and not the job."""
    dataset = pydicom.dcmread(a_slice(tmp_path / "slice.dcm", stored=12, signed=False))
    segment = b"\x81\x00" * 250_000
    head = struct.pack("<16I", 2, 64, 64 + len(segment), *([0] * 13))
    dataset.PixelData = encapsulate([head + segment * 2])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = RLELossless
    with pytest.raises(SeriesUnreadable, match="slice"):
        decode(dataset, 0, "slice")


def test_a_segment_that_ends_early_is_unreadable(tmp_path: Path) -> None:
    """A frame whose high bytes are all there and whose low bytes are not has no values, not wrong ones."""
    dataset = pydicom.dcmread(a_slice(tmp_path / "slice.dcm", stored=12, signed=False))
    dataset.compress(RLELossless)
    whole = encapsulated_frame(dataset, 0)
    offset = struct.unpack_from("<I", whole, 8)[0]
    rows = int(dataset.Rows) // 2
    # Half of the rows, as literals of one byte each.
    short = b"".join(b"\0\x07" for _ in range(rows * int(dataset.Columns)))
    dataset.PixelData = encapsulate([whole[:offset] + short])
    dataset["PixelData"].VR = "OB"
    with pytest.raises(SeriesUnreadable, match="slice"):
        decode(dataset, 0, "slice")


def test_colour_is_left_to_pydicom() -> None:
    """Only grey frames go to the fast decoders: what a codestream did to colour differs from codec to codec."""
    for syntax in ENCODERS:
        assert plugin_for(syntax, 3) != "imagecodecs"
        assert not in_parallel(syntax, 3)


@pytest.mark.parametrize("encoder", [("dcmcjpeg", "+e1"), ("dcmcrle",)], ids=lambda encoder: str(encoder[0]))
def test_frames_decoded_side_by_side_keep_their_order(tmp_path: Path, encoder: tuple[str, ...]) -> None:
    """A series whose decoder runs in two threads is the same volume as the uncompressed one."""
    command, *options = encoder
    plain = write_mr_series(tmp_path / "plain", slices=7)
    other = tmp_path / "other"
    other.mkdir()
    for file in plain:
        subprocess.run([dcmtk(command), *options, str(file), str(other / file.name)], check=True, capture_output=True)
    volumes: list[Any] = [load_series(files, max_voxels=10**7).source for files in (plain, sorted(other.iterdir()))]
    np.testing.assert_array_equal(volumes[0].array, volumes[1].array)
