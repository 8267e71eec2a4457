"""The messages of an association that we open, or that an archive opens to report: bounded while they come, and ours.

pynetdicom keeps a message's fragments until its last, however many come, and pydicom makes an object of each element,
each item and each value: a few bytes of an answer become a hundred times as many. So a message is counted as it comes,
and an answer before it is parsed; what is beyond a bound ends the connection, and `refusal` says what it was.
"""

import contextlib
import socket
from typing import Any

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.pdu_primitives import P_DATA

from dicom_node.archives.bounded_connection import outgoing_pdu
from dicom_node.datasets.modesty import require_modest
from dicom_node.errors import HeadUnreadable, NodeError

#: Of an answer, or of a report: one that names sixty thousand instances comes near.
LONGEST_ANSWER = 4 << 20
#: Elements and items of an answer, and values of elements that have several: tens of megabytes once they are parsed.
MOST_IN_ANSWER = 50_000
_LONGEST_COMMAND = 64 << 10
_COMMAND, _LAST = 0x01, 0x02  # PS3.8 E.2


class MessageRefused(NodeError):
    """A message is beyond a bound, or cannot be read; the words say which, and quote nothing of it."""


def require_answer(dataset: bytes, transfer_syntax_uid: str) -> None:
    """Refuse the dataset of an answer that would cost much more than its bytes. Raises MessageRefused."""
    try:
        require_modest(dataset, transfer_syntax_uid, before_pixels=False, most=MOST_IN_ANSWER)
    except HeadUnreadable as error:
        raise MessageRefused(f"an answer that is not parsed: {error}") from error
    if dataset.count(b"\\") > MOST_IN_ANSWER:
        raise MessageRefused(f"an answer that is not parsed: its elements have more than {MOST_IN_ANSWER} values")


class BoundedMessages(DIMSEServiceProvider):
    """pynetdicom's DIMSE with bounds, in both directions."""

    def __init__(self, association: Any, *, longest_instance: int = LONGEST_ANSWER) -> None:
        """Take an association that has sent nothing yet, and how many bytes an instance may have that it sends us."""
        super().__init__(association)
        self._longest_instance = longest_instance
        self._command_bytes = self._dataset_bytes = 0
        self.refusal = ""

    @property
    def maximum_pdu_size(self) -> int:
        """How long the PDUs are that we send."""
        return outgoing_pdu(super().maximum_pdu_size)

    def receive_primitive(self, primitive: Any) -> None:
        """Take fragments, one by one: the command says of which kind the dataset is. Of what was refused, none."""
        for context_id, fragment in primitive.presentation_data_value_list:
            if self.refusal:
                return
            try:
                self._require_room(context_id, fragment)
                single = P_DATA()
                single.presentation_data_value_list.append((context_id, fragment))
                super().receive_primitive(single)
            except MessageRefused as refused:
                self._refuse(str(refused))
            except Exception as error:  # noqa: BLE001 - pynetdicom trips over commands, and its thread would end
                self._refuse(f"a message that cannot be read ({type(error).__name__})")
            if self.message is None:
                self._command_bytes = self._dataset_bytes = 0

    def _require_room(self, context_id: int, fragment: bytes) -> None:
        control, size = fragment[0], len(fragment) - 1
        if control & _COMMAND:
            self._command_bytes += size
            if self._command_bytes > _LONGEST_COMMAND:
                raise MessageRefused(f"a command set of more than {_LONGEST_COMMAND >> 10} KiB")
            return
        is_instance = isinstance(self.message, C_STORE_RQ)
        longest = self._longest_instance if is_instance else LONGEST_ANSWER
        self._dataset_bytes += size
        if self._dataset_bytes > longest:
            what = "an instance" if is_instance else "an answer"
            raise MessageRefused(f"{what} of more than {longest >> 20} MiB")
        if control & _LAST and not is_instance and self.message is not None:
            require_answer(self.message.data_set.getvalue() + fragment[1:], self._syntax_of(context_id))

    def _syntax_of(self, context_id: int) -> str:
        for context in self.assoc.accepted_contexts:
            if context.context_id == context_id:
                return str(context.transfer_syntax[0])
        raise MessageRefused("a message on a presentation context that was not accepted")

    def _refuse(self, refusal: str) -> None:
        self.refusal, self.message = refusal, None
        # What waits for it hears that the connection is gone; an abort would be read by a peer that still sends, later.
        with contextlib.suppress(OSError, AttributeError):
            self.dul.socket.socket.shutdown(socket.SHUT_RDWR)


def bound_messages(association: Any) -> None:
    """Bound what comes over an association that an archive has just opened; to be called as its connection opens."""
    association.dimse = BoundedMessages(association)
