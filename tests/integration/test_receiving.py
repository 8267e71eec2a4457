"""Receiving over real sockets, from DCMTK and from peers that misbehave."""

import contextlib
import hashlib
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
import structlog
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.presentation import build_context

from dicom_node.admitting.doorkeeper import Doorkeeper
from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.sender import OutcomeKind, StoreOutcome, send
from dicom_node.assembling.assembler import Assembler
from dicom_node.datasets.part10 import encode_meta, read_meta
from dicom_node.errors import ArchiveUnreachable
from dicom_node.processes.listening import listen
from dicom_node.processes.server import Node
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.settings import NodeSettings, Peer
from dicom_node.spooling.spool import Spool
from dicom_node.testing import ListStudyStore
from tests.dcmtk import dcmtk
from tests.faults.wire_bytes import ABORT, CLOSED, COMMAND, DATA, LAST, RawPeer, pdu, pdv, store_rq
from tests.unit.dicom_node.instances import CT, SOP, dataset, encode, write_file

EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"


class Receiver:
    """A node with its spool, its assembler and a store that keeps lists."""

    def __init__(self, root: Path, *, min_free_bytes: int = 0, **settings: Any) -> None:
        settings = {"port": 0, "quiet_time_s": 0.5, "association_hold_s": 0.5, **settings}
        self.settings = NodeSettings(**settings)
        self.spool = Spool(root, min_free_bytes=min_free_bytes)
        self.store = ListStudyStore()
        self.assembler = Assembler(self.settings, self.spool, self.store)
        self.node = Node(
            settings=self.settings,
            spool=self.spool,
            assembler=self.assembler,
            doorkeeper=Doorkeeper(self.settings),
        )
        self.assembler.start()
        self.node.start(listen(self.settings))
        self.peer = Peer(ae_title=self.settings.ae_title, host="127.0.0.1", port=self.node.port)

    def stop(self) -> None:
        """Stop in order."""
        self.node.stop(grace_s=5)
        self.assembler.stop()

    def files(self) -> list[Path]:
        """Return every file in the spool."""
        return sorted(path for path in self.spool.root.rglob("*") if path.is_file())

    def datasets(self) -> list[str]:
        """Return the digests of all datasets in the spool."""
        return sorted(_digest(path) for path in self.files())

    def dcmtk(self, tool: str, *arguments: object, called: str = "WETREAD") -> subprocess.CompletedProcess[str]:
        """Run a DCMTK client against the node."""
        command = [dcmtk(tool), "-v", "-aec", called, "127.0.0.1", str(self.peer.port), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def send(self, *paths: Path) -> list[StoreOutcome]:
        """Send files as `wetread send` does."""
        return [outcome for _, outcome in send(paths, self.peer, "SENDER")]

    def send_raw(self, *paths: Path) -> list[StoreOutcome]:
        """Send files announced by their meta information, right or wrong."""
        return DicomArchive(self.peer, "SENDER").store(paths)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()[read_meta(path).dataset_start :]).hexdigest()


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[Callable[..., Receiver]]:
    """Return a function that starts a receiver with settings."""
    started: list[Receiver] = []

    def start(**settings: Any) -> Receiver:
        started.append(Receiver(tmp_path / "spool", **settings))
        return started[-1]

    yield start
    for receiver in started:
        receiver.stop()


@pytest.fixture
def receiver(receivers: Callable[..., Receiver]) -> Receiver:
    """A receiver with the usual settings."""
    return receivers()


# Who may talk.


def test_echo_is_answered(receiver: Receiver) -> None:
    """DCMTK's echoscu gets its answer."""
    assert receiver.dcmtk("echoscu").returncode == 0


@pytest.mark.parametrize(
    ("settings", "called", "words"),
    [
        ({}, "OTHER", "Called AE Title Not Recognized"),
        ({"loopback": False}, "WETREAD", "Calling AE Title Not Recognized"),
        ({"peers": [{"ae_title": "ECHOSCU", "hosts": ["192.0.2.0/24"]}]}, "WETREAD", "No Reason"),
    ],
)
def test_strangers_are_rejected_with_the_standards_reason(
    receivers: Callable[..., Receiver], settings: dict[str, Any], called: str, words: str
) -> None:
    """A wrong called AE title, an unknown calling one and an unknown host are rejected for good."""
    answer = receivers(**settings).dcmtk("echoscu", called=called)
    assert answer.returncode != 0
    assert words in answer.stderr + answer.stdout
    assert "Rejected Permanent" in answer.stderr + answer.stdout


