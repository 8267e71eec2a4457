"""What an archive says is counted as it comes, and an answer before it is parsed; archives are made of bytes here."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.bounded_connection import LONGEST_SENT, SHORTEST_SENT, outgoing_pdu
from dicom_node.archives.bounded_message import LONGEST_ANSWER, MOST_IN_ANSWER, MessageRefused, require_answer
from dicom_node.archives.commitment import CommitmentListener
from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.sender import OutcomeKind
from dicom_node.contexts import STORAGE_COMMITMENT, STUDY_ROOT_FIND
from dicom_node.errors import ArchiveUnreachable
from dicom_node.messages.command_set import read_command, response_to
from dicom_node.messages.pdata import p_data
from tests.faults.wire_bytes import COMMAND, DATA, EXPLICIT, LAST, RELEASE_RP, RELEASE_RQ, RawPeer, pdu, pdv, service_rq
from tests.stalling_archive import Then, read_pdu, stalling_archive
from tests.unit.dicom_node.instances import dataset, encode, write_file

EMPTY_ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"
STUDY = "1.2.3"


def sequence(content: bytes) -> bytes:
    """Return a Referenced Series Sequence with these items, Explicit VR."""
    return struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, len(content)) + content


def names(count: int) -> bytes:
    """Return an Other Patient Names with so many empty values: it is short enough to be an element of UT."""
    return struct.pack("<HH2sHI", 0x0010, 0x1001, b"UT", 0, count) + b"\\" * count


def find_rsp(status: int, *, has_dataset: bool) -> bytes:
    """Return the command set of an answer to our first C-FIND."""
    elements = [
        (0x0002, STUDY_ROOT_FIND.encode() + b"\0" * (len(STUDY_ROOT_FIND) % 2)),
        (0x0100, struct.pack("<H", 0x8020)),
        (0x0120, struct.pack("<H", 1)),
        (0x0800, struct.pack("<H", 1 if has_dataset else 0x0101)),
        (0x0900, struct.pack("<H", status)),
    ]
    body = b"".join(struct.pack("<HHI", 0, number, len(value)) + value for number, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


PENDING = pdv(find_rsp(0xFF00, has_dataset=True), control=COMMAND | LAST)
SUCCESS = pdu(DATA, pdv(find_rsp(0x0000, has_dataset=False), control=COMMAND | LAST))


def says(*pdus: bytes) -> Then:
    """Return an archive that answers with this, then releases when it is asked to."""

    def then(connection: socket.socket, over: threading.Event) -> None:
        read_pdu(connection), read_pdu(connection)
        for answer in pdus:
            connection.sendall(answer)
        if read_pdu(connection)[:1] == bytes([RELEASE_RQ]):
            connection.sendall(pdu(RELEASE_RP, bytes(4)))
        over.wait()

    return then


class Endless:
    """An archive that begins an answer and never ends it.

    Attributes:
        sent: So many bytes of it.
    """

    def __init__(self, control: int) -> None:
        self.sent = 0
        self._control = control

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        """Send until nobody reads."""
        read_pdu(connection)
        with contextlib.suppress(OSError):
            if not self._control & COMMAND:
                connection.sendall(pdu(DATA, PENDING))
            while not over.is_set():
                connection.sendall(pdu(DATA, pdv(bytes(16000), control=self._control)))
                self.sent += 16000


def found(then: Then) -> StudyIdentity | None:
    """Return what an archive says of a study."""
    with stalling_archive(then) as peer:
        return DicomArchive(peer, "TEST", dimse_timeout_s=20).find_study(STUDY)


def test_an_answer_in_pieces_is_one() -> None:
    """Several of a message in one PDU, and one of them over several."""
    answer = encode(dataset(StudyInstanceUID=STUDY, PatientID="P1"))
    first = pdu(DATA, PENDING + pdv(answer[:20]) + pdv(answer[20:30]))
    identity = found(says(first, pdu(DATA, pdv(answer[30:], control=LAST)), SUCCESS))
    assert identity is not None
    assert identity.patient_id == "P1"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (sequence(EMPTY_ITEM * (MOST_IN_ANSWER + 1)), f"more than {MOST_IN_ANSWER} elements"),
        (struct.pack("<HH2sH", 8, 5, b"CS", 0) * (MOST_IN_ANSWER + 1), f"more than {MOST_IN_ANSWER} elements"),
        (names(MOST_IN_ANSWER + 1), f"more than {MOST_IN_ANSWER} values"),
    ],
    ids=["items", "elements", "values"],
)
def test_an_answer_of_many_things_is_not_parsed(answer: bytes, reason: str) -> None:
    """However few its bytes: who asked hears what was wrong with it."""
    pieces = [pdu(DATA, pdv(answer[at : at + 16000])) for at in range(0, len(answer), 16000)]
    with pytest.raises(ArchiveUnreachable, match=f"an answer that is not parsed.*{reason}"):
        found(says(pdu(DATA, PENDING), *pieces, pdu(DATA, pdv(b"", control=LAST)), SUCCESS))


def test_what_an_answer_may_have_passes() -> None:
    """As many items as it may have, and as many values."""
    require_answer(sequence(EMPTY_ITEM * (MOST_IN_ANSWER - 1)), EXPLICIT)
    require_answer(names(MOST_IN_ANSWER), EXPLICIT)
    with pytest.raises(MessageRefused):
        require_answer(names(MOST_IN_ANSWER + 1), EXPLICIT)


@pytest.mark.parametrize(
    ("control", "reason"),
    [(0, "an answer of more than 4 MiB"), (COMMAND, "a command set of more than 64 KiB")],
    ids=["dataset", "command set"],
)
def test_a_message_without_an_end_is_left(control: int, reason: str) -> None:
    """Long before the timeout, whatever was asked; what was sent until then is little."""
    for ask in (lambda archive: archive.find_study(STUDY), lambda archive: archive.echo()):
        endless = Endless(control)
        with stalling_archive(endless) as peer, pytest.raises(ArchiveUnreachable, match=reason):
            ask(DicomArchive(peer, "TEST", dimse_timeout_s=20))
        # The system's buffers took some of it.
        assert endless.sent < LONGEST_ANSWER + (16 << 20)


def test_a_command_that_cannot_be_read_is_told() -> None:
    """One that nests as deep as it is long."""
    nested = struct.pack("<HHI", 0, 0x0002, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    with pytest.raises(ArchiveUnreachable, match="a message that cannot be read"):
        found(says(pdu(DATA, pdv(nested * 900, control=COMMAND | LAST))))


def test_a_report_on_an_association_of_the_archives_own_is_bounded(free_port: Callable[[], int]) -> None:
    """The connection ends, and nothing is reported."""
    reported: list[object] = []
    listener = CommitmentListener("WETREAD", "127.0.0.1", free_port(), lambda *report: reported.append(report) or 0)
    request = service_rq(0x0100, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1")
    items = sequence(EMPTY_ITEM * (MOST_IN_ANSWER + 1))
    try:
        with RawPeer(listener.port).associate([(1, STORAGE_COMMITMENT, EXPLICIT)]) as archive:
            archive.send(pdu(DATA, pdv(request, control=COMMAND | LAST)))
            for at in range(0, len(items), 16000):
                archive.send(pdu(DATA, pdv(items[at : at + 16000])))
            with contextlib.suppress(OSError):
                archive.send(pdu(DATA, pdv(b"", control=LAST)))
            archive.end()
    finally:
        listener.close()
    assert reported == []


def test_a_peer_that_takes_any_length_gets_no_object_as_one_pdu(tmp_path: Path) -> None:
    """Its PDUs are ours at their longest; a shorter length of a peer's is kept."""
    lengths: list[int] = []

    def takes(connection: socket.socket, over: threading.Event) -> None:
        message, command = b"", b""
        while not message or not message[11] & LAST or message[11] & COMMAND:
            message = read_pdu(connection)
            lengths.append(len(message) - 6)
            command = command or message[12:]
        connection.sendall(p_data(1, response_to(read_command(command), status=0), longest_pdu=16384))
        read_pdu(connection)
        connection.sendall(pdu(RELEASE_RP, bytes(4)))
        over.wait()

    file = write_file(tmp_path / "a.dcm", dataset(BitsAllocated=8, PixelData=bytes(5 << 20)))
    with stalling_archive(takes, longest_pdu=0) as peer:
        (outcome,) = DicomArchive(peer, "TEST").store([file])
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert max(lengths) == LONGEST_SENT
    assert sum(lengths) > 5 << 20
    assert [outgoing_pdu(said) for said in (16384, LONGEST_SENT + 1)] == [16384, LONGEST_SENT]


@pytest.mark.parametrize("takes", [1, 6, SHORTEST_SENT - 1])
def test_a_peer_that_takes_next_to_nothing_is_named(takes: int) -> None:
    """Nothing of a message fits into six bytes, and a byte of it into seven."""

    def waits(connection: socket.socket, over: threading.Event) -> None:
        del connection
        over.wait()

    with (
        stalling_archive(waits, longest_pdu=takes) as peer,
        pytest.raises(ArchiveUnreachable, match=f"PDUs of at most {takes} bytes"),
    ):
        DicomArchive(peer, "TEST").find_study(STUDY)
