"""Deflated files: read like any other, and never inflated without end."""

import tracemalloc
import zlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_node.errors import HeadUnreadable
from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from models.volume import Volume
from ops.audit.patient import patient_of
from worker.delivery.identity_check import identities_of_file
from worker.errors import SeriesRefused
from worker.instances.bounded_inflating import HEADER_BYTES, inflates_within, read_header
from worker.selecting.image_versions import read_alike
from worker.selecting.selection_summary import SeriesSummary, summarise
from worker.series.series_volume import load_series
from worker.testing import head_phantom, write_mr_series


def deflate(files: list[Path], *, pixels: bytes | None = None, comment: str = "") -> None:
    """Write these files again, deflated, with other pixel data or a long text before it if given."""
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        if pixels is not None:
            dataset.PixelData = pixels
        if comment:
            dataset.ImageComments = comment
            dataset["ImageComments"].VR = "UT"
        dataset.save_as(file)


def summary(files: list[Path]) -> SeriesSummary:
    """Sum up one series."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    study = AssembledStudy(
        study_instance_uid="1",
        folder="s",
        series=(AssembledSeries(series_instance_uid="1.1", files=tuple(file.name for file in files)),),
        completion=Completion.QUIET,
        calling_ae_title="X",
        first_received_at=now,
        last_received_at=now,
    )
    return summarise(files[0].parent, study).series[0]


def test_a_deflated_series_is_read_like_any_other(tmp_path: Path) -> None:
    """The same pixels and the same summary as before it was deflated."""
    values = head_phantom(4, 6, 5)
    files = write_mr_series(tmp_path, array=values)
    before = summary(files)
    deflate(files)
    source = load_series(files, max_voxels=10**6).source
    assert isinstance(source, Volume)
    np.testing.assert_array_equal(source.array, values)
    assert summary(files) == before


def test_a_bomb_costs_neither_the_worker_nor_the_node(tmp_path: Path) -> None:
    """100 MB out of 100 kB: refused by name in the worker, and never inflated where studies are received."""
    files = write_mr_series(tmp_path, slices=1, rows=6, columns=5)
    deflate(files, pixels=bytes(100_000_000))
    assert files[0].stat().st_size < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(SeriesRefused, match=r"too large: 0000\.dcm inflates"):
            load_series(files, max_voxels=1000)
        assert summary(files).images == 1
        assert tracemalloc.get_traced_memory()[1] < 6 * HEADER_BYTES // 2
    finally:
        tracemalloc.stop()


def test_a_bomb_costs_nobody_else_either(tmp_path: Path) -> None:
    """Not whoever writes why it was not read, compares two versions of it, or asks whose study it is."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        deflate(write_mr_series(folder, slices=1, rows=6, columns=5), pixels=bytes(100_000_000))
    first = one / "0000.dcm"
    tracemalloc.start()
    try:
        assert read_header(first).Modality == "MR"
        (identity, *_) = identities_of_file(first, {"TEST": ("ISO_IR 100",)})
        assert identity.patient_id
        assert patient_of(first) == identity
        assert not read_alike([tmp_path / "one/0000.dcm", tmp_path / "other/0000.dcm"]), (
            "deflated bytes are not compared"
        )
        assert tracemalloc.get_traced_memory()[1] < 6 * HEADER_BYTES // 2
    finally:
        tracemalloc.stop()


def test_a_header_without_end_is_named(tmp_path: Path) -> None:
    """A text as long as a bomb before the pixel data makes the file unreadable: what came after it is not known."""
    files = write_mr_series(tmp_path, slices=1, rows=6, columns=5)
    deflate(files, comment="x" * (HEADER_BYTES + 2))
    assert summary(files).unreadable == ("0000.dcm",)


def test_the_bound_is_exact() -> None:
    """As many bytes as allowed pass, one less does not; what lies before the dataset does not count."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = b"meta" + compressor.compress(bytes(5_000_000)) + compressor.flush()
    assert inflates_within(data, 4, 5_000_000)
    assert not inflates_within(data, 4, 4_999_999)


def test_millions_of_items_cost_nobody_anything(tmp_path: Path) -> None:
    """Eight bytes each in the file, a kilobyte each as objects: the file is unreadable, to the node too."""
    (file,) = write_mr_series(tmp_path, slices=1, rows=6, columns=5)
    whole = file.read_bytes()
    pixels = whole.rindex(b"\xe0\x7f\x10\x00")
    items = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * 1_000_000
    file.write_bytes(whole[:pixels] + items + b"\xfe\xff\xdd\xe0\0\0\0\0" + whole[pixels:])
    tracemalloc.start()
    try:
        with pytest.raises(HeadUnreadable):
            read_header(file, ["Modality"])
        assert summary([file]).unreadable == ("0000.dcm",)
        assert tracemalloc.get_traced_memory()[1] < HEADER_BYTES
    finally:
        tracemalloc.stop()
