"""Fragments become stored instances and answers; a request that nobody serves gets a status."""

import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.contexts import VERIFICATION
from dicom_node.errors import WireError
from dicom_node.messages.command_set import Command, read_command
from dicom_node.messages.pdata import PDU_HEADER, fragments
from dicom_node.messages.services import Answer, Incoming, Report
from dicom_node.receiving.store_receiver import StoreReceiver
from tests.unit.dicom_node.instances import CT
from tests.unit.dicom_node.messages.test_command_set import request
from tests.unit.dicom_node.messages.test_pdata import item

COMMAND, LAST = 1, 2
#: Tag and length of Command Field (0000,0100).
FIELD = b"\0\0\0\1\2\0\0\0"
#: C-ECHO-RQ: implicit little endian, no dataset.
ECHO = bytes.fromhex(
    "00000000040000003800000000000200120000003" + "12e322e3834302e31303030382e312e3100" + "00000001020000003000"
    "0000100102000000" + "0100" + "0000000802000000" + "0101"
)


@dataclass
class Stored:
    """A storing that keeps everything in lists."""

    command: Command
    context_id: int
    data: bytearray = field(default_factory=bytearray)
    ended: str = ""

    def write(self, piece: memoryview) -> None:
        """Append."""
        self.data += piece

    def finish(self) -> tuple[int, str]:
        """Say that it is kept."""
        self.ended = "kept"
        return 0, ""

    def answered(self) -> None:
        """Say that its sender knows."""
        self.ended += ", answered"

    def discard(self) -> None:
        """Say that it is not."""
        self.ended = "discarded"


class Desk:
    """A receiver and what it began."""

    def __init__(self, services: Any = None) -> None:
        self.stored: list[Stored] = []
        self.receiver = StoreReceiver(
            begin=self._begin, contexts={1: CT, 3: CT, 5: VERIFICATION}, longest_pdu=16384, services=services
        )

    def _begin(self, command: Command, context_id: int) -> Stored:
        self.stored.append(Stored(command, context_id))
        return self.stored[-1]

    def take(self, *items: bytes) -> list[int]:
        """Take one PDU; return the message ids that were answered."""
        answers = self.receiver.take(memoryview(b"".join(items)))
        return [_answered(answers, start) for start in _starts(answers)]


def _starts(answers: bytes) -> list[int]:
    found, position = [], 0
    while position < len(answers):
        found.append(position)
        position += PDU_HEADER.size + PDU_HEADER.unpack_from(answers, position)[2]
    return found


def _answered(answers: bytes, start: int) -> int:
    length = PDU_HEADER.unpack_from(answers, start)[2]
    (fragment,) = fragments(memoryview(answers)[start + 6 : start + 6 + length])
    command = bytes(fragment.data)
    return int.from_bytes(command[command.index(b"\0\0\x20\x01\2\0\0\0") + 8 :][:2], "little")


def test_command_and_dataset_in_one_pdu() -> None:
    """Several values in one PDU are legal (PS3.8 9.3.5): the instance is kept and answered at once."""
    desk = Desk()
    assert desk.take(item(request(), COMMAND | LAST), item(b"all of it", LAST)) == [7]
    (stored,) = desk.stored
    assert (bytes(stored.data), stored.ended) == (b"all of it", "kept")


def test_what_the_sender_need_not_wait_for_is_done_when_its_answer_is_sent() -> None:
    """Once; also where the association is over before anybody says so."""
    desk = Desk()
    desk.take(item(request(), COMMAND | LAST), item(b"it", LAST))
    assert [stored.ended for stored in desk.stored] == ["kept"]
    desk.receiver.answered()
    desk.take(item(request(), COMMAND | LAST), item(b"it", LAST))
    assert [stored.ended for stored in desk.stored] == ["kept, answered", "kept"]
    desk.receiver.discard()
    assert [stored.ended for stored in desk.stored] == ["kept, answered"] * 2


def test_two_messages_in_one_pdu() -> None:
    """A sender that does not wait gets an answer to each of its requests."""
    desk = Desk()
    pdu = [item(request(MessageID=number), COMMAND | LAST) + item(b"x", LAST) for number in (1, 2)]
    assert desk.take(*pdu) == [1, 2]


