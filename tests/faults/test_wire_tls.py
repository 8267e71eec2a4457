"""The wire, rows 2 and 15: silence on the TLS port, and callers that do not speak TLS as one must."""

import contextlib
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom.presentation import build_context

from tests.certificates import Authority, Pair
from tests.node_process import NodeProcess, tls_table
from tests.unit.dicom_node.instances import CT, dataset, write_file

EXPLICIT = "1.2.840.10008.1.2.1"
HANDSHAKE = "TLS handshake failed"
#: The beginning of a ClientHello (RFC 8446 5.1): a record of 512 bytes is announced, and does not come.
HALF_A_CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00"


@pytest.fixture(scope="module")
def of_node(authority: Authority) -> Pair:
    """The node's certificate."""
    return authority.issue("node", rsa=True)


@pytest.fixture(scope="module")
def of_ct1(authority: Authority) -> Pair:
    """A caller's certificate."""
    return authority.issue("ct1")


@pytest.fixture
def impatient(node: NodeProcess, authority: Authority, of_node: Pair) -> NodeProcess:
    """A node that gives a handshake half a second; one for each test, since the same is told again after a minute."""
    node.start(tls_table(of_node, authority, handshake_timeout_s=0.5))
    return node


@pytest.mark.parametrize("begun", [b"", HALF_A_CLIENT_HELLO], ids=["nothing", "half a word"])
def test_row_02_silence_on_the_tls_port_keeps_nobody_waiting(
    node: NodeProcess, authority: Authority, of_node: Pair, of_ct1: Pair, tmp_path: Path, begun: bytes
) -> None:
    """While callers hold TLS connections open and say nothing, or half a word, others store with TLS and without."""
    node.start(tls_table(of_node, authority, handshake_timeout_s=60))
    first, second = (
        write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}", SeriesInstanceUID="1.9")) for n in (1, 2)
    )
    with contextlib.ExitStack() as silent:
        callers = [silent.enter_context(_caller(node.tls_port, begun)) for _ in range(30)]
        assert node.dcmtk_tls("storescu", first, own=of_ct1, authority=authority).returncode == 0
        assert node.dcmtk("storescu", second).returncode == 0
        assert len(node.instances()) == 2
        assert not any(_is_closed(caller) for caller in callers)
        # They do not keep the node from stopping either.
        assert node.stop() == 0


@pytest.mark.parametrize("begun", [b"", HALF_A_CLIENT_HELLO], ids=["nothing", "half a word"])
def test_row_02_a_silent_handshake_ends_at_its_deadline(
    impatient: NodeProcess, begun: bytes, wait_for: Callable[..., None]
) -> None:
    """It is closed, and the log says so."""
    with _caller(impatient.tls_port, begun) as caller:
        caller.settimeout(30)
        assert caller.recv(1) == b""
    _deadline_is_told(impatient, wait_for)


def test_row_02_a_probe_that_says_nothing_is_not_told(
    node: NodeProcess, authority: Authority, of_node: Pair, of_ct1: Pair
) -> None:
    """A load balancer that connects and closes leaves no line in the log; one that half began does, once a minute."""
    node.start("processes = 1\n" + tls_table(of_node, authority))
    for begun in (b"", HALF_A_CLIENT_HELLO):
        for _ in range(20):
            with _caller(node.tls_port, begun) as caller:
                caller.shutdown(socket.SHUT_WR)
                caller.settimeout(30)
                while caller.recv(100):
                    pass
        assert node.dcmtk_tls("echoscu", own=of_ct1, authority=authority).returncode == 0
        assert len(node.events(HANDSHAKE)) == (1 if begun else 0)


def test_row_02_a_handshake_in_single_bytes_ends_at_its_deadline(
    impatient: NodeProcess, wait_for: Callable[..., None]
) -> None:
    """The deadline is of the whole handshake: bytes that keep trickling in do not move it."""
    with _caller(impatient.tls_port, HALF_A_CLIENT_HELLO) as caller:

        def trickle() -> bool:
            try:
                caller.sendall(b"\0")
            except OSError:
                return True
            return False

        wait_for(trickle, what="the end of the connection")
    _deadline_is_told(impatient, wait_for)


