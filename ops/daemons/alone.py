"""That a part which may be there once on a machine, for one data directory, is."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ops.settings import Settings, SettingsError


@contextmanager
def alone(settings: Settings, part: str) -> Iterator[None]:
    """Be the only such part of this machine that works in the data directory, until it ends in whatever way.

    Raises SettingsError where another one is: each would remove what the other is writing, and overwrite its settings.
    """
    with _lock_file(settings, part) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                raise SettingsError(
                    f"another wetread {part} of this machine works in {settings.data}; stop it, or name another data "
                    "directory with --data or `data`"
                ) from None
            # On a volume without locks nobody can tell.
        yield


def _lock_file(settings: Settings, part: str) -> TextIO:
    file = settings.run / f"{part}.lock"
    try:
        return file.open("w", encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be written ({error.strerror}); has another user run wetread here? Give it to this user, or "
            "name another data directory with --data or `data`"
        ) from error
