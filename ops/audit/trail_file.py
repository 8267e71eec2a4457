"""The audit trail as a file of its own: one message a line, for its owner's eyes only."""

import os
from collections.abc import Sequence
from pathlib import Path

from ops.audit.syslog_message import AuditAway, Outward

_PRIVATE = 0o600


class TrailFile:
    """Appends; opened anew each time, so that it may be renamed (logrotate) while wetread runs."""

    def __init__(self, file: Path) -> None:
        """Take where it is; it is made where need be."""
        self._file = file

    def send(self, messages: Sequence[Outward]) -> None:
        """Append all of them and sync. Raises AuditAway, and then none was appended."""
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Not through a link that somebody else has put there.
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._file, flags, _PRIVATE)
            try:
                os.fchmod(descriptor, _PRIVATE)
                _append(descriptor, b"".join(message.xml + b"\n" for message in messages))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AuditAway(
                f"{self._file} takes no audit messages ({error.strerror}); may this user write there, is the disk full?"
            ) from error


def _append(descriptor: int, data: bytes) -> None:
    end = os.fstat(descriptor).st_size
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        data = b"\n" + data  # a line that a power cut left without its end
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise
