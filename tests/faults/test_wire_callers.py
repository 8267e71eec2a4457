"""The wire, rows 11 and 12: who may not call, and who calls once too often."""

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom import AE

from tests.certificates import Authority, Pair
from tests.faults.wire_bytes import ABORT, ASSOCIATE_AC, ASSOCIATE_RJ, RawPeer, associate_rq
from tests.node_process import NodeProcess, peer_table, tls_table
from tests.unit.dicom_node.instances import dataset, encode, write_file

VERIFICATION = "1.2.840.10008.1.1"
REJECTED = "association rejected"


@pytest.fixture(scope="module")
def of_node(authority: Authority) -> Pair:
    """The node's certificate."""
    return authority.issue("node")


@pytest.fixture(scope="module")
def of_ct1(authority: Authority) -> Pair:
    """A caller's certificate."""
    return authority.issue("ct1")


def test_row_11_strangers_are_rejected_with_the_standards_reason(
    node: NodeProcess, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """A wrong called AE title, one that is not listed, and one from another host; the listed peer stores meanwhile."""
    listed = [peer_table("CT1", "localhost"), peer_table("CT2", "192.0.2.0/24", "198.51.100.7")]
    node.start("\n".join(["loopback = false", *listed]))
    for calling, called, words, answer, reason in (
        ("CT1", "OTHER", "Called AE Title Not Recognized", [1, 1, 7], "called AE title is not ours"),
        ("CT3", "WETREAD", "Calling AE Title Not Recognized", [1, 1, 3], "calling AE title is not listed"),
        ("CT2", "WETREAD", "No Reason", [1, 1, 1], "listed for other hosts"),
    ):
        told = node.dcmtk("echoscu", calling=calling, called=called)
        assert told.returncode != 0
        assert "Rejected Permanent" in told.stdout + told.stderr
        assert words in told.stdout + told.stderr
        wait_for(lambda reason=reason: node.heard(REJECTED, reason), what=reason)
        event = node.events(REJECTED)[-1]
        assert (event["answer"], event["address"]) == (answer, "127.0.0.1")
        assert (event["calling_ae_title"], event["called_ae_title"]) == (calling, called)
        file = write_file(tmp_path / f"{calling}{called}.dcm", dataset(SOPInstanceUID=f"1.{len(node.instances()) + 1}"))
        assert node.dcmtk("storescu", file).returncode == 0
    assert len(node.instances()) == 3


def test_row_11_a_caller_has_one_address_whatever_the_node_listens_on(
    node: NodeProcess, wait_for: Callable[..., None]
) -> None:
    """On a socket for both families too: what the log says is what `wetread peers`, the trail and `hosts` have."""
    node.start("\n".join(['host = "::"', "loopback = false", "processes = 1", peer_table("CT1", "127.0.0.1")]))
    assert node.dcmtk("echoscu").returncode == 0
    assert node.dcmtk("echoscu", calling="CT3").returncode != 0
    wait_for(lambda: node.heard(REJECTED, "calling AE title is not listed"), what="the rejection in the log")
    assert node.events(REJECTED)[-1]["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("title", "kind", "told"),
    [
        (b"CT1".ljust(16, b"\0"), ASSOCIATE_AC, None),
        (b"CT1\0left over\0", ASSOCIATE_AC, None),
        (b" " * 16, ASSOCIATE_RJ, "?"),
        (b"\x1b[2JCT1".ljust(16), ASSOCIATE_RJ, "?[2JCT1"),
    ],
)
def test_row_11_titles_that_are_padded_with_zeros_or_none_are_read_or_rejected(
    node: NodeProcess, wait_for: Callable[..., None], title: bytes, kind: int, told: str | None
) -> None:
    """Some modalities and viewers send such; they were aborted without a word of who had called."""
    node.start("\n".join(["loopback = false", "processes = 1", peer_table("CT1", "localhost")]))
    request = bytearray(associate_rq())
    request[26:42] = title.ljust(16)
    with socket.create_connection(("127.0.0.1", node.port), timeout=30) as caller:
        caller.sendall(request)
        assert caller.recv(1) == bytes((kind,))
    if told is not None:
        wait_for(lambda: node.heard(REJECTED, "calling AE title is not listed"), what="the rejection in the log")
        event = node.events(REJECTED)[-1]
        assert (event["calling_ae_title"], event["address"]) == (told, "127.0.0.1")


def test_row_11_a_listed_title_needs_its_pinned_certificate(
    node: NodeProcess, authority: Authority, of_node: Pair, of_ct1: Pair, wait_for: Callable[..., None]
) -> None:
    """Neither another certificate of the same CA nor plain TCP will do; the certificate of its entry does."""
    pinned = [
        peer_table("CT1", "127.0.0.1", certificate_sha256=[of_ct1.sha256]),
        peer_table("CT2", "127.0.0.1", certificate_name="ct2"),
    ]
    node.start("\n".join([*pinned, tls_table(of_node, authority)]))
    of_ct2 = authority.issue("ct2")
    for own, calling, admitted in (
        (of_ct1, "CT1", True),
        (of_ct2, "CT2", True),
        (of_ct2, "CT1", False),
        (of_ct1, "CT2", False),
    ):
        told = node.dcmtk_tls("echoscu", own=own, authority=authority, calling=calling)
        assert (told.returncode == 0) is admitted
        assert admitted or "Rejected Permanent" in told.stdout + told.stderr
    assert "Rejected Permanent" in node.dcmtk("echoscu", calling="CT1").stderr
    # The same again, by this process or by another, is told once a minute.
    wait_for(
        lambda: {event["calling_ae_title"] for event in node.events(REJECTED)} == {"CT1", "CT2"}, what="the events"
    )
    assert all("certificate is not the one of this AE title" in event["reason"] for event in node.events(REJECTED))


def test_row_11_open_echo_takes_no_images_of_strangers(node: NodeProcess, tmp_path: Path) -> None:
    """Where the site opens C-ECHO, an AE title that is not listed gets its echo, and no context to store with."""
    node.start("\n".join(["loopback = false", "open_echo = true", peer_table("CT1", "127.0.0.1")]))
    file = write_file(tmp_path / "a.dcm")
    assert node.dcmtk("echoscu", calling="ANYBODY").returncode == 0
    assert node.dcmtk("storescu", file, calling="ANYBODY").returncode != 0
    # Nor on the context that it has, which is for C-ECHO.
    with RawPeer(node.port).associate([(1, VERIFICATION, "1.2.840.10008.1.2")]) as stranger:
        stranger.store(encode(dataset(), implicit=True))
        assert stranger.end() == ABORT
    assert node.instances() == []
    assert node.dcmtk("storescu", file).returncode == 0
    assert len(node.instances()) == 1


def test_row_11_promiscuous_is_warned_of_at_every_start(node: NodeProcess) -> None:
    """Any AE title is admitted, and the log asks to end that."""
    for starts in (1, 2):
        node.start("loopback = false\npromiscuous = true")
        assert node.dcmtk("echoscu", calling="ANYBODY").returncode == 0
        warnings = node.events("promiscuous: any AE title of any host is admitted")
        assert [warning["level"] for warning in warnings] == ["warning"] * starts
        assert "[[node.peers]]" in warnings[-1]["remedy"]
        assert node.stop() == 0


@pytest.mark.parametrize("door", ["plain", "tls"])
def test_row_12_an_address_that_connects_in_silence_shuts_out_nobody_else(
    node: NodeProcess,
    authority: Authority,
    of_node: Pair,
    of_ct1: Pair,
    door: str,
    wait_for: Callable[..., None],
) -> None:
    """It holds more connections than the node has places, and is told of; the next address has its associations."""
    node.start(f"processes = 1\n{tls_table(of_node, authority, handshake_timeout_s=60)}")
    port = node.port if door == "plain" else node.tls_port
    with contextlib.ExitStack() as held:
        for _ in range(100):
            held.enter_context(socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.9", 0)))
        if door == "plain":
            _as_many_at_once_as_there_may_be(node)
        # The associations before may take a moment to be over.
        wait_for(
            lambda: node.dcmtk_tls("echoscu", own=of_ct1, authority=authority).returncode == 0,
            what="an answer over TLS",
        )
        told = node.events("connections closed, too many of one address wait")
        assert [event["address"] for event in told] == ["127.0.0.9"]
        assert told[0]["remedy"]


@pytest.mark.parametrize("door", ["plain", "tls"])
@pytest.mark.parametrize("processes", [1, 2])
def test_row_12_strangers_from_many_addresses_shut_out_no_listed_peer(
    node: NodeProcess, authority: Authority, of_node: Pair, of_ct1: Pair, door: str, processes: int
) -> None:
    """Forty that hold as many connections as they get, again and again; a peer listed by name has its associations."""
    listed = peer_table("CT1", "localhost")
    table = tls_table(of_node, authority, handshake_timeout_s=60)
    node.start("\n".join([f"processes = {processes}", "loopback = false", "acse_timeout_s = 60", listed, table]))
    port = node.port if door == "plain" else node.tls_port
    with contextlib.ExitStack() as held:
        for _ in range(4 * processes):
            for host in range(2, 42):
                held.enter_context(socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.0.{host}", 0)))
        for _ in range(5):
            if door == "plain":
                assert node.dcmtk("echoscu").returncode == 0
            else:
                assert node.dcmtk_tls("echoscu", own=of_ct1, authority=authority).returncode == 0
        told = node.events("connections of strangers closed, too many wait")
        assert 1 <= len(told) <= processes
        assert told[0]["remedy"]


def _as_many_at_once_as_there_may_be(node: NodeProcess) -> None:
    """Open every association that the node takes, all connections of one address before the first says a word."""
    with contextlib.ExitStack() as opened:
        callers = [opened.enter_context(RawPeer(node.port)) for _ in range(16)]
        for caller in callers:
            caller.associate([(1, VERIFICATION, "1.2.840.10008.1.2")])
        assert node.dcmtk("echoscu").returncode != 0  # the seventeenth


def test_row_12_more_associations_than_allowed_are_rejected_for_the_moment(
    node: NodeProcess, wait_for: Callable[..., None]
) -> None:
    """Local limit exceeded, transient, of all callers or of one peer; when an association has ended there is room."""
    node.start("\n".join(["max_associations = 3", peer_table("CT1", "127.0.0.1", max_associations=1)]))
    with contextlib.ExitStack() as held:
        last = _held(held, node, "CT1")
        _rejected_for_the_moment(node, "CT1")
        _held(held, node, "ANYBODY")
        assert node.dcmtk("echoscu", calling="CT2").returncode == 0
        _held(held, node, "ANYBODY")
        _rejected_for_the_moment(node, "CT2")
        last.release()
        wait_for(lambda: node.dcmtk("echoscu", calling="CT1").returncode == 0, what="room for the peer")
    reasons = [event["reason"] for event in node.events(REJECTED)]
    assert reasons[:2] == ["too many associations of this peer at once", "too many associations at once"]


def _held(held: contextlib.ExitStack, node: NodeProcess, calling: str) -> AE:
    entity = AE(ae_title=calling)
    entity.add_requested_context(VERIFICATION)
    association = entity.associate("127.0.0.1", node.port, ae_title="WETREAD")
    assert association.is_established
    held.callback(association.release)
    return association


def _rejected_for_the_moment(node: NodeProcess, calling: str) -> None:
    told = node.dcmtk("echoscu", calling=calling)
    assert "Rejected Transient" in told.stdout + told.stderr
    assert "Local Limit Exceeded" in told.stdout + told.stderr
