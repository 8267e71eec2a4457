"""Whether a broker's URL is one that Celery and redis-py read; read once, where it is set, and not at each token. Pure.

What they cannot read is a ValueError in whatever thread publishes next.
"""

import re
from urllib.parse import parse_qs, urlsplit

from worker.broker_tls import require_verified

SCHEMES = ("redis://", "rediss://", "redis+socket://")
_ENCODE = "percent-encode what a password has of / ? # [ ] @ (%2F for a slash)"


def require_readable(url: str) -> None:
    """Raise ValueError, with cause and remedy and without the password, where a URL cannot be read."""
    if not url.startswith(SCHEMES):
        raise ValueError("must start with redis://, rediss:// or redis+socket://")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Its words could quote a part of the password.
        raise ValueError(f"the port is no number from 0 to 65535, or the host cannot be read; {_ENCODE}") from None
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(f"something that should be the password stands behind the host; {_ENCODE}")
    # Behind redis+socket:// the path is the socket's.
    is_socket = parts.scheme == "redis+socket"
    named = parse_qs(parts.query, keep_blank_values=True).get("virtual_host", []) if is_socket else [parts.path]
    if any(not re.fullmatch(r"/*[0-9]*", database) for database in named):
        where = "?virtual_host=0" if is_socket else "/0 at its end"
        raise ValueError(f"the database is no number; write one, such as {where}, or {_ENCODE}")
    if ";" in url:
        # Celery would take what follows for another broker, which nothing here has looked at.
        raise ValueError("only one Redis can be named; write %3B for a semicolon in a password")
    require_verified(url)
