"""The services beside C-STORE and C-ECHO: a table of operations, and what every request is asked before one sees it.

A request that nobody here serves, or that is wrong, gets the status that PS3.7 C has for it; its association goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

import structlog

from dicom_node.datasets.elements import Encoding, encoding_of
from dicom_node.error_place import defect_of
from dicom_node.errors import HeadUnreadable, NodeError, StoreRefused
from dicom_node.messages.command_set import N_EVENT_REPORT_RSP, Command

_log = structlog.get_logger()

#: A reference to an instance has at most some 150 bytes: 25,000 of them, ten times what a large study has.
LONGEST_DATASET = 4 << 20


class Status(Enum):
    """Statuses of DIMSE-N (PS3.7 C), with an Error Comment."""

    SUCCESS = 0x0000, ""
    INVALID_ATTRIBUTE_VALUE = 0x0106, "invalid attribute value"
    PROCESSING_FAILURE = 0x0110, "processing failure"
    DUPLICATE_SOP_INSTANCE = 0x0111, "there is such an instance already"
    NO_SUCH_SOP_INSTANCE = 0x0112, "no such SOP Instance here"
    NO_SUCH_EVENT_TYPE = 0x0113, "no such event type"
    INVALID_ARGUMENT_VALUE = 0x0115, "invalid argument value"
    INVALID_SOP_INSTANCE = 0x0117, "the SOP Instance UID is not a UID"
    NO_SUCH_SOP_CLASS = 0x0118, "the SOP Class is not the presentation context's"
    MISSING_ATTRIBUTE = 0x0120, "missing attribute"
    MISSING_ATTRIBUTE_VALUE = 0x0121, "missing attribute value"
    NO_SUCH_ACTION_TYPE = 0x0123, "no such action type"
    UNRECOGNISED_OPERATION = 0x0211, "this operation is not served for this SOP Class"
    RESOURCE_LIMITATION = 0x0213, "more than is taken here"

    @property
    def code(self) -> int:
        """The number on the wire."""
        return self.value[0]

    @property
    def comment(self) -> str:
        """What it is told with, where nothing more is known."""
        return self.value[1]


class ServiceRefused(NodeError):
    """A request of a service is refused; `status` is what its sender gets, the message its Error Comment.

    Attributes:
        status: Of the response.
        error_id: Error ID (0000,0903), where the service has one for it.
    """

    def __init__(self, status: Status, comment: str = "", *, error_id: int | None = None) -> None:
        """Take the status and, where more is known than it says, what to tell."""
        super().__init__(comment or status.comment)
        self.status = status
        self.error_id = error_id


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request with all of its dataset.

    Attributes:
        sop_instance_uid: Affected or Requested SOP Instance UID; empty where it names none.
        action_type_id: Of an N-ACTION.
        event_type_id: Of an N-EVENT-REPORT.
        dataset: Its bytes; None where it has none.
        encoding: Of the dataset.
        context_id: Of its presentation context.
    """

    sop_instance_uid: str
    action_type_id: int | None
    event_type_id: int | None = None
    dataset: memoryview | None
    encoding: Encoding
    context_id: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """An N-EVENT-REPORT request, on the association and context over which its subject came.

    Attributes:
        context_id: Of the presentation context.
        message_id: (0000,0110).
        sop_class_uid: Affected SOP Class UID.
        sop_instance_uid: Affected SOP Instance UID.
        event_type_id: (0000,1002).
        dataset: Event information, encoded as the context says.
    """

    context_id: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    event_type_id: int
    dataset: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request is answered with.

    Attributes:
        status: Of the response.
        comment: Error Comment; empty for none.
        error_id: Error ID; None for none.
        sop_instance_uid: Of an instance that was made, where the request named none.
    """

    status: int
    comment: str = ""
    error_id: int | None = None
    sop_instance_uid: str = ""


#: Does what a request asks; returns the UID of the instance that it made, else "". Raises ServiceRefused,
#: HeadUnreadable for a dataset that cannot be read, StoreRefused where there is no room, OSError.
Operation: TypeAlias = Callable[[Request], str]


class Reporting(Protocol):
    """A service that has something to say without being asked. Never raises."""

    @property
    def ready(self) -> bool:
        """Whether something is to be said now; looked at often, between messages."""

    def due(self) -> Report | None:
        """Return what is to be said now, if anything; to find it out may take some time."""

    def answered(self, message_id: int, status: int) -> bool:
        """Hear of a response to a report; return False if none was waited for."""


class Incoming:
    """The dataset of a request that is being received: as much as is allowed is kept, the rest is only taken."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.data = bytearray()
        self.too_long = False

    def write(self, piece: memoryview | bytearray) -> None:
        """Take the next bytes."""
        if len(self.data) + len(piece) > LONGEST_DATASET:
            self.too_long = True
            self.data = bytearray()
        if not self.too_long:
            self.data += piece


