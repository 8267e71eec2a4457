"""Requests for storage commitment that have not been reported on: a file each, on the disk before the answer.

Whoever reports removes the file once the peer has taken the report; so a report is made at least once.
"""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dicom_node.messages.commitment_messages import CommitmentRequest
from dicom_node.messages.services import ServiceRefused, Status
from dicom_node.spooling.disk import Disk, sync_folder
from dicom_node.spooling.durable_note import write_note

_NAME = re.compile("[0-9a-f]{64}")
_ADAPTER = TypeAdapter(CommitmentRequest)
#: Of one peer: it takes no room from others. Reports that are taken at once leave none of them.
_MOST_OPEN = 2000
#: A name begins with so many digits of its peer's digest, and of its transaction's.
_PEER_DIGITS, _TRANSACTION_DIGITS = 16, 16


class CommitmentRequests:
    """The open requests of a spool; for many threads and processes. Every method raises OSError."""

    def __init__(self, spool: Path) -> None:
        """Take the spool's directory; nothing is made before it is needed."""
        self._root = spool / "commitment"
        self._folder = self._root / "requests"

    def keep(self, request: CommitmentRequest) -> str:
        """Keep a request and return its name; when this returns it survives a power cut. Raises ServiceRefused too.

        The same again is the same request. Another one under the Transaction UID of an open one is kept as a duplicate.
        """
        peer = name_of_peer(request.peer)
        transaction = peer + _digest(request.peer, request.transaction_uid)[:_TRANSACTION_DIGITS]
        name = transaction + _digest(*map("=".join, request.references))
        names = {other for other in self.names() if peer_of(other) == peer}
        if name in names:
            # Whoever wrote it may not have come to the sync of its folder.
            sync_folder(self._folder)
            return name
        if len(names) >= _MOST_OPEN:
            raise ServiceRefused(Status.RESOURCE_LIMITATION, "too many open requests; are reports not taken?")
        duplicate = any(other.startswith(transaction) for other in names)
        Disk(self._root).make_folder(self._folder)
        write_note(self._folder / f"{name}.json", _ADAPTER.dump_json(replace(request, duplicate=duplicate)))
        return name

    def names(self) -> frozenset[str]:
        """Return the names of all open requests."""
        try:
            return frozenset(file.stem for file in self._folder.iterdir() if _NAME.fullmatch(file.stem))
        except FileNotFoundError:
            return frozenset()

    def load(self, name: str) -> CommitmentRequest | None:
        """Return a request; None where it is not open any more, or its file is not one of ours."""
        try:
            return _ADAPTER.validate_json((self._folder / f"{name}.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def remove(self, name: str) -> None:
        """Forget a request: its report was taken."""
        # Not synced: should it come back after a power cut, it is reported once more.
        (self._folder / f"{name}.json").unlink(missing_ok=True)


def name_of_peer(ae_title: str) -> str:
    """Return what the names of all requests of a peer begin with."""
    return _digest(ae_title)[:_PEER_DIGITS]


def peer_of(name: str) -> str:
    """Return what the name of a request says of its peer; of one that an earlier release kept, nothing true."""
    return name[:_PEER_DIGITS]


def _digest(*values: str) -> str:
    return hashlib.sha256("\0".join(values).encode()).hexdigest()[:32]