def test_one_association_too_many_is_rejected_for_the_moment(receivers: Callable[..., Receiver]) -> None:
    """The association over the limit is rejected as transient; when one has ended there is room again."""
    receiver = receivers(max_associations=1)
    entity = AE()
    entity.add_requested_context(VERIFICATION)
    first = entity.associate("127.0.0.1", receiver.peer.port, ae_title="WETREAD")
    answer = receiver.dcmtk("echoscu")
    assert "Rejected Transient" in answer.stderr + answer.stdout
    assert "Local Limit Exceeded" in answer.stderr + answer.stdout
    first.release()
    assert receiver.dcmtk("echoscu").returncode == 0


# What arrives is kept.


def test_a_real_series_from_storescu(receiver: Receiver, shared_data: Path, wait_for: Callable[..., None]) -> None:
    """A whole head from DCMTK becomes one study of one series, with nothing lost and every pixel as it was."""
    source = shared_data / "t1-head"
    sent = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in source.rglob("*.dcm")}
    assert receiver.dcmtk("storescu", "+sd", "+r", "+sp", "*.dcm", source).returncode == 0
    wait_for(lambda: receiver.store.revisions, what="completion")
    (study,) = receiver.store.revisions
    (series,) = study.series
    assert len(series.files) == len(sent) == len(receiver.files())
    assert study.calling_ae_title == "STORESCU"
    for file in series.files[::50]:
        kept = pydicom.dcmread(receiver.spool.root / file)
        assert kept.PixelData == pydicom.dcmread(sent[str(kept.SOPInstanceUID)]).PixelData


def test_many_senders_at_once_make_one_study(receiver: Receiver, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """Images of one study over several associations at once, one of them on all, become one study without doubles."""
    folders = []
    for sender in range(4):
        folders.append(tmp_path / str(sender))
        for number in range(10):
            uid = f"1.{sender}.{number}" if number else "1.9"
            write_file(folders[-1] / f"{number}.dcm", dataset(SOPInstanceUID=uid))
    command = [dcmtk("storescu"), "-aec", "WETREAD", "+sd", "127.0.0.1", str(receiver.peer.port)]
    senders = [subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL) for folder in folders]
    assert [process.wait(timeout=60) for process in senders] == [0] * 4
    wait_for(lambda: receiver.store.revisions and not receiver.assembler.open_studies(), what="completion")
    assert len(receiver.files()) == 37
    assert len(receiver.store.revisions[-1].series[0].files) == 37


# Wrong input.


def _raw_file(path: Path, data: bytes, *, sop: str = SOP) -> Path:
    meta = encode_meta(
        sop_class_uid=CT, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT, calling_ae_title="A", called_ae_title="B"
    )
    path.write_bytes(meta + data)
    return path


def test_blank_uids_are_refused(receiver: Receiver, shared_data: Path) -> None:
    """A real slice whose dataset has blank UIDs is refused by the node, and nothing is stored."""
    source = next(path for path in sorted((shared_data / "abdomen-ct").rglob("CT.*")) if path.is_file())
    content = pydicom.dcmread(source)
    assert not content.SOPInstanceUID
    outcomes = [*receiver.send(source), *receiver.send_raw(source)]
    assert [(outcome.kind, outcome.status) for outcome in outcomes] == [(OutcomeKind.REFUSED, 0xC001)] * 2
    assert receiver.files() == []


@pytest.mark.parametrize("data", [b"this is not DICOM", encode(dataset())[:30]])
def test_what_is_no_dataset_is_refused(receiver: Receiver, tmp_path: Path, data: bytes) -> None:
    """Bytes that are no dataset, or break off before its UIDs, are refused by name; the next instance is stored."""
    wrong, right = _raw_file(tmp_path / "a.dcm", data), write_file(tmp_path / "b.dcm", dataset(SOPInstanceUID="1.2"))
    outcomes = receiver.send_raw(wrong, right)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.REFUSED, OutcomeKind.ACCEPTED]