@given(st.lists(st.integers(1, 40), max_size=12), st.lists(st.integers(0, 30), max_size=12))
def test_any_fragmentation_is_the_same_instance(command_cuts: list[int], data_cuts: list[int]) -> None:
    """However command set and dataset are cut into PDUs, the bytes are the same and there is one answer."""
    desk, command, data = Desk(), request(), bytes(range(256))
    pieces: list[bytes] = []
    for content, cuts, control in ((command, command_cuts, COMMAND), (data, data_cuts, 0)):
        ends = [min(sum(cuts[: n + 1]), len(content)) for n in range(len(cuts))]
        starts = [0, *ends]
        pieces += [item(content[a:b], control) for a, b in zip(starts, ends, strict=False)]
        pieces.append(item(content[starts[-1] :], control | LAST))
    answered = [number for piece in pieces for number in desk.take(piece)]
    assert answered == [7]
    assert bytes(desk.stored[0].data) == data
    assert not desk.receiver.in_message


def test_data_that_overtakes_its_command_is_kept() -> None:
    """Command and data fragments may be interleaved; the dataset is whole all the same."""
    desk, command = Desk(), request()
    assert desk.take(item(command[:20], COMMAND), item(b"early ", 0), item(command[20:], COMMAND | LAST)) == []
    assert desk.take(item(b"late", LAST)) == [7]
    assert bytes(desk.stored[0].data) == b"early late"


def test_an_echo_is_answered_in_its_turn() -> None:
    """A C-ECHO before, between and behind C-STORE requests, in pieces or in one PDU with them, is answered in order."""
    desk = Desk()
    store = item(request(), COMMAND | LAST) + item(b"x", LAST)
    assert desk.take(item(ECHO, COMMAND | LAST, 5), store, item(ECHO, COMMAND | LAST, 5)) == [1, 7, 1]
    assert desk.take(item(ECHO[:10], COMMAND, 5)) == []
    assert desk.take(item(ECHO[10:], COMMAND | LAST, 5), store) == [1, 7]
    assert not desk.receiver.in_message


def test_the_answer_to_an_echo_is_a_c_echo_rsp() -> None:
    """Verification, success, no dataset, and no SOP Instance UID (PS3.7 9.3.5.2)."""
    answer = Desk().receiver.take(memoryview(item(ECHO, COMMAND | LAST, 5)))
    command = bytes(next(fragments(memoryview(answer)[PDU_HEADER.size :])).data)
    said = read_command(command)
    assert (said.field, said.sop_class_uid, said.has_dataset) == (0x8030, VERIFICATION, False)
    assert command.endswith(b"\0\0\0\x09\2\0\0\0\0\0")


@pytest.mark.parametrize(
    "pdus",
    [
        [item(request(), COMMAND | LAST, 9)],
        [item(request(), COMMAND | LAST), item(b"x", LAST, 3)],
        [item(request(), COMMAND | LAST), item(request(), COMMAND | LAST)],
        [item(b"x", LAST), item(b"y", LAST)],
        [item(b"no command", COMMAND | LAST)],
        [item(b"x" * 70_000, COMMAND)],
        [item(b"x" * (1 << 20), 0), item(b"x", 0)],
        [item(request(), COMMAND | LAST, 5)],
        [item(request().replace(FIELD + b"\1", FIELD + b"\2"), COMMAND | LAST)],
        [item(request().replace(FIELD + b"\1\0", FIELD + b"\0\x81"), COMMAND | LAST)],
        [item(ECHO.replace(b"1.2.840.10008.1.1", b"1.2.840.10008.1.9"), COMMAND | LAST, 5)],
        [item(ECHO.replace(b"\0\0\0\x08\2\0\0\0\1\1", b"\0\0\0\x08\2\0\0\0\1\0"), COMMAND | LAST, 5)],
        [item(b"x", 0, 5), item(ECHO, COMMAND | LAST, 5)],
    ],
    ids=[
        "context",
        "two contexts",
        "two commands",
        "two datasets",
        "nonsense",
        "endless command",
        "no command",
        "a store for an echo's context",
        "no service",
        "an answer to no question",
        "an echo of something else",
        "an echo with a dataset",
        "an echo behind a dataset",
    ],
)
def test_what_the_standard_does_not_allow_is_a_wire_error(pdus: list[bytes]) -> None:
    """Whatever is no message ends in a wire error, and what was begun is not kept."""
    desk = Desk()
    for pdu in pdus[:-1]:
        desk.take(pdu)
    with pytest.raises(WireError):
        desk.take(pdus[-1])
    desk.receiver.discard()
    assert all(stored.ended == "discarded" for stored in desk.stored)


