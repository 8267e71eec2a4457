"""One peer fills its share of the spool: it gets A700, the others store, and it resumes by itself."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.raw_sender import Instance, associated, encode
from dicom_node.errors import OUT_OF_RESOURCES
from dicom_node.spooling.spool_layout import name_of
from tests.node_process import NodeProcess, peer_table
from tests.unit.dicom_node.instances import CT, dataset, write_file
from tests.unit.dicom_node.instances import encode as encode_dataset

EXPLICIT = "1.2.840.10008.1.2.1"
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


def test_a_peer_whose_datasets_are_refused_fills_its_share_with_them(node: NodeProcess) -> None:
    """They are kept for the admin, so that they are counted; others still store."""
    node.start(f"{peer_table('CT1', '127.0.0.1', max_bytes=25_000)}\n{peer_table('MR1', '127.0.0.1')}")

    def answers(calling: str, *, series: str | None) -> Iterator[int]:
        values = {"SeriesInstanceUID": series, "ImageComments": "x" * 9000}
        encoded = [encode_dataset(dataset(SOPInstanceUID=f"1.9.{number}", **values)) for number in range(200)]
        instances = [
            Instance(sop_class_uid=CT, sop_instance_uid=f"1.9.{number}", transfer_syntax_uid=EXPLICIT, dataset=content)
            for number, content in enumerate(encoded)
        ]
        with associated(node.port, instances[0], calling=calling) as association:
            for instance in instances:
                yield association.store(encode(instance, 1, association.longest_pdu))
                time.sleep(0.05)

    statuses = list(itertools.takewhile(lambda status: status != OUT_OF_RESOURCES, answers("CT1", series=None)))
    assert 3 <= len(statuses) < 100
    assert {status >> 12 for status in statuses} == {0xC}
    assert next(answers("MR1", series="1.9")) == 0


def refused(node: NodeProcess, file: Path) -> bool:
    """Say whether CT1 gets A700 four times in a row."""
    answers = [node.dcmtk("storescu", file) for _ in range(4)]
    return all("Refused: OutOfResources" in answer.stderr + answer.stdout for answer in answers)