def test_truncated_pixels_are_stored_as_received(receiver: Receiver, shared_data: Path, tmp_path: Path) -> None:
    """A real slice that breaks off in its pixels is kept to the byte; reading it is somebody else's trouble."""
    whole = next((shared_data / "t1-head").rglob("*.dcm"))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole.read_bytes()[:-5000])
    assert [outcome.kind for outcome in receiver.send_raw(cut)] == [OutcomeKind.ACCEPTED]
    assert receiver.datasets() == [_digest(cut)]


# Trouble on the wire.


def _association(receiver: Receiver) -> Any:
    set_switches()
    entity = AE(ae_title="TROUBLE")
    entity.requested_contexts = [build_context(CT, EXPLICIT), build_context(VERIFICATION)]
    association = entity.associate("127.0.0.1", receiver.peer.port, ae_title="WETREAD")
    assert association.is_established
    return association


def test_an_echo_between_instances(receiver: Receiver) -> None:
    """One association may ask C-ECHO before, between and after C-STORE requests, which all are answered."""
    association = _association(receiver)
    for number in range(1, 4):
        assert association.send_c_echo().Status == 0
        content = dataset(SOPInstanceUID=f"1.2.3.{number}")
        content.file_meta = Dataset()
        content.file_meta.TransferSyntaxUID = EXPLICIT
        assert association.send_c_store(content).Status == 0
    association.release()
    assert len(receiver.files()) == 3


# The machine.


def test_a_full_disk_is_answered_with_a700(receivers: Callable[..., Receiver], tmp_path: Path) -> None:
    """Below the low watermark instances are refused as out of resources, and C-ECHO still works."""
    receiver = receivers(min_free_bytes=1 << 60)
    (outcome,) = receiver.send_raw(write_file(tmp_path / "a.dcm"))
    assert (outcome.status, "spool full" in outcome.text) == (0xA700, True)
    assert receiver.dcmtk("echoscu").returncode == 0


