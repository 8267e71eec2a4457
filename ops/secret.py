"""A secret is read when it is needed, so that it can be changed without a restart, and is shown nowhere."""

import os

from worker.errors import ChannelAway
from worker.secret_settings import Secret


def read_secret(secret: Secret) -> str:
    """Return the secret without white space around it. Raises ChannelAway, which does not show it."""
    if secret.file is None:
        if value := os.environ.get(secret.env, "").strip():
            return value
        raise ChannelAway(f"the environment variable {secret.env} is empty; set it for `wetread deliver`")
    try:
        value = secret.file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ChannelAway(
            f"the secret {secret.file} cannot be read ({type(error).__name__}); may this user read it?"
        ) from error
    if not value:
        raise ChannelAway(f"the secret {secret.file} is empty; write the secret into it")
    return value
