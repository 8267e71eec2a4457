"""An HTTP POST of JSON. With a signing key its receiver can tell that it came from us and is not an old one again.

X-Wetread-Signature is ``sha256=`` and the HMAC-SHA256 (hex) over X-Wetread-Timestamp, a full stop, and the body.
"""

import hashlib
import hmac
import json
import ssl
import time
import urllib.error
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import Any

from ops.notifiers.cut_off import STEPS, SocketNow, cut_off
from ops.secret import read_secret
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification_records import Answer, Message
from worker.notifying.notification_settings import WebhookSettings, is_private
from worker.secret_settings import Secret

_LONGEST_ANSWER = 65536
_TOO_EARLY_OR_OFTEN = (408, 425, 429)
_SERVER_ERROR = 500


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the message to an address that the site has not named."""

    def redirect_request(  # noqa: PLR6301, RUF100  # urllib's signature
        self, req: Any, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow nothing."""
        del req, fp, code, msg, headers, newurl


class _Watched:
    """Of http.client: `sock` is its own, and gone when the head of an answer has come."""

    def __init__(self, connections: list[SocketNow], *arguments: Any, **options: Any) -> None:
        self._connections = connections
        super().__init__(*arguments, **options)

    def connect(self) -> None:
        """Connect."""
        connection: Any = super()
        self._connections.append(lambda: self.sock)  # type: ignore[attr-defined]  # a proxy answers while it connects
        connection.connect()
        opened = self.sock  # type: ignore[attr-defined]
        self._connections.append(lambda: opened)


class _PlainConnection(_Watched, HTTPConnection):
    pass


class _TlsConnection(_Watched, HTTPSConnection):
    pass


class _Handler(urllib.request.HTTPSHandler):
    """Opens connections that somebody watches."""

    #: Before urllib's own for http://, which is there too.
    handler_order = 400

    def __init__(self, connections: list[SocketNow], context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._tls = context
        self._connections = connections

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        """Open http://."""
        return self.do_open(partial(_PlainConnection, self._connections), request)

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        """Open https://."""
        return self.do_open(partial(_TlsConnection, self._connections), request, context=self._tls)


class Webhook:
    """Posts messages to one address."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Take the channel's settings; proxies come from the environment (HTTPS_PROXY), as everywhere."""
        self._settings = settings

    def tell(self, message: Message) -> Answer:
        """Post it; an answer ``{"acknowledged": true, "by": "name"}`` acknowledges. Raises ChannelAway, ChannelRefused.

        What else the other side answers is not looked at, and kept nowhere.
        """
        body = json.dumps(body_of(message), ensure_ascii=False).encode()
        request = urllib.request.Request(self._url(message), body, self._headers(message, body), method="POST")  # noqa: S310  # http(s) only, by the settings
        try:
            with (
                cut_off(STEPS * self._settings.timeout_s) as connections,
                self._opener(connections).open(request, timeout=self._settings.timeout_s) as response,
            ):
                return _answer(response.status, response.read(_LONGEST_ANSWER), self._settings.name)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code >= _SERVER_ERROR or error.code in _TOO_EARLY_OR_OFTEN:
                raise ChannelAway(f"the webhook answered status {error.code}; is its service well?") from error
            raise ChannelRefused(
                f"the webhook answered status {error.code}; are address, token and signing key right?"
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            raise ChannelAway(f"the webhook does not answer ({_cause(error)}); can this machine reach it?") from error

    def _url(self, message: Message) -> str:
        if not isinstance(self._settings.url, Secret):
            return self._settings.url
        url = read_secret(self._settings.url)
        if not url.startswith(("https://", "http://")):
            raise ChannelRefused("the webhook's address does not begin with https://; mend the secret that holds it")
        if not is_private(url) and (message.patient is not None or self._settings.token is not None):
            raise ChannelRefused("patient data and tokens go to https:// addresses only; mend the secret that holds it")
        return url

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "wetread",
            "Idempotency-Key": message.key,
        }
        if self._settings.token is not None:
            headers["Authorization"] = f"Bearer {read_secret(self._settings.token)}"
        if self._settings.signing_key is not None:
            timestamp = str(int(time.time()))
            headers["X-Wetread-Timestamp"] = timestamp
            headers["X-Wetread-Signature"] = signature(read_secret(self._settings.signing_key), timestamp, body)
        return headers

    def _opener(self, connections: list[SocketNow]) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=self._settings.ca_file)
        return urllib.request.build_opener(_NoRedirects, _Handler(connections, context))


def body_of(message: Message) -> dict[str, Any]:
    """Return what is posted; `patient` is there only where the site lets it go."""
    body: dict[str, Any] = {
        "key": message.key,
        "notification": message.notification_id,
        "acknowledge_as": message.name,
        "topic": message.topic,
        "step": message.step,
        "title": message.title,
        "sentences": list(message.sentences),
        "language": message.language,
        "accession_number": message.accession_number,
        "study_instance_uid": message.study_instance_uid,
        "model": message.model,
        "created_at": message.created_at.isoformat(),
    }
    if message.patient is not None:
        body["patient"] = {
            "id": message.patient.patient_id,
            "issuer": message.patient.issuer_of_patient_id,
            "name": message.patient.patient_name,
            "birth_date": message.patient.patient_birth_date,
        }
    return body


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Return the value of X-Wetread-Signature."""
    return "sha256=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _answer(status: int, body: bytes, channel: str) -> Answer:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and said.get("acknowledged") is True:
        by = said.get("by")
        name = "".join(c for c in by if c.isprintable())[:64] if isinstance(by, str) else ""
        return Answer(acknowledged_by=name or f"the service behind {channel}", text=f"status {status}")
    return Answer(text=f"status {status}")


def _cause(error: Exception) -> str:
    # Not the error's own words where it is urllib's: they may hold the address, which may be a secret.
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or type(reason).__name__
