"""The machine, rows 28 and 29: the spool's disk is full, or fails."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from benchmarks.raw_sender import Instance, RawAssociation, associated, encode
from tests.faults.a_node import ANode
from tests.faults.preloaded import preloaded
from tests.stack import connections
from tests.unit.dicom_node.instances import CT, dataset
from tests.unit.dicom_node.instances import encode as encode_dataset

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
MIB = 1 << 20


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[None]:
    """Mount a file system of this size; skip where this machine does not let us."""
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "wetread-test", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def instances(size_bytes: int) -> Iterator[Instance]:
    """Yield instances of so many bytes, each of another study."""
    for number in count(1):
        root = f"1.2.28.{size_bytes}.{number}"
        values = dataset(SOPInstanceUID=f"{root}.1.1", StudyInstanceUID=root, SeriesInstanceUID=f"{root}.1")
        values.PixelData = bytes(size_bytes)
        values["PixelData"].VR = "OW"
        yield Instance(
            sop_class_uid=CT,
            sop_instance_uid=f"{root}.1.1",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            dataset=encode_dataset(values),
        )


def store(association: RawAssociation, instance: Instance) -> int:
    """Send an instance; return the status."""
    return association.store(encode(instance, 1, association.longest_pdu))


def test_row_28_a_disk_below_its_low_watermark_refuses_and_resumes(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """A700 while there is too little room, nothing kept makes room for what comes, and room alone ends it."""
    node = ANode(tmp_path / "node", free_port(), processes=2, min_free_bytes=8 * MIB)
    with small_disk(node.spool, 24), node:
        ballast = node.spool / "somebody elses"
        ballast.write_bytes(bytes(8 * MIB))
        coming = instances(MIB)
        first = next(coming)
        with associated(node.peer.port, first) as association:
            assert store(association, first) == SUCCESS
            kept = [first]
            for instance in coming:
                status = store(association, instance)
                if status != SUCCESS:
                    break
                kept.append(instance)
            assert (status, len(kept)) == (OUT_OF_RESOURCES, 8)
            assert store(association, instance) == OUT_OF_RESOURCES
            assert node.answers()
            assert len(list(node.spool.rglob("*.dcm"))) == len(kept)
            wait_for(lambda: all(node.completions(_study_of(item)) == [1] for item in kept), what="all kept are read")
            ballast.unlink()
            assert store(association, instance) == SUCCESS
        assert len(list(node.spool.rglob("*.dcm"))) == len(kept) + 1
        assert not list(node.spool.rglob("*.part"))


def test_row_28_a_disk_that_is_full_in_the_middle_of_an_instance_keeps_no_part_of_it(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """A700 for what does not fit, whatever the watermark says, and success for what does."""
    node = ANode(tmp_path / "node", free_port(), processes=1, min_free_bytes=0)
    with small_disk(node.spool, 4), node:
        large, small = next(instances(6 * MIB)), next(instances(MIB))
        with associated(node.peer.port, large) as association:
            for _ in range(2):
                assert store(association, large) == OUT_OF_RESOURCES
                assert node.files() == []
            assert store(association, small) == SUCCESS
        assert [file.suffix for file in node.files()] == [".dcm"]


def _study_of(instance: Instance) -> str:
    return instance.sop_instance_uid.rsplit(".", 2)[0]


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[tuple[ANode, Path]]:
    """A node, and the file that names the calls which fail on its spool while it is there."""
    folder = tmp_path_factory.mktemp("failing")
    when, data = folder / "failing", folder / "node"
    environment = preloaded("failing_disk", folder, when=when, under=data / "data" / "spool")
    with ANode(
        data, free_port(), processes=2, max_associations=200, environment={**environment, "WETREAD_LOG_JSON": "1"}
    ) as node:
        yield node, when
        assert "Traceback" not in node.log()


@pytest.mark.parametrize("calls", ["write", "fsync", "link"])
def test_row_29_a_disk_that_fails_takes_nothing_until_it_takes_a_test_file(
    failing: tuple[ANode, Path], wait_for: Callable[..., None], calls: str
) -> None:
    """Every receiving process finds out by itself, answers A700 with an alarm in the log, and resumes by itself."""
    node, when = failing
    size = {"write": 1000, "fsync": 2000, "link": 3000}[calls]
    coming = instances(size)
    first = next(coming)
    before, alarms = len(node.files()), node.log().count("spool disk failed")
    with ExitStack() as opened:
        held: list[RawAssociation] = []

        def spread() -> bool:
            held.append(opened.enter_context(associated(node.peer.port, first)))
            return all(connections(pid) > 0 for pid in node.receivers())

        wait_for(spread, what="each process has an association")
        sent = [next(coming) for _ in held]
        when.write_text(calls)
        try:
            for _ in range(2):
                refused = [store(association, instance) for association, instance in zip(held, sent, strict=True)]
                assert refused == [OUT_OF_RESOURCES] * len(held)
            assert node.answers()
            assert len(node.files()) == before
        finally:
            when.unlink()
        assert [store(association, instance) for association, instance in zip(held, sent, strict=True)] == [
            SUCCESS
        ] * len(held)
    assert len(node.files()) == before + len(held)
    told = [line for line in node.log().splitlines() if "spool disk failed" in line]
    # Each process tells it once for each time that it lost its trust.
    assert len(told) - alarms >= len(node.receivers())
    assert all('"level": "error"' in line for line in told)
    assert node.log().count("spool disk recovered") >= len(told)


def test_a_node_on_a_file_system_without_hard_links_says_so_and_ends(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """In one message with the remedy; it had started, and refused every instance in the system's words."""
    when = tmp_path / "failing"
    when.write_text("nolink")
    node = ANode(tmp_path / "node", free_port())
    environment = preloaded("failing_disk", tmp_path, when=when, under=node.spool)
    command = [sys.executable, "-P", "-m", "ops.cli", "node", "--settings", str(node.settings_file)]
    run = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 1
    assert f"{node.spool}: its file system does not take hard links (Operation not permitted)" in run.stderr
    assert "Traceback" not in run.stderr
    assert list(node.spool.iterdir()) == []
