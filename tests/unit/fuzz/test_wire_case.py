"""Streams are made from seed and number alone, right ones are right, and every way of being wrong is taken."""

from dicom_node.messages.command_set import read_command
from dicom_node.messages.pdata import PDU_HEADER, fragments
from dicom_node.receiving.store_receiver import StoreReceiver
from tests.faults.wire_bytes import ASSOCIATE_RQ, DATA, RELEASE_RQ, associate_rq, echo_rq, store_rq
from tests.fuzz import request_mutations, wire_mutations
from tests.fuzz.wire_case import CONTEXTS, ENDINGS, right_case, wire_case
from tests.fuzz.wire_grammar import FIXED, Element, Message, elements_of, items_of, pieces
from tests.unit.dicom_node.receiving.test_store_receiver import Stored


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    """Seed and number alone decide, whatever was made before; another seed or number is another case."""
    first = [wire_case(7, number) for number in range(300)]
    assert [wire_case(7, number) for number in reversed(range(300))] == first[::-1]
    assert wire_case(8, 5) != first[5]
    assert len({case.steps for case in first}) > 295


def test_a_case_is_the_same_on_every_machine() -> None:
    """These bytes are what the seed gives, in every version of Python that is supported."""
    case = wire_case(20260101, 3)
    assert (case.mutations, case.ending, sum(len(data) for data, _ in case.steps)) == (
        ("items: dropped",),
        "release",
        740,
    )


def test_what_is_taken_apart_is_put_together_again() -> None:
    """An association request and a command set are the same bytes after both."""
    request = associate_rq(CONTEXTS)[6:]
    assert b"".join(item.encode() for item in items_of(request[FIXED:])) == request[FIXED:]
    for command in (store_rq(), echo_rq()):
        assert Message(elements=elements_of(command), dataset=None, context=1).command() == command
    assert pieces(b"abcdef", [2, 2, 9, 4]) == [b"ab", b"", b"cd", b"ef"]


def test_a_right_case_is_taken_by_the_receiver_whole() -> None:
    """Its PDUs are whole ones in order, and every message in them is answered with success."""
    for number in range(200):
        case = right_case(1, number)
        stored: list[Stored] = []
        receiver = StoreReceiver(
            begin=lambda command, context, stored=stored: stored.append(Stored(command, context)) or stored[-1],
            contexts={context: abstract for context, abstract, _ in CONTEXTS},
            longest_pdu=0,
        )
        kinds, answers = [], b""
        for data, _ in case.steps:
            kind, _, length = PDU_HEADER.unpack_from(data)
            assert len(data) == PDU_HEADER.size + length
            kinds.append(kind)
            if kind == DATA:
                answers += receiver.take(memoryview(data)[PDU_HEADER.size :])
        assert kinds == [ASSOCIATE_RQ, *[DATA] * (len(kinds) - 2), RELEASE_RQ]
        assert (case.mutations, case.ending, receiver.in_message) == ((), "release", False)
        assert len(_responses(answers)) == case.answers
        assert all(each.ended == "kept" for each in stored)


def _responses(answers: bytes) -> list[int]:
    found, position = [], 0
    while position < len(answers):
        _, _, length = PDU_HEADER.unpack_from(answers, position)
        start = position + PDU_HEADER.size
        found += [
            read_command(bytes(each.data)).field for each in fragments(memoryview(answers)[start : start + length])
        ]
        position = start + length
    return found


def test_every_way_of_being_wrong_is_taken() -> None:
    """In some thousand cases each mutation of each level comes up, some cases are right, and peers end in every way."""
    cases = [wire_case(1, number) for number in range(4000)]
    taken = {name for case in cases for name in case.mutations}
    levels = {
        "header": request_mutations.OF_HEADER,
        "items": request_mutations.OF_ITEMS,
        "elements": wire_mutations.OF_ELEMENTS,
        "messages": wire_mutations.OF_MESSAGES,
        "values": wire_mutations.OF_VALUES,
        "units": wire_mutations.OF_UNITS,
        "bytes": wire_mutations.OF_BYTES,
    }
    assert taken == {f"{level}: {name}" for level, table in levels.items() for name in table}
    assert {case.ending for case in cases} == set(ENDINGS)
    assert 50 < sum(not case.mutations for case in cases) < 400


def test_a_length_that_is_claimed_is_not_the_truth() -> None:
    """What claims a length says it, over a value that stays."""
    assert Element(number=2, value=b"ab", claims=9).encode() == b"\0\0\2\0\x09\0\0\0ab"
