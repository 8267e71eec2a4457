"""`wetread pull` from a real Orthanc, by C-GET and by C-MOVE, into a real node process."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.archives.sender import send
from dicom_node.datasets.part10 import dataset_digest, read_meta
from dicom_node.tls_settings import TlsClientSettings
from ops.embedded import EmbeddedArchive
from ops.settings import Settings
from tests.certificates import Authority
from tests.faults.a_node import ANode
from tests.orthanc_server import OrthancServer
from tests.running_house import uid_of
from tests.unit.dicom_node.instances import STUDY, dataset, write_file

_studies = itertools.count(1)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[ANode]:
    """A node for all of these tests: each pulls studies of its own."""
    with ANode(tmp_path_factory.mktemp("pull") / "node", free_port()) as running:
        yield running


@pytest.fixture
def node(process: ANode) -> ANode:
    """The node, running."""
    if not process.alive():
        process.start()
    return process


@pytest.fixture
def came(node: ANode) -> Callable[[], list[Path]]:
    """Return a function that tells which files have come since the test began."""
    before = set(node.files())
    return lambda: sorted(set(node.files()) - before)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """An Orthanc for all of these tests."""
    server = OrthancServer(tmp_path_factory.mktemp("orthanc"), dicom_port=free_port(), http_port=free_port())
    yield server
    server.stop()


@pytest.fixture
def orthanc(archive: OrthancServer) -> OrthancServer:
    """The archive, running, which does not know our node."""
    archive.start()
    archive.forget("wetread")
    return archive


def pull(node: ANode, orthanc: OrthancServer, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command, with the node's settings."""
    return wetread_pull(node, f"ORTHANC@127.0.0.1:{orthanc.dicom_port}", *words)


