"""The secret of this site, under which patients' keys are made (`worker.jobs.patient_key`): a file of one owner."""

import os
import secrets
import tempfile
from pathlib import Path

from worker.errors import PatientSecretUnusable

_SECRET_BYTES = 32


def load_secret(file: Path) -> bytes:
    """Return the secret in this file; it is made, readable by its owner only, where it is not there yet.

    Machines that share a ledger share the file. Raises PatientSecretUnusable.
    """
    try:
        if not file.exists():
            _make_secret(file)
        secret = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except OSError as error:
        raise PatientSecretUnusable(
            f"{file}: the secret of patients' keys cannot be read or made ({error.strerror}); let this user read "
            "and write it, on a file system that takes hard links"
        ) from error
    except ValueError as error:
        raise PatientSecretUnusable(
            f"{file}: holds no secret in hexadecimal digits; remove it or restore it"
        ) from error
    if len(secret) < _SECRET_BYTES:
        raise PatientSecretUnusable(f"{file}: its secret is shorter than {_SECRET_BYTES} bytes; remove or restore it")
    return secret


def _make_secret(file: Path) -> None:
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as making:  # of mode 0600
        making.write(secrets.token_hex(_SECRET_BYTES))
        making.flush()
        os.fsync(making.fileno())
    try:
        # Whole under its name or not there; and where two processes start together, the first one's stays.
        file.hardlink_to(making.name)
    except FileExistsError:
        pass
    finally:
        Path(making.name).unlink()
