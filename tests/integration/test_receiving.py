"""Receiving over real sockets, from DCMTK and from peers that misbehave."""

import hashlib
import logging
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
import structlog
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from dicom_node.archive import DicomArchive, OutcomeKind
from dicom_node.errors import NotDicom
from dicom_node.part10 import encode_meta, read_meta
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.sender import StoreOutcome, send
from dicom_node.server import Assembler, Node
from dicom_node.settings import NodeSettings, Peer
from dicom_node.spool import Spool
from dicom_node.testing import ListStudyStore
from tests.dcmtk import dcmtk
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
        self.node = Node(settings=self.settings, spool=self.spool, assembler=self.assembler)
        self.assembler.start()
        self.node.start()
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


def _odd_files(shared_data: Path) -> list[Path]:
    found = []
    for path in sorted((shared_data / "odd-series").rglob("*")):
        if path.is_file():
            try:
                found.append(read_meta(path).file)
            except NotDicom:
                continue
    return found


# Who may talk.


def test_echo_is_answered(receiver: Receiver) -> None:
    """DCMTK's echoscu gets its answer."""
    assert receiver.dcmtk("echoscu").returncode == 0


@pytest.mark.parametrize(
    ("settings", "called", "words"),
    [
        ({}, "OTHER", "Called AE Title Not Recognized"),
        ({"calling_ae_titles": ["PACS"]}, "WETREAD", "Calling AE Title Not Recognized"),
        ({"peer_hosts": ["192.0.2.0/24"]}, "WETREAD", "No Reason"),
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


def test_every_transfer_syntax_is_kept_to_the_byte(receiver: Receiver, shared_data: Path) -> None:
    """Compressed, enhanced and multi-frame objects lie in the spool byte for byte as they were sent."""
    files = _odd_files(shared_data)
    outcomes = receiver.send(*files)
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert receiver.datasets() == sorted({_digest(path) for path in files})
    assert len({read_meta(path).transfer_syntax_uid for path in receiver.files()}) >= 5


def test_dcmsend_keeps_compressed_pixels(receiver: Receiver, shared_data: Path) -> None:
    """DCMTK's dcmsend is not made to decompress: pixel data and transfer syntax arrive as they were in its file."""
    file = next(
        path for path in _odd_files(shared_data) if read_meta(path).transfer_syntax_uid.startswith(f"{EXPLICIT[:-2]}.4")
    )
    assert receiver.dcmtk("dcmsend", file).returncode == 0
    (kept,) = receiver.files()
    assert read_meta(kept).transfer_syntax_uid == read_meta(file).transfer_syntax_uid
    assert pydicom.dcmread(kept).PixelData == pydicom.dcmread(file).PixelData


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_uncompressed_syntaxes_are_kept_as_sent(receiver: Receiver, tmp_path: Path, syntax: str) -> None:
    """Implicit, big endian and deflated datasets are kept in their own encoding when that is all a sender has."""
    file = write_file(tmp_path / "a.dcm", syntax=syntax)
    assert [outcome.kind for outcome in receiver.send(file)] == [OutcomeKind.ACCEPTED]
    assert receiver.datasets() == [_digest(file)]
    assert read_meta(receiver.files()[0]).transfer_syntax_uid == syntax


def test_private_classes_are_taken(receiver: Receiver, tmp_path: Path) -> None:
    """An instance of a vendor's own SOP class is stored like any other."""
    file = write_file(tmp_path / "a.dcm", dataset(SOPClassUID="1.3.12.2.1107.5.9.1"))
    assert [outcome.kind for outcome in receiver.send(file)] == [OutcomeKind.ACCEPTED]
    assert receiver.datasets() == [_digest(file)]


def test_sent_twice_is_kept_once_and_read_once(
    receiver: Receiver, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """The same study again is answered with success, adds no file and opens no revision."""
    files = [write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in range(3)]
    assert receiver.dcmtk("storescu", *files).returncode == 0
    wait_for(lambda: receiver.store.revisions, what="completion")
    assert receiver.dcmtk("storescu", *files).returncode == 0
    other = write_file(tmp_path / "other.dcm", dataset(StudyInstanceUID="7.7", SOPInstanceUID="7.7.7"))
    receiver.send(other)
    wait_for(lambda: len(receiver.store.revisions) == 2, what="completion of the other study")
    assert [study.study_instance_uid for study in receiver.store.revisions][1:] == ["7.7"]
    assert len(receiver.files()) == 4


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


def test_own_results_that_come_back_are_kept_and_not_read(
    receiver: Receiver, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """An object that wetread made is stored with success and no study opens because of it."""
    own = dataset(
        Manufacturer="wetread", ContributingEquipmentSequence=DicomSequence([Dataset()]), StudyInstanceUID="5.5"
    )
    receiver.send(write_file(tmp_path / "own.dcm", own))
    receiver.send(write_file(tmp_path / "a.dcm", dataset(SOPInstanceUID="1.2")))
    wait_for(lambda: receiver.store.revisions, what="completion")
    assert len(receiver.files()) == 2
    assert [study.study_instance_uid for study in receiver.store.revisions] == ["1.2.3.1"]
    assert receiver.assembler.open_studies() == 0


# Wrong input.


def _raw_file(path: Path, data: bytes, *, sop: str = SOP) -> Path:
    meta = encode_meta(
        sop_class_uid=CT, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT, calling_ae_title="A", called_ae_title="B"
    )
    path.write_bytes(meta + data)
    return path


@pytest.mark.parametrize("uid", ["../../../tmp/evil", "1.2\0.3", "1" * 65, "."])
def test_a_uid_that_is_none_is_refused(receiver: Receiver, tmp_path: Path, uid: str) -> None:
    """An instance whose SOP or Study Instance UID is no UID is answered with Cxxx and nothing is written anywhere."""
    affected = _raw_file(tmp_path / "a.dcm", encode(dataset(SOPInstanceUID=uid)), sop=uid)
    inside = _raw_file(tmp_path / "b.dcm", encode(dataset(StudyInstanceUID=uid)))
    outcomes = receiver.send_raw(affected, inside)
    assert [outcome.status >> 12 for outcome in outcomes] == [0xC, 0xC]
    assert "invalid UID" in outcomes[0].text
    assert receiver.files() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", "b.dcm", "spool"]


def test_a_missing_study_uid_is_refused_and_kept_aside(receiver: Receiver, tmp_path: Path) -> None:
    """An instance without Study Instance UID is answered with Cxxx and lies in quarantine."""
    (outcome,) = receiver.send_raw(_raw_file(tmp_path / "a.dcm", encode(dataset(StudyInstanceUID=None))))
    assert outcome.status >> 12 == 0xC
    assert [path.parent.name for path in receiver.files()] == ["quarantine"]


def test_blank_uids_are_refused(receiver: Receiver, tmp_path: Path, shared_data: Path) -> None:
    """Real slices whose UIDs are blank are refused by whoever notices first, and nothing is stored."""
    source = next(path for path in sorted((shared_data / "abdomen-ct").rglob("*")) if path.suffix in (".dcm", ""))
    source = source if source.is_file() else next(path for path in source.rglob("*") if path.is_file())
    assert [outcome.kind for outcome in receiver.send(source)] == [OutcomeKind.UNREADABLE]
    mended = _raw_file(tmp_path / "mended.dcm", encode(pydicom.dcmread(source, force=True)))
    assert [outcome.kind for outcome in receiver.send_raw(mended)] == [OutcomeKind.REFUSED]
    assert receiver.files() == []


def test_another_instance_than_announced(receiver: Receiver, tmp_path: Path) -> None:
    """A dataset with another SOP Instance UID than its request is answered with A900."""
    (outcome,) = receiver.send_raw(_raw_file(tmp_path / "a.dcm", encode(dataset()), sop="1.2.3.4.5"))
    assert outcome.status == 0xA900
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


def _store_message(data: bytes) -> C_STORE_RQ:
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CT, SOP
    request.DataSet = BytesIO(data)
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    return message


def _send_message(association: Any, message: Any, *, without_last: int = 0, context_id: int = 1) -> None:
    pieces = list(message.encode_msg(context_id, 16384))
    for piece in pieces[: len(pieces) - without_last]:
        association.dul.send_pdu(piece)


def test_an_abort_in_the_middle_leaves_nothing(receiver: Receiver, wait_for: Callable[..., None]) -> None:
    """A sender that aborts in the middle of a dataset leaves no file, and the node goes on."""
    association = _association(receiver)
    _send_message(association, _store_message(encode(dataset()) + bytes(100_000)), without_last=2)
    association.abort()
    wait_for(lambda: receiver.node.open_associations() == 0, what="the end of the association")
    assert receiver.files() == []
    assert receiver.dcmtk("echoscu").returncode == 0


@pytest.mark.parametrize("missing", ["AffectedSOPInstanceUID", "AffectedSOPClassUID", "CommandField"])
def test_a_request_without_what_it_needs_is_aborted(
    receiver: Receiver, missing: str, wait_for: Callable[..., None]
) -> None:
    """A C-STORE request that lacks a mandatory element ends its association at once, and the node goes on."""
    association = _association(receiver)
    message = _store_message(encode(dataset()))
    if missing == "CommandField":
        del message.command_set[missing]
    else:
        setattr(message.command_set, missing, "")
    _send_message(association, message)
    wait_for(lambda: not association.is_established, what="the abort")
    wait_for(lambda: receiver.node.open_associations() == 0, what="the end of the association")
    assert receiver.files() == []
    assert receiver.dcmtk("echoscu").returncode == 0


def test_an_unknown_context_is_aborted(receiver: Receiver, wait_for: Callable[..., None]) -> None:
    """A message on a presentation context that was never agreed ends its association, and the node goes on."""
    association = _association(receiver)
    _send_message(association, _store_message(encode(dataset())), context_id=99)
    wait_for(lambda: not association.is_established, what="the abort")
    assert receiver.files() == []
    assert receiver.dcmtk("echoscu").returncode == 0


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", struct.pack(">BBI", 0x99, 0, 4) + b"abcd", struct.pack(">BBI", 0x04, 0, 0)]
)
def test_nonsense_instead_of_an_association(receivers: Callable[..., Receiver], data: bytes) -> None:
    """What is no DICOM, an unknown PDU, or data before any association is aborted; the node goes on."""
    receiver = receivers(network_timeout_s=1)
    with socket.create_connection(("127.0.0.1", receiver.peer.port), timeout=30) as stranger:
        stranger.sendall(data)
        assert stranger.recv(4096)[:1] in (b"", b"\x07")  # closed, or an A-ABORT
    assert receiver.dcmtk("echoscu").returncode == 0


def test_a_pdu_that_claims_4_gib_is_refused_before_it_is_read(receiver: Receiver) -> None:
    """A length beyond reason is answered with A-ABORT at once, before any association exists."""
    with socket.create_connection(("127.0.0.1", receiver.peer.port), timeout=30) as stranger:
        stranger.sendall(struct.pack(">BBI", 0x01, 0, 0xFFFFFFFF))
        assert stranger.recv(4096)[:1] == b"\x07"
    assert receiver.dcmtk("echoscu").returncode == 0


def test_a_stall_inside_the_negotiation_is_closed(receivers: Callable[..., Receiver]) -> None:
    """Half an A-ASSOCIATE-RQ and then silence ends at the ACSE timeout."""
    receiver = receivers(acse_timeout_s=0.5)
    with socket.create_connection(("127.0.0.1", receiver.peer.port), timeout=30) as stranger:
        stranger.sendall(struct.pack(">BBI", 0x01, 0, 200) + bytes(50))
        assert stranger.recv(4096)[:1] in (b"", b"\x07")


@pytest.mark.parametrize("sent", ["half a PDU", "half a message"])
def test_a_stall_inside_a_message_is_closed(
    receivers: Callable[..., Receiver], sent: str, wait_for: Callable[..., None]
) -> None:
    """A sender that stops in the middle of a P-DATA-TF, or between two, is aborted at a deadline; nothing is left."""
    receiver = receivers(network_timeout_s=1)
    association = _association(receiver)
    _send_message(association, _store_message(encode(dataset()) + bytes(100_000)), without_last=2)
    if sent == "half a PDU":
        association.dul.socket.socket.sendall(struct.pack(">BBI", 0x04, 0, 1000) + bytes(10))
    wait_for(lambda: receiver.node.open_associations() == 0, what="the end of the association")
    wait_for(lambda: receiver.files() == [], what="the end of the partial file")
    assert receiver.dcmtk("echoscu").returncode == 0


def test_a_pdu_longer_than_agreed_is_aborted(receivers: Callable[..., Receiver], wait_for: Callable[..., None]) -> None:
    """A P-DATA-TF beyond our maximum length (PS3.8 D.1) ends its association, and nothing of it is kept."""
    receiver = receivers(max_pdu_bytes=4096)
    association = _association(receiver)
    for piece in _store_message(encode(dataset()) + bytes(20_000)).encode_msg(1, 16384):
        association.dul.send_pdu(piece)
    wait_for(lambda: not association.is_established, what="the abort")
    wait_for(lambda: receiver.files() == [], what="the end of the partial file")


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


def test_a_kill_between_rename_and_record_loses_nothing(
    receivers: Callable[..., Receiver], tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """A node that is killed with an instance renamed and not recorded has it, and its study, after the restart."""
    files = [write_file(tmp_path / "in" / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in range(4)]
    script = Path(__file__).with_name("dying_node.py")
    command = [sys.executable, str(script), str(tmp_path / "spool"), "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        peer = Peer(
            ae_title="WETREAD", host="127.0.0.1", port=int(next(filter(str.isdigit, map(str.strip, process.stdout))))
        )
        accepted = [outcome.accepted for _, outcome in send(files, peer, "SENDER")]
        assert process.wait(timeout=30) == -9
    assert accepted == [True, True, False, False]
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