def test_row_15_who_does_not_speak_tls_as_one_must_is_refused_while_others_go_on(
    node: NodeProcess, authority: Authority, of_node: Pair, of_ct1: Pair, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Expired, of another CA, without certificate, TLS 1.1, an old cipher suite, plain text; each is in the log."""
    node.start(tls_table(of_node, authority))
    expired, foreign = authority.issue("ct1", days=-1), Authority(tmp_path / "other", "Other CA").issue("ct1")
    attempts: list[tuple[Callable[[], bool], str]] = [
        (lambda: _stores(node, tmp_path, expired, authority), "certificate has expired"),
        (lambda: _stores(node, tmp_path, foreign, authority), "unable to get local issuer certificate"),
        (lambda: _speaks(node, authority, None, "-tls1_3"), "no certificate was shown"),
        (lambda: _speaks(node, authority, None, "-tls1_2"), "no certificate was shown"),
        (lambda: _speaks(node, authority, of_ct1, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "TLS older than 1.2"),
        (lambda: _speaks(node, authority, of_ct1, "-tls1_2", "-cipher", "AES128-SHA"), "no cipher suite in common"),
        (lambda: _answers_plain(node, b"\x01\0\0\0\0\xce\0\x01\0\0" + bytes(200)), "plain text on the TLS port"),
        (
            lambda: _answers_plain(node, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            "plain text on the TLS port: HTTP",
        ),
    ]
    with node.tls_association(of_ct1, authority, build_context(CT, EXPLICIT)) as good:
        for number, (attempt, reason) in enumerate(attempts):
            assert not attempt(), reason
            wait_for(lambda reason=reason: node.heard(HANDSHAKE, reason), what=reason)
            assert good.send_c_store(_instance(number)).Status == 0
    # The same again is told once a minute.
    assert len({event["reason"] for event in node.events(HANDSHAKE)}) == len({reason for _, reason in attempts})
    assert {event["address"] for event in node.events(HANDSHAKE)} == {"127.0.0.1"}
    assert len(node.instances()) == len(attempts)
    # The one that was right all the time, with the tools that were refused.
    assert _stores(node, tmp_path, of_ct1, authority)
    assert _speaks(node, authority, of_ct1, "-tls1_2")


def test_row_15_days_to_expiry_are_in_the_metrics(
    node: NodeProcess,
    authority: Authority,
    tmp_path: Path,
    free_port: Callable[[], int],
    wait_for: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page's process tells them, the log warns at the start, and a new certificate counts at once for both."""
    own = _copied(authority.issue("node", days=9), tmp_path)
    node.start("processes = 1\n" + tls_table(own, authority))
    (warning,) = node.events("certificate expires soon")
    assert 8 < warning["days_left"] <= 9
    port = free_port()
    monkeypatch.setenv("WETREAD_WEB__PORT", str(port))
    node.start_part("web")
    metrics = f"http://127.0.0.1:{port}/metrics"
    wait_for(lambda: _scraped(metrics), what="the page answers")
    assert _days(metrics) in (8, 9)
    _copied(authority.issue("node", days=99), tmp_path)
    assert _days(metrics) in (98, 99)
    ct1 = authority.issue("ct1")
    assert node.dcmtk_tls("echoscu", own=ct1, authority=authority).returncode == 0
    assert round(node.events("certificate in use")[-1]["days_left"]) == 99


def _deadline_is_told(node: NodeProcess, wait_for: Callable[..., None]) -> None:
    """Wait for the event of a handshake, which names the deadline."""
    wait_for(lambda: node.events(HANDSHAKE), what="the event")
    assert "no handshake within 0.5 s" in node.events(HANDSHAKE)[-1]["reason"]


def _caller(port: int, begun: bytes) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", port), timeout=30)
    caller.sendall(begun)
    return caller


def _is_closed(caller: socket.socket) -> bool:
    caller.settimeout(0.0)
    try:
        return caller.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


def _stores(node: NodeProcess, folder: Path, own: Pair, authority: Authority) -> bool:
    file = write_file(folder / "a.dcm", dataset(SOPInstanceUID="1.2.77"))
    return node.dcmtk_tls("storescu", file, own=own, authority=authority).returncode == 0


def _instance(number: int) -> object:
    content = dataset(SOPInstanceUID=f"1.2.3.{number + 1}")
    content.file_meta = dataset().__class__()
    content.file_meta.TransferSyntaxUID = EXPLICIT
    return content


def _speaks(node: NodeProcess, authority: Authority, own: Pair | None, *options: str) -> bool:
    """Say whether openssl's client comes to speak with the node, and is not told off."""
    program = shutil.which("openssl")
    assert program is not None
    shown = () if own is None else ("-cert", own.certificate, "-key", own.key)
    command = [program, "s_client", "-connect", f"127.0.0.1:{node.tls_port}", "-CAfile", authority.file, "-ign_eof"]
    with subprocess.Popen(
        [*map(str, (*command, *shown, *options))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as client:
        # An A-ABORT (PS3.8 9.3.8), which the node answers by closing: without it the client would stay.
        told, _ = client.communicate(b"\x07\0\0\0\0\x04\0\0\0\0", timeout=30)
    return b"alert" not in told and b"Verify return code: 0 (ok)" in told


def _answers_plain(node: NodeProcess, words: bytes) -> bool:
    """Say whether the node answers plain text with anything but TLS's own alert or the end."""
    with _caller(node.tls_port, words) as caller:
        try:
            answer = caller.recv(100)
        except ConnectionResetError:
            answer = b""
    return answer[:1] not in (b"", b"\x15")


def _copied(pair: Pair, folder: Path) -> Pair:
    own = Pair(certificate=folder / "node.pem", key=folder / "node.key")
    shutil.copy(pair.key, own.key)
    shutil.copy(pair.certificate, own.certificate)
    return own


def _scraped(address: str) -> list[str]:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - ours
            return answer.read().decode().splitlines()
    except OSError:
        return []


def _days(address: str) -> int:
    (line,) = (line for line in _scraped(address) if line.startswith('wetread_certificate_days_left{use="node"}'))
    return round(float(line.split()[-1]))
