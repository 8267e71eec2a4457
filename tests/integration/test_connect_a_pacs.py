"""What the documentation tells a PACS administrator to write down works as it stands there."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_node.archives.sender import send
from dicom_node.peer_settings import ReportToSettings
from dicom_node.settings import Peer
from ops.settings import load
from tests.dcmtk import dcmtk
from tests.faults.a_node import ANode
from tests.orthanc_server import OrthancServer
from worker.testing import write_mr_series

TEXT = (Path(__file__).parents[2] / "docs" / "connect-a-pacs.md").read_text()


def block(language: str, number: int = 0) -> str:
    """Return a code block of a language, the first one or a later one."""
    return str(re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)[number])


@pytest.fixture
def node(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[ANode]:
    """A node that runs."""
    with ANode(tmp_path / "node", free_port()) as running:
        yield running


def kept(node: ANode) -> list[Path]:
    """Return what is in the spool under its final name; a moment before it is there under a passing one too."""
    return [file for file in node.files() if file.suffix == ".dcm"]


def test_orthancs_script_sends_on_what_comes_and_not_what_we_sent(
    node: ANode, tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """A modality's images reach the node once each; ours, sent back, go no further."""
    script = tmp_path / "to-wetread.lua"
    script.write_text(block("lua"))
    folder = tmp_path / "orthanc"
    folder.mkdir()
    orthanc = OrthancServer(folder, dicom_port=free_port(), http_port=free_port(), scripts=(script,))
    orthanc.start()
    try:
        orthanc.know("wetread", "WETREAD", node.peer.port)
        images = write_mr_series(tmp_path / "study", slices=4, seed=1)
        assert all(outcome.accepted for _, outcome in send(images, orthanc.peer, "CT1"))
        wait_for(lambda: len(node.files()) == 4, what="all images are in the spool", deadline_s=60)
        ours = write_mr_series(tmp_path / "ours", slices=2, seed=2)
        assert all(outcome.accepted for _, outcome in send(ours, orthanc.peer, "WETREAD"))
        more = write_mr_series(tmp_path / "more", slices=1, seed=3)
        assert all(outcome.accepted for _, outcome in send(more, orthanc.peer, "CT1"))
        wait_for(lambda: len(kept(node)) >= 5, what="the image after ours is in the spool", deadline_s=60)
        assert len(kept(node)) == 5
    finally:
        orthanc.stop()


@pytest.mark.parametrize("line", [line for line in block("sh").splitlines() if line])
def test_dcmtks_commands_work_as_they_stand(node: ANode, tmp_path: Path, line: str) -> None:
    """Host and port apart."""
    write_mr_series(tmp_path / "study", slices=3)
    tool, *arguments = shlex.split(line.replace("wetread.example.org 11112", f"127.0.0.1 {node.peer.port}"))
    told = subprocess.run(
        [dcmtk(tool), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(node.files()) == (0 if tool == "echoscu" else 3)


def test_the_settings_are_read(tmp_path: Path) -> None:
    """The TOML of the document is what wetread takes."""
    file = tmp_path / "wetread.toml"
    file.write_text(block("toml"))
    settings = load(file, {})
    assert settings.destinations[0].peer == Peer(ae_title="ORTHANC", host="pacs.example.org", port=4242)
    assert settings.node.peers[0].hosts == ("pacs.example.org",)
    file.write_text(block("toml", 1))
    (peer,) = load(file, {}).node.peers
    assert peer.storage_commitment
    assert peer.report_to == ReportToSettings(host="pacs.example.org", port=4242)
