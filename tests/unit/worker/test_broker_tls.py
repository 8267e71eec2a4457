"""A Redis behind TLS is one whose certificate and name were verified, for tokens and for readiness alike."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ops.certificates import require_usable
from ops.dashboard.readiness import NotReady, broker_check
from ops.settings import Settings, SettingsError, load
from tests.certificates import Authority, Pair
from tests.redis_server import RedisServer
from tests.tls_proxy import tls_proxy
from worker.broker_tls import tls_options, without_tls_options
from worker.errors import BrokerAway
from worker.queueing.celery_app import TokenPublisher, make_app
from worker.settings import WorkerSettings

VERIFIED = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h/0", {}),
        ("redis+socket:///run/redis.sock?virtual_host=0", {}),
        ("rediss://h/0", VERIFIED),
        # Of a client OpenSSL's "optional" is "required".
        ("rediss://h/0?ssl_cert_reqs=optional", VERIFIED),
        ("rediss://h/0?ssl_ca_certs=/ca.pem", {**VERIFIED, "ssl_ca_certs": "/ca.pem"}),
        ("rediss://localhost/0?ssl_check_hostname=False", {**VERIFIED, "ssl_check_hostname": False}),
        ("rediss://localhost/0?ssl_cert_reqs=none", {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}),
    ],
)
def test_certificate_and_name_are_verified_unless_the_url_says_otherwise(url: str, expected: dict[str, object]) -> None:
    """Celery's connection carries these options whatever the URL says: kombu would read the URL's over them."""
    assert tls_options(url, None) == expected
    app = make_app(url, WorkerSettings())
    assert (app.connection_for_write().ssl or {}) == expected
    assert (app.connection_for_read().ssl or {}) == expected


def test_a_ca_file_goes_over_that_of_the_url() -> None:
    """The setting is the newer word."""
    assert tls_options("rediss://h/0?ssl_ca_certs=/old.pem", Path("/new.pem"))["ssl_ca_certs"] == "/new.pem"


def test_only_the_options_of_tls_are_taken_out_of_a_url() -> None:
    """What else it says stays, and a URL without any stays as it is."""
    assert without_tls_options("rediss://:p@h/0?ssl_cert_reqs=none&client_name=a&%73sl_ca_certs=b") == (
        "rediss://:p@h/0?client_name=a"
    )
    assert without_tls_options("rediss://h/0?ssl_cert_reqs=none") == "rediss://h/0"
    assert without_tls_options("redis+socket:///s?virtual_host=0") == "redis+socket:///s?virtual_host=0"


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        ({"url": "rediss://h/0?ssl_cert_reqs=none"}, ("ca_file", "anybody")),
        ({"url": "rediss://h/0?ssl_cert_reqs=CERT_NONE"}, ("ca_file", "anybody")),
        ({"url": "rediss://h/0?ssl_check_hostname=false"}, ("ca_file", "anybody")),
        ({"url": "rediss://h/0?ssl_cert_reqs=of-course"}, ("ssl_cert_reqs", "required")),
        ({"url": "rediss://h/0?ssl_wonders=1"}, ("ssl_wonders", "leave it out")),
        ({"url": "redis://h/0?ssl_cert_reqs=required"}, ("rediss://",)),
        ({"url": "rediss://h/0?a=1;rediss://i/0?ssl_cert_reqs=none"}, ("only one Redis", "%3B")),
        ({"url": "redis://h/0", "ca_file": "/ca.pem"}, ("ca_file", "rediss://")),
    ],
)
def test_what_verifies_too_little_is_refused(broker: dict[str, str], words: tuple[str, ...]) -> None:
    """At the start, with a sentence that says what to write instead."""
    environ = {f"WETREAD_BROKER__{key.upper()}": value for key, value in broker.items()}
    with pytest.raises(SettingsError) as refusal:
        load(None, environ)
    for word in words:
        assert word in str(refusal.value)


def test_a_ca_file_that_is_not_there_is_found_by_the_check_of_the_settings(tmp_path: Path) -> None:
    """`wetread config check` loads it as it does every other."""
    broker = {"url": "rediss://h/0", "ca_file": tmp_path / "missing.pem"}
    with pytest.raises(Exception, match=r"missing\.pem"):
        require_usable(Settings.model_validate({"data": tmp_path, "broker": broker}))


def test_a_certificate_of_nobody_known_gets_no_token(authority: Authority, free_port: Callable[[], int]) -> None:
    """A listener with a certificate of a CA that this machine does not trust hears nothing but a failed handshake."""
    port, pair = free_port(), authority.issue("redis")
    url = f"rediss://127.0.0.1:{port}/0"
    with listener(pair, port) as heard:
        with pytest.raises(BrokerAway):
            TokenPublisher(make_app(url, WorkerSettings()))("gpu", 1)
        with pytest.raises(NotReady, match="CERTIFICATE_VERIFY_FAILED"):
            broker_check(url)()
    assert heard == []


def test_a_certificate_of_another_name_gets_no_token(authority: Authority, free_port: Callable[[], int]) -> None:
    """One of the right CA, for another host: the name counts too."""
    port, pair = free_port(), authority.issue("elsewhere", names="DNS:elsewhere.example.org")
    url = f"rediss://127.0.0.1:{port}/0"
    with listener(pair, port) as heard:
        with pytest.raises(BrokerAway):
            TokenPublisher(make_app(url, WorkerSettings(), ca_file=authority.file))("gpu", 1)
        with pytest.raises(NotReady, match="CERTIFICATE_VERIFY_FAILED"):
            broker_check(url, authority.file)()
    assert heard == []


def test_a_redis_of_our_ca_takes_tokens(
    redis_server: RedisServer, authority: Authority, free_port: Callable[[], int]
) -> None:
    """With its CA in `ca_file` it is ready and takes a token."""
    port = free_port()
    url = f"rediss://localhost:{port}/0"
    with tls_proxy(authority.issue("redis"), port, redis_server.port):
        TokenPublisher(make_app(url, WorkerSettings(), ca_file=authority.file))("verified", 1)
        broker_check(url, authority.file)()
    assert redis_server.tokens("verified") == 1


@contextmanager
def listener(pair: Pair, port: int) -> Iterator[list[bytes]]:
    """Listen with TLS; yield what clients said after a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    heard: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                plain, _ = door.accept()
                # A client that refuses the certificate may do so after its half of a handshake of TLS 1.3.
                with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as client:
                    if said := client.recv(1000):
                        heard.append(said)

    with socket.create_server(("127.0.0.1", port)) as door:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield heard
        door.shutdown(socket.SHUT_RDWR)
    serving.join()
