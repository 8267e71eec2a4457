"""Series to volume, against SimpleITK and dcm2niix: 300 slices of 512 x 512 in every transfer syntax, interleaved.

    python -m benchmarks.series [--rounds N] [--slices N]

Slices are a real chest CT's (the tests' data), repeated with positions and UIDs of their own. Arrays must agree to the
bit.
dcm2niix is Debian's; where it is not there its rows have SimpleITK alone as a peer.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import platformdirs
import pydicom
import SimpleITK as sitk  # noqa: N813  # everybody's name for it
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, HTJ2KLossless
from rich.console import Console

from benchmarks.record import Row, write
from benchmarks.show import table
from benchmarks.taking_turns import median_seconds
from worker.series.series_volume import load_series

_OWN = "imagecodecs"
#: Transfer syntax and the command that encodes a file in it.
_ENCODERS: dict[str, tuple[str, ...]] = {
    "uncompressed": (),
    "RLE Lossless": ("dcmcrle",),
    "JPEG Lossless": ("dcmcjpeg", "+e1"),
    "JPEG-LS Lossless": ("dcmcjpls", "+el"),
    "JPEG 2000 Lossless": ("gdcmconv", "--j2k"),
    "HTJ2K Lossless": (_OWN,),
}


def write_series(source: Path, target: Path, slices: int) -> list[Path]:
    """Write an uncompressed series of that many slices; return its files."""
    real = [pydicom.dcmread(file) for file in sorted(source.glob("*.dcm"))]
    files = []
    for number in range(slices):
        dataset = real[number % len(real)]
        dataset.SOPInstanceUID = f"2.25.777{number + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.SeriesInstanceUID = "2.25.7770"
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = [-170.0, -170.0, 1.5 * number]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        if dataset.file_meta.TransferSyntaxUID.is_implicit_VR:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        files.append(target / f"{number:04}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True, implicit_vr=False, little_endian=True)
    return files


def encoded(files: list[Path], target: Path, command: tuple[str, ...]) -> bool:
    """Write the files in another transfer syntax; say whether the encoder is there."""
    target.mkdir()
    if not command:
        for file in files:
            shutil.copy(file, target / file.name)
        return True
    if command == (_OWN,):
        for file in files:
            _as_htj2k(file, target / file.name)
        return True
    tool = shutil.which(command[0], path=f"{Path(sys.executable).parent}:/usr/bin")
    if tool is None:
        return False
    for file in files:
        options, ends = command[1:], (str(file), str(target / file.name))
        subprocess.run([tool, *options, *ends], check=True, capture_output=True)
    return True


def _as_htj2k(file: Path, target: Path) -> None:
    """Write a file with OpenJPH's reversible codestream: no command line tool of Debian's encodes it."""
    dataset = pydicom.dcmread(file)
    frame = imagecodecs.htj2k_encode(dataset.pixel_array, reversible=True)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    dataset.save_as(target, enforce_file_format=True)


def ours(folder: Path) -> Any:
    """Return the volume's values after rescale, slices by position."""
    return load_series(sorted(folder.glob("*.dcm")), max_voxels=10**9).source.array


def by_itk(folder: Path) -> Any:
    """Return SimpleITK's."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(reader.Execute())


def by_dcm2niix(folder: Path) -> None:
    """Let dcm2niix write an uncompressed NIfTI file."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["dcm2niix", "-z", "n", "-b", "n", "-o", out, str(folder)], check=True, capture_output=True)


def measure(rounds: int, slices: int) -> list[Row]:
    """Return a row for each transfer syntax and peer. Raises AssertionError where arrays differ."""
    source = next((Path(platformdirs.user_cache_dir("wetread-tests")) / "chest-ct").rglob("series-2"))
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain"
        plain.mkdir()
        files = write_series(source, plain, slices)
        for syntax, command in _ENCODERS.items():
            folder = Path(scratch) / syntax.replace(" ", "-")
            if not encoded(files, folder, command):
                print(f"{syntax}: {command[0]} is not here")  # noqa: T201
                continue
            rows += _rows(syntax, folder, rounds)
            shutil.rmtree(folder)
    return rows


def _rows(syntax: str, folder: Path, rounds: int) -> list[Row]:
    runs: dict[str, Any] = {"wetread": lambda: ours(folder), "SimpleITK": lambda: by_itk(folder)}
    if shutil.which("dcm2niix"):
        try:
            by_dcm2niix(folder)
            runs["dcm2niix"] = lambda: by_dcm2niix(folder)
        except subprocess.CalledProcessError:
            print(f"{syntax}: dcm2niix cannot read it")  # noqa: T201
    volume, theirs = runs["wetread"](), runs["SimpleITK"]()
    assert np.array_equal(volume, theirs), f"{syntax}: the arrays differ"  # noqa: S101  # a benchmark's proof
    medians = median_seconds(runs, rounds)
    case = f"series to volume, {len(volume)} slices, {syntax}"
    return [
        Row(case=case, unit="s", ours=medians["wetread"], target=medians[peer], peer=medians[peer], peer_name=peer)
        for peer in medians
        if peer != "wetread"
    ]


def main() -> None:
    """Measure, print, write benchmarks/results/series.json."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.series", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--slices", type=int, default=300)
    chosen = arguments.parse_args()
    rows = measure(chosen.rounds, chosen.slices)
    console = Console()
    console.print(table(rows))
    console.print(f"written: {write('series', rows)}")


if __name__ == "__main__":
    main()
