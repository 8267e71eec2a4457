"""Presentation data values, walked in place."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.errors import WireError
from dicom_node.messages.pdata import PDU_HEADER, fragments, p_data


def item(data: bytes, control: int, context_id: int = 1) -> bytes:
    """Return one presentation data value with its header."""
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def test_several_values_in_one_pdu() -> None:
    """Each value comes with its context, its kind, and whether it is the last."""
    body = item(b"command", 3) + item(b"data", 0, 5) + item(b"", 2)
    found = [(each.context_id, each.command, each.last, bytes(each.data)) for each in fragments(memoryview(body))]
    assert found == [(1, True, True, b"command"), (5, False, False, b"data"), (1, False, True, b"")]


@pytest.mark.parametrize("length", [0, 1, 12, 0xFFFFFFFF])
def test_a_wrong_length_is_refused(length: int) -> None:
    """A value too short for its own header, or longer than its PDU, is a wire error (PS3.8 9.3.5.1)."""
    body = struct.pack(">IBB", length, 1, 0) + b"12345678"
    with pytest.raises(WireError, match="claims"):
        list(fragments(memoryview(body)))


def test_half_a_header_is_refused() -> None:
    """A PDU that ends inside a value's header is a wire error."""
    with pytest.raises(WireError, match="ends inside"):
        list(fragments(memoryview(item(b"data", 0) + b"\0\0\0")))


@given(st.binary(max_size=200))
def test_any_bytes_end_in_fragments_or_a_wire_error(data: bytes) -> None:
    """Whatever comes, the walk ends, stays inside the bytes, and raises nothing else."""
    try:
        found = list(fragments(memoryview(data)))
    except WireError:
        return
    assert sum(len(each.data) + 6 for each in found) == len(data)


@given(st.binary(min_size=1, max_size=300), st.sampled_from([0, 7, 16, 64, 16384]))
def test_a_command_is_cut_to_what_the_peer_takes(command: bytes, longest: int) -> None:
    """No PDU is longer than the peer's maximum (PS3.8 D.1), and the parts make the whole, the last one marked."""
    sent, parts, lasts = p_data(3, command, longest_pdu=longest), [], []
    while sent:
        _, _, length = PDU_HEADER.unpack_from(sent)
        assert not longest or length <= longest
        for fragment in fragments(memoryview(sent)[6 : 6 + length]):
            parts.append(bytes(fragment.data))
            lasts.append(fragment.last)
        sent = sent[6 + length :]
    assert b"".join(parts) == command
    assert lasts == [False] * (len(lasts) - 1) + [True]


@given(st.binary(max_size=100), st.sampled_from([0, 16, 64]))
def test_a_dataset_follows_its_command(dataset: bytes, longest: int) -> None:
    """In fragments of its own, the last one marked; none for none."""
    sent, parts = p_data(3, b"command", dataset=dataset, longest_pdu=longest), []
    while sent:
        _, _, length = PDU_HEADER.unpack_from(sent)
        parts += [(each.command, each.last, bytes(each.data)) for each in fragments(memoryview(sent)[6 : 6 + length])]
        sent = sent[6 + length :]
    data = [part for part in parts if not part[0]]
    assert b"".join(part[2] for part in data) == dataset
    assert [part[1] for part in data] == [False] * (len(data) - 1) + [True] * bool(data)
    assert parts[len(parts) - len(data) :] == data
