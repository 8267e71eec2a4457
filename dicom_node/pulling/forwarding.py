"""Instances handed on to a node as they arrive: one association, opened anew where it was lost, one file at a time."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dicom_node.archives.requestor import Requestor
from dicom_node.datasets.part10 import encode_meta
from dicom_node.errors import ArchiveUnreachable

_SOP_CLASS_NOT_SUPPORTED = 0x0122  # PS3.7 C
_CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3


class Forwarder:
    """A node that instances are handed on to."""

    def __init__(self, node: Requestor, kinds: Sequence[tuple[str, str]]) -> None:
        """Take the node, and the (SOP class, transfer syntax) of what may come; at most 128."""
        self._node = node
        self._kinds = kinds
        #: Of SOP classes that the node takes: transfer syntaxes in which it does not, and of how many instances.
        self.syntaxes_not_taken: Counter[str] = Counter()
        self._association: Any = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Associate, so that a node that is not there is known before anything is fetched.

        Raises ArchiveUnreachable, AssociationRejected.
        """
        self._association = self._open.enter_context(self._node.associate(self._kinds))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the association."""
        self._open.close()

    def _refusal(self, sop_class_uid: str, transfer_syntax_uid: str) -> int:
        """Return the status of what the node has not agreed to take; 0 where it has."""
        contexts = self._association.accepted_contexts
        taken = {cx.transfer_syntax[0] for cx in contexts if cx.abstract_syntax == sop_class_uid}
        if transfer_syntax_uid in taken:
            return 0
        if not taken:
            return _SOP_CLASS_NOT_SUPPORTED
        self.syntaxes_not_taken[transfer_syntax_uid] += 1
        return _CANNOT_UNDERSTAND

    def store(self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, data: memoryview) -> int:
        """Store one dataset; return the status of the node's answer, also where it takes nothing of this kind.

        Raises ArchiveUnreachable, AssociationRejected, OSError.
        """
        if refusal := self._refusal(sop_class_uid, transfer_syntax_uid):
            return refusal
        if not self._association.is_established:
            # An archive may think longer than the node waits for the next instance.
            self._open.close()
            self._association = self._open.enter_context(self._node.associate(self._kinds))
        with tempfile.NamedTemporaryFile(prefix="wetread-pull-", suffix=".dcm") as file:
            file.write(
                encode_meta(
                    sop_class_uid=sop_class_uid,
                    sop_instance_uid=sop_instance_uid,
                    transfer_syntax_uid=transfer_syntax_uid,
                    calling_ae_title=self._node.calling_ae_title,
                    called_ae_title=self._node.peer.ae_title,
                )
            )
            file.write(data)
            file.flush()
            try:
                response = self._association.send_c_store(Path(file.name))
            except RuntimeError:
                response = {}  # it aborted since the look above
        if "Status" not in response:
            raise ArchiveUnreachable(f"{self._node} ended the association in the middle; is it stopping? Its log tells")
        return int(response.Status)
