"""That a part which may be there once on a machine, for one data directory, is."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from ops.settings import Settings, SettingsError


@contextmanager
def alone(settings: Settings, part: str) -> Iterator[None]:
    """Be the only such part of this machine that works in the data directory, until it ends in whatever way.

    Raises SettingsError where another one is: each would remove what the other is writing, and overwrite its settings.
    """
    with (settings.run / f"{part}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                raise SettingsError(
                    f"another `wetread {part}` of this machine works in {settings.data}; stop it, or name another data "
                    "directory with --data or `data`"
                ) from None
            # On a volume without locks nobody can tell.
        yield
