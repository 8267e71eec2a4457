"""`wetread send`: folders, zip files and media directories to a real node process; what it says and how it ends."""

import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pynetdicom import AE, evt

from dicom_node.datasets.part10 import dataset_digest, read_meta
from tests.dcmtk import dcmtk
from tests.faults.a_node import ANode
from tests.unit.dicom_node.instances import CT, dataset, write_file


@pytest.fixture
def node(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[ANode]:
    """A running node with nothing in it."""
    with ANode(tmp_path / "node", free_port()) as running:
        yield running


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Three images as they lie on a disc: names of eight capitals without suffix."""
    folder = tmp_path / "disc" / "IMAGES"
    return [
        write_file(
            folder / f"IM{number}",
            dataset(
                SOPInstanceUID=f"1.2.{number}",
                StudyDate="20260101",
                StudyTime="120000",
                StudyID="1",
                Modality="CT",
                SeriesNumber=1,
                InstanceNumber=number,
            ),
        )
        for number in range(3)
    ]


def wetread_send(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "ops.cli", "send", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def at(node: ANode) -> str:
    """Return how the node is typed."""
    return f"WETREAD@127.0.0.1:{node.peer.port}"


def test_everything_that_was_named_is_sent(node: ANode, images: list[Path], tmp_path: Path) -> None:
    """A folder, a file and a zip file in one go; what is no DICOM is counted, with the reason, and is no failure."""
    (images[0].parent / "AUTORUN.INF").write_text("[autorun]")
    other = write_file(tmp_path / "other.dcm", dataset(SOPInstanceUID="1.3"))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(write_file(tmp_path / "zipped.dcm", dataset(SOPInstanceUID="1.4")), "a/b.dcm")
        packed.writestr("a/readme.txt", "hello")
    done = wetread_send(tmp_path / "disc", other, tmp_path / "packed.zip", "--to", at(node))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("5 accepted, 2 skipped\n")
    assert "2      skipped" in done.stdout
    assert "no DICM at byte 128" in done.stdout
    assert node.digests() == sorted(map(dataset_digest, [*images, other, tmp_path / "zipped.dcm"]))


def test_a_dataset_without_meta_information_is_sent(node: ANode, images: list[Path], tmp_path: Path) -> None:
    """As older tools store one, in a folder and in a zip file; what only begins like one is skipped."""
    wanted = sorted(map(dataset_digest, images))
    for image in images:
        image.write_bytes(image.read_bytes()[read_meta(image).dataset_start :])
    with zipfile.ZipFile(tmp_path / "disc" / "packed.zip", "w") as packed:
        packed.write(images[2], "a/b")
        packed.writestr("a/c", b"\x08\x00 and no more of it")
    images[2].unlink()
    done = wetread_send(tmp_path / "disc", "--to", at(node))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("3 accepted, 1 skipped\n")
    assert node.digests() == wanted


def test_several_zip_files_are_sent_together(node: ANode, images: list[Path], tmp_path: Path) -> None:
    """One a study, as people send them; whether in a folder, or named one by one."""
    for number, image in enumerate(images):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as packed:
            packed.write(image, "DICOM/IM0")
    done = wetread_send(*(tmp_path / f"{number}.zip" for number in range(len(images))), "--to", at(node))
    assert (done.returncode, done.stdout) == (0, f"{len(images)} accepted\n"), done.stderr
    assert node.digests() == sorted(map(dataset_digest, images))


def test_a_dicomdir_sends_what_it_lists(node: ANode, images: list[Path]) -> None:
    """DCMTK's dcmmkdir lists two of three images; these two are sent, and the folder's third is not."""
    disc = images[0].parent.parent
    made = subprocess.run(
        [dcmtk("dcmmkdir"), "+I", "--no-xfer-check", "-Nec", "IMAGES/IM0", "IMAGES/IM1"],
        cwd=disc,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (disc / "DICOMDIR").exists(), made.stderr
    done = wetread_send(disc / "DICOMDIR", "--to", at(node))
    assert (done.returncode, done.stdout) == (0, "2 accepted\n"), done.stderr
    assert node.digests() == sorted(map(dataset_digest, images[:2]))
    images[1].unlink()
    done = wetread_send(disc / "DICOMDIR", "--to", at(node))
    assert done.returncode == 1
    assert "names a file that is not there" in done.stdout
    assert done.stdout.endswith("1 accepted, 1 unreadable\n")


def test_what_is_refused_is_grouped_with_its_remedy(node: ANode, images: list[Path], tmp_path: Path) -> None:
    """Two files without Study Instance UID are one row with status and remedy, and the command ends with 1."""
    for number in range(2):
        write_file(tmp_path / "disc" / f"BAD{number}", dataset(SOPInstanceUID=f"1.5.{number}", StudyInstanceUID=None))
    done = wetread_send(tmp_path / "disc", "--to", at(node))
    assert done.returncode == 1
    row = next(line for line in done.stdout.splitlines() if "refused" in line)
    assert row.split()[:3] == ["2", "refused", "C002"]
    assert "it cannot understand the dataset" in row
    assert "mend the objects" in row
    assert done.stdout.endswith("3 accepted, 2 refused\n")


def test_a_destination_is_called_by_its_name(node: ANode, images: list[Path], tmp_path: Path) -> None:
    """A name of the settings stands for AE title, host and port; an unknown one is refused with those known."""
    settings = tmp_path / "site.toml"
    settings.write_text(
        f'[[destinations]]\nname = "house"\nae_title = "WETREAD"\nhost = "127.0.0.1"\nport = {node.peer.port}\n'
    )
    done = wetread_send(images[0], "--to", "house", "--settings", settings)
    assert (done.returncode, done.stdout) == (0, "1 accepted\n"), done.stderr
    done = wetread_send(images[0], "--to", "hose", "--settings", settings)
    assert done.returncode == 1
    assert "the settings name house" in done.stderr


def test_nothing_to_send_is_no_success(node: ANode, tmp_path: Path) -> None:
    """A folder without a single DICOM file ends with 1 and says how many were skipped."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("a")
    done = wetread_send(tmp_path / "empty", "--to", at(node))
    assert done.returncode == 1
    assert done.stdout.endswith("1 skipped\n")


def test_a_peer_that_is_away_has_got_nothing(images: list[Path], tmp_path: Path, free_port: Callable[[], int]) -> None:
    """There was something to send: it is counted, beside the reason."""
    done = wetread_send(tmp_path / "disc", "--to", f"PACS@127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (1, f"{len(images)} not sent\n")
    assert "does not answer" in done.stderr


def test_who_is_told_to_end_leaves_no_images_behind(images: list[Path], tmp_path: Path) -> None:
    """What is unpacked lies in TMPDIR, and a service manager, or `timeout`, ends with SIGTERM."""
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        for image in images:
            packed.write(image, image.name)
    passing = tmp_path / "passing"
    passing.mkdir()
    asked, over = threading.Event(), threading.Event()

    def think(_: object) -> int:
        asked.set()
        over.wait(60)
        return 0x0000

    entity = AE("PACS")
    entity.add_supported_context(CT, "1.2.840.10008.1.2.1")
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, think)])
    peer = f"PACS@127.0.0.1:{server.socket.getsockname()[1]}"  # type: ignore[union-attr]
    command = [sys.executable, "-m", "ops.cli", "send", str(tmp_path / "packed.zip"), "--to", peer]
    environment = {**os.environ, "TMPDIR": str(passing)}
    try:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert asked.wait(60)
            assert len(list(passing.rglob("*.dcm"))) == len(images)
            process.terminate()
            out, _ = process.communicate(timeout=20)
    finally:
        over.set()
        server.shutdown()
    assert list(passing.iterdir()) == []
    assert (process.returncode, out) == (130, "3 not sent\n")
