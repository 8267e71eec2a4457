"""How a `rediss://` broker is reached: its certificate and its name are verified, whatever kombu's defaults are. Pure.

Celery takes the options of TLS in a URL over those of its settings, and verifies nothing where neither has any;
redis-py reads some of them differently. So they are read here, once for both, and neither sees them in the URL.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_REQUIRED = ("required", "CERT_REQUIRED", "optional", "CERT_OPTIONAL")
_NONE = ("none", "CERT_NONE")
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
#: What redis-py takes as text, as it stands in a URL.
_AS_THEY_ARE = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def require_verified(url: str) -> None:
    """Raise ValueError, with cause and remedy, where a URL's options of TLS cannot be read or verify too little."""
    given = dict(_given(url))
    if not given:
        return
    if not url.startswith("rediss://"):
        raise ValueError(f"{min(given)} says something of TLS, which only rediss:// has")
    for name, value in given.items():
        if name == "ssl_cert_reqs" and value in (*_REQUIRED, *_NONE):
            continue
        if name == "ssl_check_hostname" and value.lower() in (*_YES, *_NO):
            continue
        if name not in _AS_THEY_ARE:
            raise ValueError(
                f"{name} with this value is none of ssl_cert_reqs=required, ssl_check_hostname=true, "
                f"{', '.join(f'{known}=...' for known in _AS_THEY_ARE)}; correct it or leave it out"
            )
    if _verifies_less(given) and (urlsplit(url).hostname or "localhost") not in _LOOPBACK:
        raise ValueError(
            "ssl_cert_reqs=none and ssl_check_hostname=false let anybody on the way be this Redis; leave them out, and "
            "name the CA of its certificate in broker.ca_file"
        )


def tls_options(url: str, ca_file: Path | None) -> dict[str, Any]:
    """Return the keyword arguments of redis-py's SSLConnection; none for a URL without TLS.

    Args:
        url: One that `require_verified` takes.
        ca_file: Certificates to trust beside the system's, PEM.
    """
    if not url.startswith("rediss://"):
        return {}
    given = dict(_given(url))
    options: dict[str, Any] = {name: value for name, value in given.items() if name in _AS_THEY_ARE}
    if ca_file is not None:
        options["ssl_ca_certs"] = str(ca_file)
    unverified = given.get("ssl_cert_reqs") in _NONE
    options["ssl_cert_reqs"] = ssl.CERT_NONE if unverified else ssl.CERT_REQUIRED
    options["ssl_check_hostname"] = not _verifies_less(given)
    return options


def without_tls_options(url: str) -> str:
    """Return a URL without its options of TLS."""
    address, mark, query = url.partition("?")
    kept = "&".join(piece for piece in query.split("&") if not list(_of(piece)))
    return address + (mark + kept if kept else "")


def _verifies_less(given: dict[str, str]) -> bool:
    return given.get("ssl_cert_reqs") in _NONE or given.get("ssl_check_hostname", "true").lower() in _NO


def _given(url: str) -> Iterator[tuple[str, str]]:
    return _of(url.partition("?")[2])


def _of(query: str) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name.startswith("ssl_"))
