"""What is here is compared with what was read, without reading it."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian

from worker.instances.inputs_digest import by_folder, digest_of_files
from worker.series.channel_series import load_channels
from worker.testing import write_mr_series


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_what_a_job_records_that_reads_these(tmp_path: Path, channels: int, implicit: bool) -> None:  # noqa: FBT001
    """Of one series, or of several as channels; other bytes have another one."""
    files = [
        file for number in range(channels) for file in write_mr_series(tmp_path / f"{2 - number}", seed=7 + number)
    ]
    for file in files:
        content = dcmread(file)
        content.StudyInstanceUID, content.PatientID, content.FrameOfReferenceUID = "1.2.7", "p", "1.2.8"
        if implicit:
            content.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        content.save_as(file, implicit_vr=implicit, little_endian=True)
    read = load_channels(by_folder(files), max_voxels=1 << 20).inputs_digest
    assert digest_of_files(files) == digest_of_files(files[:12][::-1] + files[12:]) == read
    files[3].write_bytes(files[3].read_bytes()[:-2] + b"\x07\x07")
    assert digest_of_files(files) != read
