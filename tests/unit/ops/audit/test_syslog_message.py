"""Audit messages over real sockets: what is sent is taken, and what is not known to be taken is not done."""

import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from dicom_node.tls_settings import TlsClientSettings
from ops.audit import syslog_message
from ops.audit.message import Teller, message
from ops.audit.records import Activity
from ops.audit.settings import SyslogSettings
from ops.audit.syslog_message import NOTICE, AuditAway, Outward, TlsSyslog, UdpSyslog, frame
from tests.certificates import Authority, Pair
from tests.syslog_receivers import Ending, TlsReceiver, UdpReceiver, opened

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
TELLER = Teller(ae_title="WETREAD", process="wetread node", host="reader1", source_id="Ä", site_id="")
XML = message(Activity(at=AT, started=True), TELLER, patient=None)  # type: ignore[arg-type]
MESSAGES = [Outward(at=AT, pid=4711, severity=NOTICE, host="reader 1", xml=XML)] * 300


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    """A certificate for both sides."""
    return authority.issue("repository")


def tls_settings(own: Pair, authority: Authority, port: int) -> SyslogSettings:
    """Return the settings of a repository on this machine."""
    tls = TlsClientSettings(ca=authority.file, certificate=own.certificate, key=own.key)
    return SyslogSettings(host="localhost", port=port, tls=tls)


def test_the_header_is_that_of_the_standard() -> None:
    """PS3.15 A.6: priority 85, MSGID DICOM+RFC3881; RFC 5424: time with milliseconds, byte order mark."""
    framed = frame(MESSAGES[0])
    assert framed.startswith(b"<85>1 2026-01-02T03:04:05.678Z reader1 wetread 4711 DICOM+RFC3881 - \xef\xbb\xbf<?xml")
    assert opened(framed)[0] == 85


@pytest.mark.parametrize("ending", ["notify", "close", "garble"])
def test_over_tls_all_come_in_order(own: Pair, authority: Authority, ending: Ending) -> None:
    """Each with the length before it, over one connection, whose end shows that all were read."""
    with TlsReceiver(own, authority, ending=ending) as repository:
        TlsSyslog(tls_settings(own, authority, repository.port)).send(MESSAGES)
        assert repository.received == [frame(one) for one in MESSAGES]
        assert repository.connections == 1


def test_who_talks_without_end_keeps_nobody(own: Pair, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service that is no repository: the thread that sends audit messages is the only one."""
    monkeypatch.setattr(syslog_message, "_ANSWER_S", 0.5)
    with TlsReceiver(own, authority, ending="talk") as repository:
        began = time.monotonic()
        TlsSyslog(tls_settings(own, authority, repository.port)).send(MESSAGES)
        assert time.monotonic() - began < 5.0


def test_over_tls_what_was_not_read_is_not_sent(own: Pair, authority: Authority) -> None:
    """A repository that dies before it has read everything is away, though the system had taken the bytes from us."""
    with (
        TlsReceiver(own, authority, ending="reset") as repository,
        pytest.raises(AuditAway, match=f"localhost:{repository.port}"),
    ):
        TlsSyslog(tls_settings(own, authority, repository.port)).send(MESSAGES)


def test_a_repository_that_is_not_ours_gets_nothing(own: Pair, authority: Authority, tmp_path: Path) -> None:
    """A certificate of another CA, and a CA that cannot be read: the cause is told, and nothing is sent."""
    other = Authority(tmp_path / "other", "Other CA")
    with TlsReceiver(own, authority) as repository:
        with pytest.raises(AuditAway, match="its certificate is not trusted"):
            TlsSyslog(tls_settings(own, other, repository.port)).send(MESSAGES)
        broken = SyslogSettings(
            host="localhost", port=repository.port, tls=TlsClientSettings(ca=tmp_path / "missing.pem")
        )
        with pytest.raises(AuditAway, match=r"missing\.pem"):
            TlsSyslog(broken).send(MESSAGES)
        assert not repository.received


def test_a_repository_that_does_not_take_our_certificate_is_away(
    own: Pair, authority: Authority, tmp_path: Path
) -> None:
    """With TLS 1.3 it says so when we have sent everything already; whatever comes first, it was not sent."""
    ours = Authority(tmp_path / "other", "Other CA").issue("stranger")
    tls = TlsClientSettings(ca=authority.file, certificate=ours.certificate, key=ours.key)
    for messages in [MESSAGES[:1]] * 20 + [MESSAGES] * 20:
        with TlsReceiver(own, authority) as repository:
            settings = SyslogSettings(host="localhost", port=repository.port, tls=tls)
            with pytest.raises(AuditAway, match=str(repository.port)):
                TlsSyslog(settings).send(messages)
            assert not repository.received


def test_over_udp_each_is_a_datagram() -> None:
    """As RFC 5426 wants it; where this machine says that nobody listens, it is away."""
    with UdpReceiver() as repository:
        settings = SyslogSettings(host="127.0.0.1", port=repository.port, transport="udp")
        UdpSyslog(settings).send(MESSAGES[:1])
    # What the first datagram meets, the second hears.
    with pytest.raises(AuditAway, match="Connection refused"):
        UdpSyslog(settings).send(MESSAGES)


def test_nobody_there_is_told(own: Pair, authority: Authority) -> None:
    """With host, port, cause and what to look at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(AuditAway, match=f"localhost:{port} takes no audit messages over tls .Connection refused"):
        TlsSyslog(tls_settings(own, authority, port)).send(MESSAGES)


@pytest.mark.parametrize("transport", ["tls", "udp"])
@pytest.mark.parametrize("host", ["nosuch.invalid", "x" * 70])
def test_a_name_that_nobody_knows_is_away(transport: Literal["tls", "udp"], host: str) -> None:
    """Or one that can be no host name: the messages wait and are sent then."""
    settings = SyslogSettings(host=host, port=514, transport=transport)
    with pytest.raises(AuditAway, match="takes no audit messages"):
        (TlsSyslog if transport == "tls" else UdpSyslog)(settings).send(MESSAGES)