def wetread_pull(node: ANode, source: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it for any archive."""
    command = [sys.executable, "-m", "ops.cli", "pull", *words, "--from", source, "--settings", str(node.settings_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def a_study(folder: Path, images: int = 3) -> list[Path]:
    """Write a study of two series and two SOP classes that nobody has pulled before."""
    files, study = [], next(_studies)
    for number in range(images):
        values = {"StudyInstanceUID": f"1.2.9.{study}", "SOPInstanceUID": f"1.2.9.{study}.{number}", "Modality": "CT"}
        if number == images - 1:
            values |= {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "SeriesInstanceUID": f"1.2.9.{study}.77"}
        files.append(write_file(folder / f"{study}-{number}.dcm", dataset(**values)))
    return files


@pytest.mark.parametrize("how", ["C-GET", "C-MOVE"])
def test_a_list_of_studies_comes_whole(
    node: ANode, orthanc: OrthancServer, tmp_path: Path, came: Callable[[], list[Path]], how: str
) -> None:
    """Two studies of a list, and not the third, are in the node to the byte; a second time nothing is kept twice."""
    first, second, third = (a_study(tmp_path / "in") for _ in range(3))
    orthanc.take([*first, *second, *third])
    orthanc.know("wetread", "WETREAD", node.peer.port)
    (tmp_path / "list.txt").write_text(f"# a backlog\n{uid_of(first)}  # first\n\n{uid_of(second)}\n{uid_of(first)}\n")
    for _ in range(2):
        done = pull(node, orthanc, "--file", str(tmp_path / "list.txt"), *(["--move"] if how == "C-MOVE" else []))
        assert done.returncode == 0, done.stderr
        said = " in our node's spool; the archive says that it sent 6" if how == "C-MOVE" else ""
        assert done.stdout == f"2 of 2 studies are there, 6 instances{said}\n"
        assert sorted(map(dataset_digest, came())) == sorted(map(dataset_digest, [*first, *second]))


def test_compressed_objects_come_as_they_are(
    node: ANode, orthanc: OrthancServer, shared_data: Path, came: Callable[[], list[Path]]
) -> None:
    """C-GET proposes each transfer syntax by itself, so that the archive need not decompress anything."""
    files = list(_one_of_each_syntax(shared_data / "odd-series").values())
    assert len(files) >= 4
    orthanc.take(files)
    done = pull(node, orthanc, *sorted({uid_of([file]) for file in files}))
    assert done.returncode == 0, done.stdout + done.stderr
    # Orthanc writes sequences and padding its own way; syntax and pixels are what it was given.
    assert _pixels(came()) == _pixels(files)


def test_an_archive_that_says_little_is_asked_for_the_usual_classes(
    node: ANode,
    tmp_path: Path,
    free_port: Callable[[], int],
    wait_for: Callable[..., None],
    came: Callable[[], list[Path]],
) -> None:
    """An archive such as pynetdicom's qrscp tells no SOP classes; CT comes all the same."""
    archive = EmbeddedArchive(Settings(data=tmp_path / "archive"), free_port())
    with subprocess.Popen(list(archive.part().argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(archive.answers, what="the archive answers")
            files = [write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.2.8.{n}")) for n in range(3)]
            assert all(outcome.accepted for _, outcome in send(files, archive.peer, "TEST"))
            source = f"{archive.peer.ae_title}@127.0.0.1:{archive.peer.port}"
            done = wetread_pull(node, source, STUDY)
        finally:
            process.terminate()
    assert (done.returncode, done.stdout) == (0, "1 of 1 studies are there, 3 instances\n"), done.stderr
    assert sorted(map(dataset_digest, came())) == sorted(map(dataset_digest, files))


def test_a_study_that_is_not_there_is_told(
    node: ANode, orthanc: OrthancServer, tmp_path: Path, came: Callable[[], list[Path]]
) -> None:
    """It is named with what to do, the exit code is 1, and the other study is pulled all the same."""
    there = a_study(tmp_path / "in")
    orthanc.take(there)
    done = pull(node, orthanc, "1.2.9.404", uid_of(there))
    assert done.returncode == 1
    assert "1.2.9.404" in done.stdout
    assert "the archive has no such study" in done.stdout
    assert done.stdout.endswith("1 of 2 studies are there, 3 instances\n")
    assert len(came()) == 3


def test_an_archive_that_does_not_know_our_node_is_told(
    node: ANode, orthanc: OrthancServer, tmp_path: Path, came: Callable[[], list[Path]]
) -> None:
    """C-MOVE to an AE title that the archive does not know fails with the remedy."""
    study = a_study(tmp_path / "in")
    orthanc.take(study)
    done = pull(node, orthanc, uid_of(study), "--move")
    assert done.returncode == 1
    assert "does it know our node's AE title?" in done.stdout or "add our node to its list" in done.stdout
    assert came() == []


def test_what_an_archive_sends_to_somebody_else_has_not_come(
    node: ANode, orthanc: OrthancServer, tmp_path: Path, free_port: Callable[[], int], came: Callable[[], list[Path]]
) -> None:
    """Its list has our AE title with another port: it says that it sent all, and our node's spool has nothing of it.

    Where that spool is not here the last line says that only the archive says so.
    """
    study = a_study(tmp_path / "in")
    orthanc.take(study)
    with ANode(tmp_path / "other", free_port()) as other:
        orthanc.know("wetread", "WETREAD", other.peer.port)
        done = pull(node, orthanc, uid_of(study), "--move")
        assert len(other.files()) == 3
        elsewhere = pull(node, orthanc, uid_of(study), "--move", "--to", f"WETREAD@127.0.0.1:{other.peer.port}")
    assert (done.returncode, came()) == (1, [])
    told = " ".join(done.stdout.split())
    for words in ("lists 3 instances", "sent 3", "our node has 0", "host and port?"):
        assert words in told
    assert done.stdout.endswith(
        "0 of 1 studies are there, 0 instances in our node's spool; the archive says that it sent 3\n"
    )
    assert elsewhere.returncode == 0
    assert "1 of 1 studies were sent, 3 instances, as the archive says" in elsewhere.stdout


def test_an_archive_that_does_not_allow_us_is_told(node: ANode, tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Orthanc ends the association without a word where it does not know who asks; the message says what to do."""
    (tmp_path / "strict").mkdir()
    strict = OrthancServer(tmp_path / "strict", dicom_port=free_port(), http_port=free_port(), anybody_retrieves=False)
    strict.start()
    try:
        study = a_study(tmp_path / "in")
        strict.take(study)
        done = pull(node, strict, uid_of(study))
    finally:
        strict.stop()
    assert done.returncode == 1
    assert "May our AE title WETREAD retrieve there" in done.stdout


def test_a_node_that_does_not_run_is_told_first(node: ANode, orthanc: OrthancServer, tmp_path: Path) -> None:
    """Before anything is fetched; nothing is printed but the message."""
    node.stop()
    done = pull(node, orthanc, "1.2.9.1")
    assert done.returncode == 1
    assert f"WETREAD@127.0.0.1:{node.peer.port} does not answer" in done.stderr
    assert done.stdout == ""


def test_an_archive_that_goes_away_is_not_asked_for_ever(node: ANode, orthanc: OrthancServer) -> None:
    """After three studies in vain the others are named as not tried."""
    orthanc.stop()
    done = pull(node, orthanc, *(f"1.2.9.{number}" for number in range(1, 6)))
    assert done.returncode == 1
    assert done.stdout.count("does not answer") == 3
    assert done.stdout.count("not tried") == 2


def test_what_our_node_refuses_is_told(tmp_path: Path, free_port: Callable[[], int], orthanc: OrthancServer) -> None:
    """A node below its low watermark refuses, and the table says why and what to do."""
    study = a_study(tmp_path / "in")
    orthanc.take(study)
    with ANode(tmp_path / "full", free_port(), min_free_bytes=1 << 60) as full:
        done = pull(full, orthanc, uid_of(study))
        assert done.returncode == 1
        assert "our node refused 3 instances with status A700, out of resources" in done.stdout
        assert full.files() == []


def _one_of_each_syntax(folder: Path) -> dict[str, Path]:
    """Return an instance for each transfer syntax; the folder holds the same ones in several."""
    chosen: dict[str, Path] = {}
    taken: set[str] = set()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            meta = read_meta(path)
            if meta.transfer_syntax_uid not in chosen and meta.sop_instance_uid not in taken:
                chosen[meta.transfer_syntax_uid] = path
                taken.add(meta.sop_instance_uid)
    return chosen


def _pixels(files: Iterable[Path]) -> dict[str, tuple[str, bytes]]:
    """Return transfer syntax and encoded pixels by instance."""
    read = [dcmread(file) for file in files]
    return {str(one.SOPInstanceUID): (str(one.file_meta.TransferSyntaxUID), one.PixelData) for one in read}


def test_a_node_that_listens_with_tls_alone_gets_them_too(
    tmp_path: Path, free_port: Callable[[], int], orthanc: OrthancServer
) -> None:
    """`wetread pull` shows the node its own certificate, without an option; a plain caller is nobody there."""
    authority = Authority(tmp_path / "ca")
    own, port = authority.issue("node"), free_port()
    tls = {"port": port, "certificate": str(own.certificate), "key": str(own.key), "ca": str(authority.file)}
    wanted = a_study(tmp_path / "in")
    orthanc.take(wanted)
    client = TlsClientSettings(ca=authority.file, certificate=own.certificate, key=own.key)
    with ANode(tmp_path / "node", port, tls_client=client, plain=False, tls=tls) as node:
        done = pull(node, orthanc, uid_of(wanted))
        assert (done.returncode, done.stdout) == (0, "1 of 1 studies are there, 3 instances\n"), done.stderr
        assert node.digests() == sorted(map(dataset_digest, wanted))
