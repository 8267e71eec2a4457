"""Whatever transfer syntax an instance comes in, what is kept are the bytes that were sent."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom.data
import pytest

from dicom_node.archives.sender import send
from dicom_node.contexts import is_storage
from dicom_node.datasets.part10 import dataset_digest, read_file_head, read_meta
from dicom_node.errors import HeadUnreadable, NodeError
from dicom_node.sources.foreign_file import read_meta_to_send
from tests.dcmtk import dcmtk
from tests.faults.a_node import ANode

PYDICOMS = Path(pydicom.data.get_testdata_file("CT_small.dcm") or "").parent


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[ANode]:
    """One for all files."""
    with ANode(tmp_path_factory.mktemp("syntaxes") / "node", free_port()) as running:
        yield running


def instances(root: Path) -> dict[str, list[Path]]:
    """Return the files that are complete storage instances, by transfer syntax."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        try:
            meta, head = read_file_head(file)
        except (NodeError, HeadUnreadable, UnicodeError):
            continue
        if is_storage(meta.sop_class_uid) and head.study_instance_uid and head.series_instance_uid:
            found.setdefault(meta.transfer_syntax_uid, []).append(file)
    return found


def assert_kept_as_sent(node: ANode, files: list[Path]) -> None:
    """Each file is answered with success, and its dataset lies in the spool to the byte."""
    refused = [
        (file.name, outcome.status, outcome.text)
        for file in files
        for _, outcome in send([file], node.peer, "SENDER")
        if not outcome.accepted
    ]
    assert refused == []
    kept = set(node.digests())
    assert [file.name for file in files if dataset_digest(file) not in kept] == []


def test_every_transfer_syntax_of_pydicoms_files(node: ANode) -> None:
    """Uncompressed in four encodings, RLE, JPEG, JPEG-LS, JPEG 2000: all that come with pydicom.

    Of those that are one instance in several encodings one is sent, in the rarest: the same again would not be kept.
    """
    by_syntax = instances(PYDICOMS)
    chosen: dict[str, Path] = {}
    for files in sorted(by_syntax.values(), key=len):
        for file in files:
            chosen.setdefault(read_meta_to_send(file).sop_instance_uid, file)
    assert len({read_meta(file).transfer_syntax_uid for file in chosen.values()}) >= 10
    assert_kept_as_sent(node, list(chosen.values()))


def test_every_transfer_syntax_of_the_odd_series(node: ANode, shared_data: Path) -> None:
    """One file of each syntax and folder, among them enhanced multi-frame ones."""
    files = [
        files[0]
        for folder in sorted(path for path in (shared_data / "odd-series").iterdir() if path.is_dir())
        for files in instances(folder).values()
    ]
    assert len({read_meta(file).transfer_syntax_uid for file in files}) >= 4
    assert_kept_as_sent(node, files)


def test_compressed_images_from_dcmsend(node: ANode, shared_data: Path) -> None:
    """DCMTK's dcmsend sends compressed images as they are, and so they are kept."""
    known = {"1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"}
    by_syntax = instances(shared_data / "odd-series")
    files = [files[0] for syntax, files in by_syntax.items() if syntax in known]
    assert len(files) >= 3
    command = [dcmtk("dcmsend"), "-aec", "WETREAD", "--decompress-never", "127.0.0.1", str(node.peer.port)]
    told = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    kept = set(node.digests())
    assert [file.name for file in files if dataset_digest(file) not in kept] == []
