"""Messages from the wire: C-STORE to the spool, C-ECHO, `dicom_node.messages.services`; fragments in, responses out."""

from collections.abc import Callable, Mapping
from typing import Protocol

from dicom_node.contexts import VERIFICATION, is_storage
from dicom_node.errors import WireError
from dicom_node.messages.command_set import (
    C_ECHO_RQ,
    C_STORE_RQ,
    OTHER_REQUESTS,
    Command,
    event_report,
    read_command,
    response_to,
)
from dicom_node.messages.pdata import Fragment, fragments, p_data
from dicom_node.messages.services import Answer, Incoming, Services

#: The longest command set, and the most of a dataset that may come before its command is complete.
_LONGEST_COMMAND = 64 * 1024
_LONGEST_EARLY = 1 << 20
_SUCCESS = 0x0000


class Storing(Protocol):
    """One instance that is being received."""

    def write(self, piece: memoryview) -> None:
        """Take the next bytes of the dataset. Never raises: what fails is told by `finish`."""

    def finish(self) -> tuple[int, str]:
        """Keep it; return the response's status and error comment. Never raises."""

    def answered(self) -> None:
        """Do what its sender need not wait for: the response is sent, or cannot be. Never raises."""

    def discard(self) -> None:
        """Forget what came so far."""


#: Begins to store: the request, and the id of its presentation context.
Begin = Callable[[Command, int], Storing]


class StoreReceiver:
    """The messages of one association: a request at a time (no asynchronous operations are negotiated)."""

    def __init__(
        self, *, begin: Begin, contexts: Mapping[int, str], longest_pdu: int, services: Services | None = None
    ) -> None:
        """Take who stores, the accepted contexts' abstract syntaxes by id, and the longest PDU that the peer takes.

        Without `services` every operation but C-STORE and C-ECHO is answered as one that is not recognised.
        """
        self._begin = begin
        self._services = services or Services({}, {number: (syntax, "") for number, syntax in contexts.items()})
        self._contexts = contexts
        self._longest_pdu = longest_pdu
        self._finished: list[Storing] = []
        self._forget()

    @property
    def in_message(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._context_id is not None

    def take(self, body: memoryview) -> bytes:
        """Take the body of a P-DATA-TF PDU; return what is to be sent, empty for nothing. Raises WireError.

        Once that is sent, or cannot be, `answered` is to be called.
        """
        answers = b""
        for fragment in fragments(body):
            self._take(fragment)
            if self._command is not None and self._dataset_complete:
                answers += self._answer(self._command)
        return answers

    def answered(self) -> None:
        """Hear that what was to be sent is on its way: the sender goes on meanwhile."""
        finished, self._finished = self._finished, []
        for storing in finished:
            storing.answered()

    @property
    def has_to_speak(self) -> bool:
        """Whether there is something to be sent without having been asked; looked at often, where nothing comes."""
        return not self.in_message and self._services.ready

    def unasked(self) -> bytes:
        """Return it, empty for nothing; to find it out may take some time."""
        report = self._services.due()
        if report is None:
            return b""
        command = event_report(
            message_id=report.message_id,
            sop_class_uid=report.sop_class_uid,
            sop_instance_uid=report.sop_instance_uid,
            event_type_id=report.event_type_id,
        )
        return p_data(report.context_id, command, dataset=report.dataset, longest_pdu=self._longest_pdu)

    def discard(self) -> None:
        """Forget what is not complete: the association is over."""
        self.answered()
        if self._storing is not None:
            self._storing.discard()
        self._forget()

    def _forget(self) -> None:
        self._context_id: int | None = None
        self._command: Command | None = None
        self._command_bytes = bytearray()
        self._early = bytearray()
        self._dataset_complete = False
        self._storing: Storing | None = None
        self._incoming: Incoming | None = None

    def _take(self, fragment: Fragment) -> None:
        if self._context_id is None:
            if fragment.context_id not in self._contexts:
                raise WireError("a message on a presentation context that was not accepted")
            self._context_id = fragment.context_id
        elif fragment.context_id != self._context_id:
            raise WireError("one message on two presentation contexts")
        if fragment.command:
            self._take_command(fragment)
        else:
            self._take_data(fragment)

    def _take_command(self, fragment: Fragment) -> None:
        if self._command is not None:
            raise WireError("a command set goes on after its last fragment")
        self._command_bytes += fragment.data
        if len(self._command_bytes) > _LONGEST_COMMAND:
            raise WireError(f"a command set of more than {_LONGEST_COMMAND} bytes")
        if not fragment.last:
            return
        command = read_command(self._command_bytes)
        if command.field == C_STORE_RQ:
            self._begin_to_store(command, fragment.context_id)
        elif command.field == C_ECHO_RQ:
            self._require_echo(command)
        elif command.field in OTHER_REQUESTS:
            self._begin_to_serve()
        elif self._services.answered(command):
            self._begin_to_serve()  # what follows a response is taken and forgotten
        else:
            raise WireError(f"a message with the Command Field {command.field:04X}, which is no request of any service")
        self._command = command
        self._dataset_complete = self._dataset_complete or not command.has_dataset

    def _begin_to_store(self, command: Command, context_id: int) -> None:
        # A caller may have been given Verification and nothing else.
        if not is_storage(self._contexts[context_id]):
            raise WireError("a C-STORE request on a presentation context for another service")
        self._storing = self._begin(command, context_id)
        if self._early:
            self._storing.write(memoryview(self._early))

    def _begin_to_serve(self) -> None:
        self._incoming = Incoming()
        self._incoming.write(self._early)

    def _require_echo(self, command: Command) -> None:
        if command.sop_class_uid != VERIFICATION:
            raise WireError("a C-ECHO request without the Verification SOP Class as its Affected SOP Class UID")
        if command.has_dataset or self._early or self._dataset_complete:
            raise WireError("a C-ECHO request with a dataset")

    def _take_data(self, fragment: Fragment) -> None:
        if self._dataset_complete:
            raise WireError("a dataset goes on after its last fragment")
        if self._storing is not None:
            self._storing.write(fragment.data)
        elif self._incoming is not None:
            self._incoming.write(fragment.data)
        else:
            # Legal, and rare: the dataset's first fragments overtook the command's last one.
            self._early += fragment.data
            if len(self._early) > _LONGEST_EARLY:
                raise WireError("a dataset without a command set")
        self._dataset_complete = fragment.last

    def _answer(self, command: Command) -> bytes:
        storing, incoming, context_id = self._storing, self._incoming, self._context_id
        assert context_id is not None  # noqa: S101  # it began with the first fragment
        if command.is_response:
            self._forget()
            return b""
        answer = Answer(status=_SUCCESS)
        if storing is not None:
            status, comment = storing.finish()
            self._finished.append(storing)
            answer = Answer(status=status, comment=comment)
        elif incoming is not None:
            answer = self._services.answer(command, context_id, incoming)
        self._forget()
        response = response_to(
            command,
            status=answer.status,
            comment=answer.comment,
            error_id=answer.error_id,
            sop_instance_uid=answer.sop_instance_uid,
        )
        return p_data(context_id, response, longest_pdu=self._longest_pdu)
