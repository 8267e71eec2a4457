"""One peer fills its share of the spool: it gets A700, the others store, and it resumes by itself."""

import shutil
from collections.abc import Callable
from pathlib import Path

from dicom_node.spool import name_of
from tests.node_process import NodeProcess, peer_table
from tests.unit.dicom_node.instances import dataset, write_file

FULL = "peer has filled its share of the spool"


def write(folder: Path, number: int) -> Path:
    """Write an instance of about ten kilobytes, a study of its own."""
    uids = {"StudyInstanceUID": f"1.{number}", "SeriesInstanceUID": f"1.{number}.1", "SOPInstanceUID": f"1.{number}.2"}
    return write_file(folder / f"{number}.dcm", dataset(**uids, PatientComments="x" * 9000))


def test_a_peer_that_has_filled_its_share_waits_for_room(
    node: NodeProcess, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Over all receiving processes, through a restart, until somebody removes studies of its."""
    settings = f"processes = 2\n{peer_table('CT1', '127.0.0.1', max_bytes=25_000)}\n{peer_table('MR1', '127.0.0.1')}"
    node.start(settings)
    files = [write(tmp_path, number) for number in range(1, 6)]
    assert node.dcmtk("storescu", *files[:3]).returncode == 0
    wait_for(lambda: node.events(FULL), what="the warning")
    (warning,) = node.events(FULL)
    assert (warning["ae_title"], warning["max_bytes"]) == ("CT1", 25_000)
    wait_for(lambda: refused(node, files[3]), what="A700 at every process")
    assert node.dcmtk("storescu", files[4], calling="MR1").returncode == 0
    assert node.events("instance refused")[0]["kind"] == "ShareFull"
    assert node.stop() == 0
    node.start(settings)
    assert refused(node, files[3])
    for study in ("1.1", "1.2"):
        shutil.rmtree(node.spool / name_of(study))
    wait_for(lambda: node.events("peer has room in the spool again"), what="room")
    wait_for(lambda: not refused(node, files[3]), what="that it resumes")


def refused(node: NodeProcess, file: Path) -> bool:
    """Say whether CT1 gets A700 four times in a row."""
    answers = [node.dcmtk("storescu", file) for _ in range(4)]
    return all("Refused: OutOfResources" in answer.stderr + answer.stdout for answer in answers)