class Speaking:
    """Services that keep datasets, and say what they are given."""

    def __init__(self) -> None:
        self.datasets: list[bytes] = []
        self.to_say: list[Report] = []
        self.answers: list[int | None] = []

    @property
    def ready(self) -> bool:
        """Whether there is something to say."""
        return bool(self.to_say)

    def due(self) -> Report | None:
        """Say it."""
        return self.to_say.pop()

    def answered(self, command: Command) -> bool:
        """Take answers to message 4."""
        self.answers.append(command.status)
        return command.responds_to == 4

    def answer(self, command: Command, context_id: int, incoming: Incoming) -> Answer:
        """Keep the dataset."""
        assert (command.field, context_id) == (0x0140, 1)
        self.datasets.append(bytes(incoming.data))
        return Answer(status=0x0110, comment="no", sop_instance_uid="1.2.9")


def test_other_requests_go_to_the_services_in_their_turn() -> None:
    """With their dataset, in pieces or before the command's end; C-STORE goes on beside them."""
    services = Speaking()
    desk = Desk(services)
    create = request().replace(FIELD + b"\1\0", FIELD + b"\x40\1")
    store = item(request(), COMMAND | LAST) + item(b"x", LAST)
    assert desk.take(store, item(create, COMMAND | LAST), item(b"ab", 0), item(b"cd", LAST), store) == [7, 7, 7]
    assert desk.take(item(create[:20], COMMAND), item(b"early ", 0), item(create[20:], COMMAND | LAST)) == []
    assert desk.take(item(b"late", LAST)) == [7]
    assert services.datasets == [b"abcd", b"early late"]
    assert len(desk.stored) == 2


def test_what_is_said_unasked_is_answered_once() -> None:
    """An event report between messages; its answer, with or without a dataset, gets none. Another answer is wrong."""
    services = Speaking()
    desk = Desk(services)
    services.to_say.append(
        Report(context_id=1, message_id=4, sop_class_uid=CT, sop_instance_uid="1.2", event_type_id=1, dataset=b"report")
    )
    assert desk.take(item(request(), COMMAND | LAST)) == []
    assert not desk.receiver.has_to_speak
    assert desk.take(item(b"x", LAST)) == [7]
    assert desk.receiver.has_to_speak
    said = desk.receiver.unasked()
    parts = [bytes(each.data) for start in _starts(said) for each in fragments(memoryview(_body(said, start)))]
    assert (read_command(parts[0]).field, parts[1:]) == (0x0100, [b"report"])
    assert not desk.receiver.has_to_speak
    for has_dataset in (b"\1\1", b"\1\0"):
        assert desk.take(item(_response(4, has_dataset), COMMAND | LAST)) == []
    assert desk.take(item(b"reply", LAST)) == []
    assert services.answers == [0, 0]
    with pytest.raises(WireError, match="8100"):
        desk.take(item(_response(5, b"\1\1"), COMMAND | LAST))


def _body(answers: bytes, start: int) -> bytes:
    return answers[start + PDU_HEADER.size :][: PDU_HEADER.unpack_from(answers, start)[2]]


def _response(message: int, data_set_type: bytes) -> bytes:
    elements = [(0x0100, b"\0\x81"), (0x0120, bytes((message, 0))), (0x0800, data_set_type), (0x0900, b"\0\0")]
    body = b"".join(struct.pack("<HHI", 0, number, 2) + value for number, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def test_a_request_without_uids_goes_to_who_stores() -> None:
    """Whoever stores refuses it by name; its sender then learns why, and its other instances go on."""
    command = bytearray(request())
    at = command.index(b"\0\0\2\0")
    command[at + 8 : at + 8 + len(b"1.2.840.10008.5.1.4.1.1.2\0")] = bytes(26)
    desk = Desk()
    desk.take(item(bytes(command), COMMAND | LAST))
    assert [stored.command.sop_class_uid for stored in desk.stored] == [""]
