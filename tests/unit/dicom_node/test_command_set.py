"""Command sets of C-STORE and C-ECHO."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from dicom_node.command_set import read_command, response_to
from dicom_node.errors import WireError
from tests.unit.dicom_node.instances import CT, SOP


def request(**values: Any) -> bytes:
    """Return a C-STORE request's command set as pynetdicom encodes it."""
    primitive = C_STORE()
    fields = {"MessageID": 7, "AffectedSOPClassUID": CT, "AffectedSOPInstanceUID": SOP, "Priority": 1, **values}
    for keyword, value in fields.items():
        setattr(primitive, keyword, value)
    primitive.DataSet = BytesIO(b"data")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    return b"".join(
        data[1:] for pdata in message.encode_msg(1, 0) for _, data in pdata.presentation_data_value_list if data[0] & 1
    )


def test_a_request_is_read_as_it_was_written() -> None:
    """Every value of a request that another implementation encodes is there."""
    command = read_command(request())
    assert (command.field, command.message_id, command.priority, command.has_dataset) == (1, 7, 1, True)
    assert (command.sop_class_uid, command.sop_instance_uid) == (CT, SOP)


def test_a_response_is_one_that_others_read() -> None:
    """What pydicom reads of a response: status, comment and identifiers; every value has an even length."""
    data = response_to(read_command(request()), status=0xA700, comment="spool full!")
    found = read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
    assert (found.CommandField, found.MessageIDBeingRespondedTo, found.CommandDataSetType) == (0x8001, 7, 0x0101)
    assert (found.Status, found.ErrorComment) == (0xA700, "spool full!")
    assert (found.AffectedSOPClassUID, found.AffectedSOPInstanceUID) == (CT, SOP)
    assert found.CommandGroupLength == len(data) - 12


def test_success_has_no_comment() -> None:
    """A response without a comment lacks Error Comment (0000,0902)."""
    found = read_dataset(
        BytesIO(response_to(read_command(request()), status=0)), is_implicit_VR=True, is_little_endian=True
    )
    assert "ErrorComment" not in found


def test_a_wrong_group_length_is_refused() -> None:
    """A command set whose group length is not its length is a wire error."""
    data = bytearray(request())
    data[8] += 2
    with pytest.raises(WireError, match="group length"):
        read_command(data)


@pytest.mark.parametrize("cut", [1, 7, 12, 30])
def test_a_truncated_command_is_refused(cut: int) -> None:
    """A command set that breaks off is a wire error."""
    with pytest.raises(WireError):
        read_command(request()[:-cut])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_a_wire_error(data: bytes) -> None:
    """Whatever comes, nothing else is raised."""
    try:
        read_command(data)
    except WireError:
        return