def test_a_full_backlog_is_answered_with_a700(
    receivers: Callable[..., Receiver], tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """While the store is away studies are taken up to the backlog, then refused, then taken again when it is back."""
    receiver = receivers(max_backlog=1)
    receiver.store.away = True
    first, second = (
        write_file(tmp_path / f"{n}.dcm", dataset(StudyInstanceUID=f"4.{n}", SOPInstanceUID=f"4.{n}.1")) for n in (1, 2)
    )
    assert receiver.send_raw(first)[0].accepted
    wait_for(lambda: receiver.assembler.waiting_studies() == 1, what="the backlog")
    assert receiver.send_raw(second)[0].status == 0xA700
    receiver.store.away = False
    wait_for(lambda: receiver.store.revisions, what="the store")
    assert receiver.send_raw(second)[0].accepted


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_between_rename_and_record_loses_nothing(
    receivers: Callable[..., Receiver], tmp_path: Path, wait_for: Callable[..., None], when: str
) -> None:
    """A node that is killed with an instance renamed and not recorded has it, and its study, after the restart.

    Whether its sender has the answer by then or not.
    """
    files = [write_file(tmp_path / "in" / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in range(4)]
    script = Path(__file__).with_name("dying_node.py")
    command = [sys.executable, str(script), str(tmp_path / "spool"), "3", when]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        peer = Peer(
            ae_title="WETREAD", host="127.0.0.1", port=int(next(filter(str.isdigit, map(str.strip, process.stdout))))
        )
        accepted = [outcome.accepted for _, outcome in send(files, peer, "SENDER")]
        assert process.wait(timeout=30) == -9
    assert accepted == [True, True, when == "after", False]
    (tmp_path / "spool" / "1-1.part").write_bytes(b"half")
    receiver = receivers()
    wait_for(lambda: receiver.store.revisions, what="adoption")
    (study,) = receiver.store.revisions
    assert sorted(_digest(receiver.spool.root / file) for file in study.series[0].files) == sorted(
        map(_digest, files[:3])
    )
    assert study.calling_ae_title == "SENDER"
    assert len(receiver.files()) == 3
    assert all(outcome.accepted for outcome in receiver.send(*files))
    wait_for(lambda: len(receiver.store.revisions) == 2, what="the rest")
    assert len(receiver.files()) == 4


def test_stopping_ends_an_association_that_does_not_end_itself(receiver: Receiver) -> None:
    """After its grace time a stopping node aborts what is still open and returns."""
    association = _association(receiver)
    receiver.node.stop(grace_s=0.2)
    assert receiver.node.open_associations() == 0
    assert not association.is_established or association.abort() is None


#: Pieces, of 8 kB or an instance each: so many that the stop falls into the flow.
_MANY = 500


@pytest.mark.parametrize("what", ["one large instance", "many small ones"])
def test_stopping_ends_an_association_that_never_pauses(
    receiver: Receiver, what: str, wait_for: Callable[..., None]
) -> None:
    """It is in the middle of a message, or between two, whenever it is looked at."""
    peer = RawPeer(receiver.peer.port).associate()
    over = threading.Event()
    sent: list[str] = []
    forever = pdu(DATA, pdv(bytes(8000)))

    def send() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                if what == "one large instance":
                    peer.send(forever)
                else:
                    peer.store(encode(dataset()))
                sent.append(what)

    def read() -> None:
        with contextlib.suppress(OSError, EOFError):
            while peer.read()[0] not in (CLOSED, ABORT):
                pass

    if what == "one large instance":
        peer.send(pdu(DATA, pdv(store_rq(), control=COMMAND | LAST)))
    threads = [threading.Thread(target=run) for run in (send, read)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: len(sent) > _MANY, what="it is in full flow")
        began = time.monotonic()
        receiver.node.stop(grace_s=0.2)
        assert time.monotonic() - began < 30
        assert receiver.node.open_associations() == 0
    finally:
        over.set()
        with contextlib.suppress(OSError):
            peer.socket.shutdown(socket.SHUT_RDWR)
        peer.reset()
        for thread in threads:
            thread.join()


def test_connections_without_an_association_are_bounded(
    receivers: Callable[..., Receiver], wait_for: Callable[..., None]
) -> None:
    """There are 64 places more than associations, of which one address has half: what is more is closed at once.

    When some have gone others come in.
    """
    receiver = receivers(max_associations=2)
    before = threading.active_count()
    with contextlib.ExitStack() as held:
        silent = [held.enter_context(RawPeer(receiver.peer.port)) for _ in range(200)]
        wait_for(lambda: sum(map(_closed, silent)) >= 200 - 33, what="too many are closed")
        # Those that just come in are counted a little too high.
        assert sum(map(_closed, silent)) < 200 - 28
        assert threading.active_count() - before <= 2 * 66
    wait_for(lambda: _answers(receiver), what="others come in")


def _closed(peer: RawPeer) -> bool:
    peer.socket.settimeout(0.0)
    try:
        return peer.socket.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _answers(receiver: Receiver) -> bool:
    try:
        DicomArchive(receiver.peer, "SENDER").echo()
    except ArchiveUnreachable:
        return False
    return True


def test_no_patient_in_any_log(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is sent, right and wrong, no log line of ours or of a library names the patient."""
    canary = {"PatientName": "Canary^Bird", "PatientID": "canary-id", "PatientBirthDate": "Canary"}
    files: Sequence[Path] = [
        write_file(tmp_path / "a.dcm", dataset(**canary)),
        write_file(tmp_path / "b.dcm", dataset(**canary, PatientComments="Canary")),
        _raw_file(tmp_path / "c.dcm", encode(dataset(**canary, StudyInstanceUID="Canary^Bird"))),
        _raw_file(tmp_path / "d.dcm", encode(dataset(**canary, SOPInstanceUID="Canary")), sop="Canary"),
        _raw_file(tmp_path / "e.dcm", encode(dataset(**canary, StudyInstanceUID=None))),
        _raw_file(tmp_path / "f.dcm", b"Canary^Bird"),
    ]
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as ours:
        outcomes = receiver.send_raw(*files)
    assert [outcome.accepted for outcome in outcomes] == [True, True, False, False, False, False]
    assert "instance refused" in {str(entry["event"]) for entry in ours}
    everything = repr(ours) + caplog.text + "".join(capsys.readouterr()) + repr(outcomes[:3])
    assert "canary" not in everything.lower().replace(str(tmp_path).lower(), "")