class Services:
    """The services of one association."""

    def __init__(
        self,
        operations: Mapping[tuple[int, str], Operation],
        contexts: Mapping[int, tuple[str, str]],
        reporting: Reporting | None = None,
        *,
        calling_ae_title: str = "",
    ) -> None:
        """Take the table, by Command Field and SOP class, the contexts, and who reports.

        Args:
            operations: What is served.
            contexts: Abstract and transfer syntax of the accepted contexts, by id.
            reporting: None where nothing is ever reported.
            calling_ae_title: For the log.
        """
        self._calling_ae_title = calling_ae_title
        self._operations = operations
        self._contexts = contexts
        self._reporting = reporting

    def answer(self, command: Command, context_id: int, incoming: Incoming) -> Answer:
        """Serve a request. Never raises."""
        try:
            return Answer(status=Status.SUCCESS.code, sop_instance_uid=self._served(command, context_id, incoming))
        except ServiceRefused as refusal:
            return self._refused(command, refusal.status, str(refusal), str(refusal), refusal.error_id)
        except HeadUnreadable as error:
            return self._refused(command, Status.PROCESSING_FAILURE, "the dataset cannot be read", str(error))
        except StoreRefused as refusal:
            return self._refused(command, Status.RESOURCE_LIMITATION, refusal.comment, str(refusal))
        except OSError as error:
            return self._refused(command, Status.PROCESSING_FAILURE, "the disk failed", str(error.strerror))
        except Exception as error:  # noqa: BLE001 - the outermost frame of a request: a bug must not end in silence
            # Not the error's words: they could quote the dataset.
            return self._refused(command, Status.PROCESSING_FAILURE, "internal error", defect_of(error))

    @property
    def ready(self) -> bool:
        """Whether something is to be said without having been asked."""
        return self._reporting is not None and self._reporting.ready

    def due(self) -> Report | None:
        """Return what is to be said without having been asked, if anything."""
        return None if self._reporting is None else self._reporting.due()

    def answered(self, command: Command) -> bool:
        """Hear of a response; return False if none like it was waited for."""
        if self._reporting is None or command.field != N_EVENT_REPORT_RSP or command.responds_to is None:
            return False
        # A response without a status is one that says nothing good.
        status = Status.PROCESSING_FAILURE.code if command.status is None else command.status
        return self._reporting.answered(command.responds_to, status)

    def _served(self, command: Command, context_id: int, incoming: Incoming) -> str:
        abstract_syntax, transfer_syntax = self._contexts[context_id]
        operation = self._operations.get((command.field, abstract_syntax))
        if operation is None:
            raise ServiceRefused(Status.UNRECOGNISED_OPERATION)
        if command.sop_class_uid != abstract_syntax:
            raise ServiceRefused(Status.NO_SUCH_SOP_CLASS)
        if incoming.too_long:
            raise ServiceRefused(Status.RESOURCE_LIMITATION, f"a dataset of more than {LONGEST_DATASET} bytes")
        return operation(
            Request(
                sop_instance_uid=command.sop_instance_uid,
                action_type_id=command.action_type_id,
                event_type_id=command.event_type_id,
                dataset=memoryview(bytes(incoming.data)) if command.has_dataset else None,
                encoding=encoding_of(transfer_syntax),
                context_id=context_id,
            )
        )

    def _refused(
        self, command: Command, status: Status, comment: str, cause: str, error_id: int | None = None
    ) -> Answer:
        _log.warning(
            "request refused",
            calling_ae_title=self._calling_ae_title,
            command=f"{command.field:04X}",
            status=f"{status.code:04X}",
            cause=cause,
        )
        return Answer(status=status.code, comment=comment[:64], error_id=error_id)
