"""The audit trail as a file of its own: one message a line, for its owner's eyes only."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from dicom_node.spooling.disk import sync_folder
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
                _require_file(descriptor)
                os.fchmod(descriptor, _PRIVATE)
                if os.fstat(descriptor).st_size == 0:
                    # Else a power cut can forget a new file whose messages wait nowhere else any more.
                    sync_folder(self._file.parent)
                _append(descriptor, b"".join(message.xml + b"\n" for message in messages))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AuditAway(
                f"{self._file} takes no audit messages ({error.strerror}); may this user write there, is the disk full?"
            ) from error


def _require_file(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")


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
