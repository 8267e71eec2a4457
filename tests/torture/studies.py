"""Small studies that stream in: a PACS that sends again what was not answered with success, until it is."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dicom_node.archives.sender import send
from dicom_node.errors import NodeError
from dicom_node.settings import Peer


class Stream(threading.Thread):
    """Sends studies one after another.

    Attributes:
        answered: How many studies were answered with success, each instance of them.
    """

    def __init__(self, studies: Sequence[list[Path]], port: int, *, every_s: float) -> None:
        """Take the studies, the node's port, and the pause between two of them."""
        super().__init__(name="stream")
        self.answered = 0
        self._studies = studies
        self._peer = Peer(ae_title="WETREAD", host="127.0.0.1", port=port)
        self._every_s = every_s
        self._stopped = threading.Event()

    def run(self) -> None:
        """Send all of them."""
        for study in self._studies:
            while not self._sent(study):
                if self._stopped.wait(0.5):
                    return
            self.answered += 1
            if self._stopped.wait(self._every_s):
                return

    def stop(self) -> None:
        """Send no more."""
        self._stopped.set()
        self.join()

    def wait(self, within_s: float) -> None:
        """Wait until all were answered, at most so long."""
        deadline = time.monotonic() + within_s
        while self.is_alive() and time.monotonic() < deadline:
            self.join(1.0)

    def _sent(self, study: list[Path]) -> bool:
        try:
            return all(outcome.accepted for _, outcome in send(study, self._peer, "TORTURE"))
        except (NodeError, OSError):
            return False  # the node is being replaced or stands still; a PACS sends again, and so do we
