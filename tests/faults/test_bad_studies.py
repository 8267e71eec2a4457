"""Rows 22 and 23: studies that would harm who reads them, through real node, worker and archive."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from openjpeg.utils import encode_array
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dicom_node.archives.sender import send
from dicom_node.settings import Peer
from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.results_in_orthanc import results_of
from tests.stack import Stack
from worker.jobs.job import JobState
from worker.testing import write_mr_series

MODEL = "constant-answer"
SLICE = 5
Harm = Callable[[Path], None]


def put(file: Path, syntax: str | None = None, **values: object) -> None:
    """Set attributes of a file, and its transfer syntax."""
    content = pydicom.dcmread(file)
    for keyword, value in values.items():
        setattr(content, keyword, value)
    if syntax is not None:
        content.file_meta.TransferSyntaxUID = syntax
    content.save_as(file)


def deflate_bomb(file: Path) -> None:
    """100 MB of zeros in 100 kB."""
    put(file, DeflatedExplicitVRLittleEndian, PixelData=bytes(100_000_000))


def jpeg_2000_bomb(file: Path) -> None:
    """12000 x 12000 pixels in less than a kilobyte, in an image that says it has 32 x 28."""
    put(file, JPEG2000Lossless, PixelData=encapsulate([encode_array(np.zeros((12000, 12000), np.uint16))]))


def rle_bomb(file: Path) -> None:
    """Two segments of half a megabyte, each byte pair of which stands for 128 bytes."""
    segment = b"\x81\x00" * 250_000
    head = struct.pack("<16I", 2, 64, 64 + len(segment), *([0] * 13))
    put(file, RLELossless, PixelData=encapsulate([head + segment * 2]))


def rows_beyond_reason(file: Path) -> None:
    """65535 x 65535 pixels announced, with the bytes of 32 x 28."""
    put(file, Rows=65535, Columns=65535)


def frames_beyond_reason(file: Path) -> None:
    """Two thousand million frames announced."""
    put(file, NumberOfFrames=2_000_000_000)


def broken_off(file: Path) -> None:
    """The file ends in its pixels."""
    file.write_bytes(file.read_bytes()[:-700])


def endless_nesting(file: Path) -> None:
    """Five thousand sequences, each in the one before."""
    content = pydicom.dcmread(file)
    private = Dataset()
    private.ImageComments = "PLACE"
    content.ReferencedImageSequence = DicomSequence([private])
    content.save_as(file)
    data = file.read_bytes()
    at = data.index(b"\x08\x00\x40\x11SQ")
    (length,) = struct.unpack_from("<I", data, at + 8)
    depth = 5000
    opened = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    file.write_bytes(data[:at] + opened * depth + closed * depth + data[at + 12 + length :])


def wrong_lengths(file: Path) -> None:
    """An element of the header claims to be longer than the file."""
    data = bytearray(file.read_bytes())
    at = data.index(b"\x28\x00\x10\x00US")
    struct.pack_into("<H", data, at + 6, 0xFFF0)
    file.write_bytes(data)


def nonsense_for_numbers(file: Path) -> None:
    """Values of odd length that are no numbers, where a place is expected."""
    data = file.read_bytes()
    at = data.index(b"\x20\x00\x32\x00DS")
    (length,) = struct.unpack_from("<H", data, at + 6)
    file.write_bytes(data[: at + 6] + struct.pack("<H", 7) + b"a\\b\\\xff\\1" + data[at + 8 + length :])


HARMS: dict[Harm, str] = {
    deflate_bomb: "wrong size",
    jpeg_2000_bomb: "wrong size",
    rle_bomb: "cannot be decoded",
    rows_beyond_reason: "too large",
    frames_beyond_reason: "too large",
    broken_off: "cannot be decoded",
    endless_nesting: "1 files cannot be parsed",
    wrong_lengths: "no images",
    nonsense_for_numbers: "no geometry",
}


def test_row_22_and_23_bombs_and_broken_files_fail_alone_with_the_reason(
    stack: Stack, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Each is stored and answered with success; its job ends with a reason, no worker dies, a good study is read."""
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    peer = Peer(ae_title="WETREAD", host="127.0.0.1", port=stack.port)
    studies: dict[str, Harm] = {}
    for seed, harm in enumerate(HARMS, 50):
        files = write_mr_series(tmp_path / harm.__name__, seed=seed)
        studies[str(pydicom.dcmread(files[0]).StudyInstanceUID)] = harm
        harm(files[SLICE])
        outcomes = [outcome for _, outcome in send(files, peer, "TEST")]
        assert {outcome.status for outcome in outcomes} == {0}, (harm.__name__, outcomes)
    good = write_mr_series(tmp_path / "good", seed=49)
    orthanc.take(good)
    stack.send(good)
    before: list[int] = []

    def ended() -> bool:
        jobs = [job for job in stack.jobs() if job.model_id == MODEL]
        before[:] = before or stack.pids("worker")
        return len(jobs) == len(HARMS) + 1 and all(
            job.delivered or job.state in (JobState.FAILED, JobState.SKIPPED) for job in jobs
        )

    wait_for(ended, what="every job has ended", deadline_s=120)
    reasons = {
        studies[job.study_instance_uid]: job.reason
        for job in stack.jobs()
        if job.model_id == MODEL and job.study_instance_uid in studies
    }
    assert set(reasons) == set(HARMS)
    for harm, words in HARMS.items():
        assert words in reasons[harm], (harm.__name__, reasons[harm])
    delivered = [job for job in stack.jobs() if job.delivered]
    assert [job.study_instance_uid for job in delivered] == [str(pydicom.dcmread(good[0]).StudyInstanceUID)]
    assert {item.sop_instance_uid for item in delivered[0].deliveries} <= results_of(orthanc)
    assert set(before) <= set(stack.pids("worker")), "a child of the worker died"
