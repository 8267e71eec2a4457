"""C-STORE from the wire to the spool: fragments in, a response out. Every other message is somebody else's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dicom_node.command_set import C_STORE_RQ, Command, read_command, store_response
from dicom_node.errors import WireError
from dicom_node.pdata import Fragment, fragments, p_data

#: The longest command set, and the most of a dataset that may come before its command is complete.
_LONGEST_COMMAND = 64 * 1024
_LONGEST_EARLY = 1 << 20


class Storing(Protocol):
    """One instance that is being received."""

    def write(self, piece: memoryview) -> None:
        """Take the next bytes of the dataset. Never raises: what fails is told by `finish`."""

    def finish(self) -> tuple[int, str]:
        """Keep it; return the response's status and error comment. Never raises."""

    def discard(self) -> None:
        """Forget what came so far."""


#: Begins to store: the request, and the id of its presentation context.
Begin = Callable[[Command, int], Storing]


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """The rest of a PDU that belongs to a message which is no C-STORE request.

    Attributes:
        earlier: Bodies of P-DATA-TF PDUs with the first fragments of its command set.
        start: Where it begins in the body of this one.
    """

    earlier: tuple[bytes, ...]
    start: int


class StoreReceiver:
    """The messages of one association: a C-STORE request at a time (no asynchronous operations are negotiated)."""

    def __init__(self, *, begin: Begin, contexts: Mapping[int, object], longest_pdu: int) -> None:
        """Take who stores, the accepted presentation contexts by id, and the longest PDU that the peer takes."""
        self._begin = begin
        self._contexts = contexts
        self._longest_pdu = longest_pdu
        self._foreign = _ForeignMessage()
        self._start = 0  # in the body of the PDU: where the message's first fragment in it begins
        self._forget()

    @property
    def in_message(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._context_id is not None or self._foreign.open

    def take(self, body: memoryview) -> tuple[bytes, Foreign | None]:
        """Take the body of a P-DATA-TF PDU.

        Returns what is to be sent, empty for nothing, and what somebody else must take. Raises WireError.
        """
        answers = b""
        for fragment in fragments(body):
            if self._foreign.open:
                return answers, self._pass_on(body, fragment.start)
            if not self._belongs(fragment):
                return answers, self._pass_on(body, fragment.start)
            if self._command is not None and self._dataset_complete:
                answers += self._answer(self._command)
        if self._context_id is not None and self._command is None:
            self._raw.append(bytes(body[self._start :]))
            self._start = 0
        return answers, None

    def discard(self) -> None:
        """Forget what is not complete: the association is over."""
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
        self._raw: list[bytes] = []
        self._start = 0

    def _belongs(self, fragment: Fragment) -> bool:
        """Take a fragment; False when it shows that the message is no C-STORE request."""
        if self._context_id is None:
            if fragment.context_id not in self._contexts:
                raise WireError("a message on a presentation context that was not accepted")
            self._context_id = fragment.context_id
            self._start = fragment.start
        elif fragment.context_id != self._context_id:
            raise WireError("one message on two presentation contexts")
        if fragment.command:
            return self._take_command(fragment)
        self._take_data(fragment)
        return True

    def _take_command(self, fragment: Fragment) -> bool:
        if self._command is not None:
            raise WireError("a command set goes on after its last fragment")
        self._command_bytes += fragment.data
        if len(self._command_bytes) > _LONGEST_COMMAND:
            raise WireError(f"a command set of more than {_LONGEST_COMMAND} bytes")
        if not fragment.last:
            return True
        command = read_command(self._command_bytes)
        if command.field != C_STORE_RQ:
            return False
        self._command = command
        self._storing = self._begin(command, fragment.context_id)
        if self._early:
            self._storing.write(memoryview(self._early))
        self._dataset_complete = self._dataset_complete or not command.has_dataset
        return True

    def _take_data(self, fragment: Fragment) -> None:
        if self._dataset_complete:
            raise WireError("a dataset goes on after its last fragment")
        if self._storing is not None:
            self._storing.write(fragment.data)
        else:
            # Legal, and rare: the dataset's first fragments overtook the command's last one.
            self._early += fragment.data
            if len(self._early) > _LONGEST_EARLY:
                raise WireError("a dataset without a command set")
        self._dataset_complete = fragment.last

    def _answer(self, command: Command) -> bytes:
        storing, context_id = self._storing, self._context_id
        assert storing is not None  # noqa: S101  # it began with the command
        assert context_id is not None  # noqa: S101
        status, comment = storing.finish()
        self._forget()
        response = store_response(command, status=status, comment=comment)
        return p_data(context_id, response, longest_pdu=self._longest_pdu)

    def _pass_on(self, body: memoryview, start: int) -> Foreign:
        """Give the message to somebody else, from its first fragment on, and see where it ends."""
        begun = self._context_id is not None
        earlier = tuple(self._raw)
        first = self._start if begun else start
        self._forget()
        for part in (*earlier, bytes(body[first:])):
            for fragment in fragments(memoryview(part)):
                self._foreign.take(fragment)
        return Foreign(earlier=earlier, start=first)


class _ForeignMessage:
    """Where a message of somebody else ends: with its command set, or with the dataset that this announces."""

    def __init__(self) -> None:
        self._command = bytearray()
        self.open = False

    def take(self, fragment: Fragment) -> None:
        self.open = True
        if not fragment.command:
            self.open = not fragment.last
            return
        self._command += fragment.data
        if len(self._command) > _LONGEST_COMMAND:
            raise WireError(f"a command set of more than {_LONGEST_COMMAND} bytes")
        if fragment.last:
            self.open = read_command(self._command).has_dataset
            self._command.clear()
