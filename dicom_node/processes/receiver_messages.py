"""What a receiving process and the one with the assembler say to each other: JSON, a line a message."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from dicom_node.admitting.association import Admission, Caller
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.settings import NodeSettings
from dicom_node.study import StoredInstance
from dicom_node.turned_away import TurnedAway


@dataclass(frozen=True, kw_only=True)
class Begin:
    """To a receiving process, first: what it is to do."""

    settings: NodeSettings
    spool: Path
    accepting: bool
    full_peers: frozenset[str] = frozenset()
    reporters: frozenset[str] = frozenset()
    kind: Literal["begin"] = "begin"


@dataclass(frozen=True, kw_only=True)
class Accepting:
    """To a receiving process: whether instances may be taken from now on, and from whom not."""

    accepting: bool
    full_peers: frozenset[str] = frozenset()
    kind: Literal["accepting"] = "accepting"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """To a receiving process: the answer to a question; `rejection` is the name of a `Rejection`."""

    association: str
    admission: Admission | None
    rejection: str | None
    kind: Literal["verdict"] = "verdict"


@dataclass(frozen=True, kw_only=True)
class ReportAnswer:
    """To a receiving process: the status with which a report of storage commitment is to be answered."""

    number: int
    status: int
    kind: Literal["report answer"] = "report answer"


@dataclass(frozen=True, kw_only=True)
class Serving:
    """From a receiving process: it accepts callers now."""

    pid: int
    kind: Literal["serving"] = "serving"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """From a receiving process: may this caller come in?"""

    caller: Caller
    association: str
    kind: Literal["asking"] = "asking"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """From a receiving process: an instance is in the spool; its sender may know it already."""

    instance: StoredInstance
    association: str
    kind: Literal["stored"] = "stored"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """From a receiving process: an association is over."""

    association: str
    kind: Literal["ended"] = "ended"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """From a receiving process: a caller was turned away, at the handshake or at the door."""

    caller: TurnedAway
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """From a receiving process: somebody lists what a study consists of ("MPPS", "IAN")."""

    study_instance_uid: str
    sop_instance_uids: frozenset[str]
    source: str
    kind: Literal["listed"] = "listed"


@dataclass(frozen=True, kw_only=True)
class CommitmentAsked:
    """From a receiving process: a request for storage commitment is kept under this name, and not answered yet."""

    name: str
    association: str
    kind: Literal["commitment asked"] = "commitment asked"


@dataclass(frozen=True, kw_only=True)
class CommitmentLeft:
    """From a receiving process: it does not report on this request."""

    name: str
    kind: Literal["commitment left"] = "commitment left"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """From a receiving process: an archive reports storage commitment, and waits; `number` is for the answer."""

    number: int
    report: CommitmentReport
    peer: str
    kind: Literal["reported"] = "reported"


Message: TypeAlias = (
    Begin
    | Accepting
    | Verdict
    | ReportAnswer
    | Serving
    | Asking
    | Stored
    | Ended
    | Refused
    | Listed
    | CommitmentAsked
    | CommitmentLeft
    | Reported
)
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


class Line:
    """A connection that carries messages; sending is for any thread, receiving for one."""

    def __init__(self, connection: socket.socket) -> None:
        """Take the connection, which it closes in the end."""
        self._connection = connection
        self._sending = threading.Lock()
        self._unsent = bytearray()

    def send(self, message: Message) -> None:
        """Send a message whole, after those that were put off. Raises OSError when the other side is gone."""
        self.put_off(message)
        self.flush()

    def put_off(self, message: Message) -> None:
        """Send a message with the next one, or when `flush` is called."""
        data = _ADAPTER.dump_json(message)
        with self._sending:
            self._unsent += data + b"\n"

    def flush(self) -> None:
        """Send what was put off. Raises OSError when the other side is gone."""
        with self._sending:
            unsent, self._unsent = self._unsent, bytearray()
            self._connection.sendall(unsent)

    def received(self) -> Iterator[Message]:
        """Yield messages until the other side is gone. Raises pydantic's ValidationError for what is none."""
        with self._connection.makefile("rb") as stream:
            try:
                for line in stream:
                    if line.endswith(b"\n"):  # else its sender died within it
                        yield _ADAPTER.validate_json(line)
            except OSError:
                return

    def close(self) -> None:
        """Close it; who receives is woken."""
        with contextlib.suppress(OSError):  # it was gone already
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
