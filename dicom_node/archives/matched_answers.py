"""The answers of associations that we open: each goes to who asked for it, by its Message ID (PS3.7 9.1).

An association of pynetdicom has a thread that takes whatever has come and answers requests. It is to stand aside while
somebody waits for an answer, and on a busy machine it does not always: it throws the answer away as "unexpected", and
whoever asked waits until the timeout. Nor does pynetdicom look at the Message ID: a peer that answers one request twice
would answer the next one with it.
"""

import math
import queue
import threading
import time
from typing import Any

import structlog

from dicom_node.archives.bounded_message import LONGEST_ANSWER, BoundedMessages

_log = structlog.get_logger()

_PENDING = (0xFF00, 0xFF01)  # PS3.4 C.4.1.1.4
#: How often who waits for an answer looks whether there is still somebody who might give one.
_LOOK_S = 1.0

_NOTHING = (None, None)


class MatchedAnswers(BoundedMessages):
    """pynetdicom's DIMSE, whose own thread takes nothing while an answer is waited for."""

    def __init__(self, association: Any, *, longest_instance: int = LONGEST_ANSWER) -> None:
        """Take an association that has sent nothing yet, and how many bytes an instance may have that it sends us."""
        super().__init__(association, longest_instance=longest_instance)
        self._turn = threading.Lock()
        self._asked: int | None = None

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Send a message; of a request, what comes is an answer from now on."""
        if primitive.MessageIDBeingRespondedTo is None:
            with self._turn:
                self._asked = primitive.MessageID
        super().send_msg(primitive, context_id)

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002 - pynetdicom's signature
        """Return (context, message) or (None, None): to pynetdicom's own thread at once, to who asked when it comes."""
        if block:
            return self._answer()
        with self._turn:
            return _NOTHING if self._asked is not None else super().get_msg()

    def _answer(self) -> Any:
        """Wait for the answer, or a request that the peer makes meanwhile (C-STORE in a C-GET).

        The timeout begins with the last of the request: while its PDUs leave, the peer has nothing to answer.
        """
        end, unsent = self._end(), self.dul.to_provider_queue.qsize()
        while True:
            before, unsent = unsent, self.dul.to_provider_queue.qsize()
            if unsent < before:
                end = self._end()
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                context_id, message = self.msg_queue.get(timeout=min(left, _LOOK_S))
            except queue.Empty:
                if self.dul.is_alive():
                    continue
                break
            if message is None:
                break
            answers: int | None = message.MessageIDBeingRespondedTo
            if answers is not None and answers != self._asked:
                _log.warning("answer not taken", reason="it names no request that is open", message_id=answers)
                continue
            if answers is not None and getattr(message, "Status", None) not in _PENDING:
                self._asked = None
            return context_id, message
        self._asked = None
        return _NOTHING

    def _end(self) -> float:
        return math.inf if self.dimse_timeout is None else time.monotonic() + self.dimse_timeout


def match_answers(association: Any, *, longest_instance: int = LONGEST_ANSWER) -> None:
    """Have an association that was just opened give its answers to who asks; to be called as its connection opens."""
    association.dimse = MatchedAnswers(association, longest_instance=longest_instance)
