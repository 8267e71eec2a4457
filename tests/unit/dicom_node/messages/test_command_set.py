"""Command sets: requests and responses read, responses and event reports written."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset
from pynetdicom.dimse_messages import C_STORE_RQ, N_ACTION_RQ, N_EVENT_REPORT_RSP
from pynetdicom.dimse_primitives import C_STORE, N_ACTION, N_EVENT_REPORT

from dicom_node.errors import WireError
from dicom_node.messages.command_set import event_report, read_command, response_to
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


def _normalised(primitive: Any, message: Any) -> bytes:
    message.primitive_to_message(primitive)
    return b"".join(
        data[1:] for pdata in message.encode_msg(1, 0) for _, data in pdata.presentation_data_value_list if data[0] & 1
    )


def test_an_action_names_what_it_is_requested_of() -> None:
    """Requested SOP Class and Instance UID, and the action (PS3.7 10.3.4.1); its response calls them affected."""
    primitive = N_ACTION()
    primitive.MessageID, primitive.ActionTypeID = 9, 1
    primitive.RequestedSOPClassUID, primitive.RequestedSOPInstanceUID = CT, SOP
    command = read_command(_normalised(primitive, N_ACTION_RQ()))
    assert (command.field, command.sop_class_uid, command.sop_instance_uid) == (0x0130, CT, SOP)
    assert (command.action_type_id, command.has_dataset, command.is_response) == (1, False, False)
    data = response_to(command, status=0x0110, comment="over", error_id=0xA506)
    found = read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
    assert (found.CommandField, found.Status, found.ErrorID) == (0x8130, 0x0110, 0xA506)
    assert (found.AffectedSOPClassUID, found.AffectedSOPInstanceUID) == (CT, SOP)


def test_an_event_report_is_one_that_others_read_and_its_answer_is_read() -> None:
    """Our request, and pynetdicom's response (PS3.7 10.3.1)."""
    data = event_report(message_id=3, sop_class_uid=CT, sop_instance_uid=SOP, event_type_id=2)
    found = read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
    assert (found.CommandField, found.MessageID, found.EventTypeID) == (0x0100, 3, 2)
    assert (found.AffectedSOPClassUID, found.AffectedSOPInstanceUID) == (CT, SOP)
    assert found.CommandDataSetType != 0x0101
    assert found.CommandGroupLength == len(data) - 12
    assert read_command(data).event_type_id == 2
    primitive = N_EVENT_REPORT()
    primitive.MessageIDBeingRespondedTo, primitive.Status, primitive.AffectedSOPClassUID = 3, 0x0110, CT
    command = read_command(_normalised(primitive, N_EVENT_REPORT_RSP()))
    assert (command.field, command.responds_to, command.status) == (0x8100, 3, 0x0110)
    assert command.is_response


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_a_wire_error(data: bytes) -> None:
    """Whatever comes, nothing else is raised."""
    try:
        read_command(data)
    except WireError:
        return
