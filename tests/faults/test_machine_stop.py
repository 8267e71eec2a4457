"""The machine, row 34: SIGTERM while studies stream in."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.raw_sender import Instance, associated, encode
from dicom_node.datasets.part10 import dataset_digest
from tests.faults.a_node import ANode
from tests.insisting_senders import CT, EXPLICIT, send_while
from tests.unit.dicom_node.instances import STUDY, dataset
from tests.unit.dicom_node.instances import encode as encode_dataset
from worker.ledger.ledger import Ledger

STOPS = 1


def test_row_34_sigterm_under_load_drains_and_loses_nothing(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Exit code 0 while containers still wait; nobody listens, nothing is half-written, and all answered is read."""
    node = ANode(
        tmp_path / "node", free_port(), processes=3, max_associations=64, quiet_time_s=1.0, association_hold_s=1.0
    )

    def stop() -> None:
        held = len(node.files())
        wait_for(lambda: len(node.files()) > held + 50, what="studies stream in")
        assert node.stop() == 0
        assert not list(node.spool.rglob("*.part"))
        assert not node.answers()
        node.start()

    with node:
        answered, tries = send_while(stop, faults=STOPS, senders=6, seed=34, port=node.peer.port)
        assert 50 * STOPS < len(answered) < tries
        for file, digest in answered.items():
            assert dataset_digest(node.spool / file) == digest
        ledger = Ledger.open(f"sqlite:///{node.data}/ledger.sqlite3")
        try:
            folders = {file.split("/", 1)[0] for file in answered}
            wait_for(
                lambda: set(answered) <= {file for folder in folders for file in ledger.recorded_files(folder)},
                what="every answered instance is read",
                deadline_s=60,
            )
        finally:
            ledger.close()
        assert "part killed" not in node.log()
        assert "Traceback" not in node.log()


def test_row_34_sigterm_ends_one_long_study_too(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Its association never pauses, for longer than any grace time: it is aborted, and nobody is killed."""
    instances = [
        Instance(
            sop_class_uid=CT,
            sop_instance_uid=f"{STUDY}.1.{number}",
            transfer_syntax_uid=EXPLICIT,
            dataset=encode_dataset(dataset(SOPInstanceUID=f"{STUDY}.1.{number}", SeriesInstanceUID=f"{STUDY}.1")),
        )
        for number in range(1000)
    ]
    stopped = threading.Event()

    def send() -> None:
        with contextlib.suppress(OSError, EOFError), associated(node.peer.port, instances[0]) as association:
            messages = [encode(instance, 1, association.longest_pdu) for instance in instances]
            # The later rounds are the same again, which keeps the association as busy.
            for _ in range(100):
                for message in messages:
                    if stopped.is_set() or association.store(message) != 0:
                        return

    with ANode(tmp_path / "node", free_port(), processes=2) as node:
        sender = threading.Thread(target=send)
        sender.start()
        try:
            wait_for(lambda: len(node.files()) > 50, what="a study streams in")
            assert node.stop() == 0
        finally:
            stopped.set()
            sender.join()
        assert "part killed" not in node.log()
        assert "Traceback" not in node.log()
        assert not list(node.spool.rglob("*.part"))


def test_row_34_sigterm_waits_for_nobody_who_asks_for_nothing(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Who has connected and says nothing has longer than the grace time (`node.acse_timeout_s`)."""
    node = ANode(tmp_path / "node", free_port(), processes=2, acse_timeout_s=120)
    with contextlib.ExitStack() as opened:
        opened.enter_context(node)
        for _ in range(8):
            opened.enter_context(socket.create_connection((node.peer.host, node.peer.port)))
        # They are accepted in turn: with an answer to this one all of them are in.
        assert node.answers()
        began = time.monotonic()
        assert node.stop() == 0
        took_s = time.monotonic() - began
        node.start()
    assert "part killed" not in node.log()
    assert took_s < 20
