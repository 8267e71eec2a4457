"""TLS with real peers: DCMTK, openssl and Orthanc."""

import hashlib
import select
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pynetdicom.presentation import build_context

from dicom_node.admitting.doorkeeper import Doorkeeper
from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.requestor import Requestor
from dicom_node.archives.sender import send
from dicom_node.datasets.part10 import read_meta
from dicom_node.errors import ArchiveUnreachable
from dicom_node.processes.listening import listen
from dicom_node.processes.server import Node
from dicom_node.settings import Peer
from dicom_node.spooling.spool import Spool
from dicom_node.tls_settings import TlsClientSettings
from dicom_node.turned_away import Stage, TurnedAway
from tests.certificates import Authority, Pair
from tests.integration.test_receiving import Receiver
from tests.orthanc_server import OrthancServer
from tests.unit.dicom_node.instances import CT, dataset, write_file

EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    """The node's certificate."""
    return authority.issue("node", rsa=True)


@pytest.fixture(scope="module")
def of_ct1(authority: Authority) -> Pair:
    """A caller's certificate."""
    return authority.issue("ct1")


class TlsReceiver(Receiver):
    """A node with TLS."""

    def __init__(self, root: Path, own: Pair, authority: Authority, **settings: Any) -> None:
        tls = {"port": 0, "certificate": own.certificate, "key": own.key, "ca": authority.file}
        tls |= settings.pop("tls", {})
        super().__init__(root, tls=tls, **settings)
        self.tls_port = self.node.ports["tls"]

    def dcmtk_tls(self, tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a DCMTK client over TLS."""
        command = [shutil.which(tool) or tool, "-v", "-aec", "WETREAD", *arguments]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False)

    def peer_with(self, own: Pair, authority: Authority) -> Peer:
        """Return the node as a peer that is called with this certificate."""
        tls = TlsClientSettings(ca=authority.file, certificate=own.certificate, key=own.key)
        return Peer(ae_title="WETREAD", host="localhost", port=self.tls_port, tls=tls)


@pytest.fixture
def receivers(tmp_path: Path, own: Pair, authority: Authority) -> Iterator[Callable[..., TlsReceiver]]:
    """Return a function that starts a receiver with settings."""
    started: list[TlsReceiver] = []

    def start(**settings: Any) -> TlsReceiver:
        started.append(TlsReceiver(tmp_path / "spool", own, authority, **settings))
        return started[-1]

    yield start
    for receiver in started:
        receiver.stop()


def _shown(pair: Pair, authority: Authority) -> tuple[object, ...]:
    return ("+tls", pair.key, pair.certificate, "+cf", authority.file)


def _digests(files: list[Path]) -> list[str]:
    return sorted(hashlib.sha256(file.read_bytes()[read_meta(file).dataset_start :]).hexdigest() for file in files)


def _large(folder: Path, count: int) -> list[Path]:
    """Write instances of several PDUs, and of many TLS records, each."""
    noise = [hashlib.shake_256(bytes([number])).digest(1 << 20) for number in range(count)]
    return [
        write_file(folder / f"{n}.dcm", dataset(SOPInstanceUID=f"1.2.{n}", BitsAllocated=8, PixelData=data))
        for n, data in enumerate(noise, start=1)
    ]


def test_a_series_from_storescu_is_kept_to_the_byte(
    receivers: Callable[..., TlsReceiver], authority: Authority, of_ct1: Pair, tmp_path: Path
) -> None:
    """Mutual TLS with DCMTK; what arrives is what was sent, and nothing of it passes the plain port."""
    receiver, files = receivers(), _large(tmp_path / "in", 12)
    shown = _shown(of_ct1, authority)
    assert receiver.dcmtk_tls("storescu", *shown, "localhost", receiver.tls_port, *files).returncode == 0
    assert _digests(receiver.files()) == _digests(files)


def test_our_own_sender_speaks_tls(
    receivers: Callable[..., TlsReceiver], authority: Authority, of_ct1: Pair, tmp_path: Path
) -> None:
    """With its certificate it stores; a wrong name, an unknown CA and no certificate are told by their cause."""
    receiver, files = receivers(), _large(tmp_path / "in", 3)
    peer = receiver.peer_with(of_ct1, authority)
    assert [outcome.accepted for _, outcome in send(files, peer, "CT1")] == [True] * 3
    assert _digests(receiver.files()) == _digests(files)
    assert peer.tls is not None
    for change, words in (
        ({"server_name": "other.example.org"}, "not valid for 'other.example.org'"),
        (
            {"ca": Authority(tmp_path / "other", "Other CA").file},
            "self-signed certificate in certificate chain|unable to get",
        ),
        ({"certificate": None, "key": None}, "does it take our certificate"),
        ({"ca": tmp_path / "none.pem"}, r"none\.pem"),
    ):
        wrong = peer.model_copy(update={"tls": peer.tls.model_copy(update=change)})
        with pytest.raises(ArchiveUnreachable, match=words) as raised:
            DicomArchive(wrong, "CT1").store(files)
        assert raised.value.kept_nothing


@pytest.mark.parametrize(("asked", "anonymous"), [("required", False), ("optional", True), ("none", True)])
def test_who_must_show_a_certificate(
    receivers: Callable[..., TlsReceiver], authority: Authority, of_ct1: Pair, asked: str, *, anonymous: bool
) -> None:
    """By default everybody; where the site asks for less, a caller without one is served."""
    receiver = receivers(tls={"client_certificates": asked})
    target = ("localhost", receiver.tls_port)
    without = receiver.dcmtk_tls("echoscu", "+tla", "+cf", authority.file, *target)
    assert (without.returncode == 0) is anonymous
    assert receiver.dcmtk_tls("echoscu", *_shown(of_ct1, authority), *target).returncode == 0


def test_tls_alone(receivers: Callable[..., TlsReceiver], authority: Authority, of_ct1: Pair) -> None:
    """With `plain = false` there is no port without TLS."""
    receiver = receivers(plain=False)
    assert set(receiver.node.ports) == {"tls"}
    shown = _shown(of_ct1, authority)
    assert receiver.dcmtk_tls("echoscu", *shown, "localhost", receiver.tls_port).returncode == 0
    assert receiver.dcmtk_tls("echoscu", "localhost", receiver.tls_port).returncode != 0


def test_a_renewed_certificate_is_shown_without_a_restart(
    receivers: Callable[..., TlsReceiver], authority: Authority, of_ct1: Pair, tmp_path: Path
) -> None:
    """Callers that know the new CA alone are served once the files are in place; associations go on meanwhile."""
    first, later = authority.issue("node"), Authority(tmp_path / "later", "Later CA")
    live = Pair(certificate=tmp_path / "live.pem", key=tmp_path / "live.key")
    shutil.copy(first.certificate, live.certificate)
    shutil.copy(first.key, live.key)
    receiver = receivers(tls={"certificate": live.certificate, "key": live.key})
    target = ("localhost", receiver.tls_port)
    of_new_ca = ("+tls", of_ct1.key, of_ct1.certificate, "+cf", later.file)
    peer = receiver.peer_with(of_ct1, authority)
    with Requestor(peer=peer, calling_ae_title="CT1").associate([("1.2.840.10008.1.1", None)]) as held:
        assert receiver.dcmtk_tls("echoscu", *of_new_ca, *target).returncode != 0
        new = later.issue("node")
        shutil.copy(new.key, live.key)
        shutil.copy(new.certificate, live.certificate)
        assert receiver.dcmtk_tls("echoscu", *of_new_ca, *target).returncode == 0
        assert held.send_c_echo().Status == 0


def test_a_revoked_certificate_is_refused_on_both_sides(
    receivers: Callable[..., TlsReceiver],
    authority: Authority,
    own: Pair,
    of_ct1: Pair,
    tmp_path: Path,
    wait_for: Callable[..., None],
) -> None:
    """From the moment at which the list names it, without a restart; others go on, and an old list admits nobody."""
    crl, of_ct2 = tmp_path / "list.pem", authority.issue("ct2")
    shutil.copy(authority.revocation_list(), crl)
    receiver = receivers(tls={"crl": crl})

    def echoes(pair: Pair) -> bool:
        return receiver.dcmtk_tls("echoscu", *_shown(pair, authority), "localhost", receiver.tls_port).returncode == 0

    assert echoes(of_ct1)
    shutil.copy(authority.revocation_list(of_ct1), crl)
    with structlog.testing.capture_logs() as told:
        assert (echoes(of_ct1), echoes(of_ct2)) == (False, True)
        shutil.copy(authority.revocation_list(days=-1), crl)
        assert not echoes(of_ct2)
        shutil.copy(Authority(tmp_path / "other", "Other CA").revocation_list(), crl)
        assert not echoes(of_ct2)

        def reasons_told() -> list[str]:
            return [entry["reason"] for entry in told if entry["event"] == "TLS handshake failed"]

        # The node's thread tells it, which the caller does not wait for.
        wait_for(lambda: len(reasons_told()) == 3, what="why the three were refused")
    reasons = reasons_told()
    assert reasons == [
        "its certificate was refused: it was revoked",
        "its certificate was refused: the revocation list of its CA has expired",
        "its certificate was refused: the file that `crl` names has no revocation list of its CA",
    ]
    shutil.copy(authority.revocation_list(), crl)
    peer = receiver.peer_with(of_ct1, authority)
    assert peer.tls is not None
    for revoked, answers in (((), True), ((own,), False)):
        tls = peer.tls.model_copy(update={"crl": authority.revocation_list(*revoked)})
        archive = DicomArchive(peer.model_copy(update={"tls": tls}), "CT1")
        if answers:
            archive.echo()
        else:
            with pytest.raises(ArchiveUnreachable, match="it was revoked"):
                archive.echo()


def test_a_stall_inside_a_message_is_closed(
    receivers: Callable[..., TlsReceiver], authority: Authority, of_ct1: Pair, wait_for: Callable[..., None]
) -> None:
    """Half a P-DATA-TF over TLS ends at a deadline, nothing is left, and the node goes on."""
    receiver = receivers(network_timeout_s=1)
    peer = receiver.peer_with(of_ct1, authority)
    with Requestor(peer=peer, calling_ae_title="CT1").associate([(CT, EXPLICIT)]) as association:
        association.dul.socket.socket.sendall(struct.pack(">BBI", 0x04, 0, 1000) + bytes(10))
        wait_for(lambda: receiver.node.open_associations() == 0, what="the end of the association")
    assert receiver.files() == []
    shown = _shown(of_ct1, authority)
    assert receiver.dcmtk_tls("echoscu", *shown, "localhost", receiver.tls_port).returncode == 0


def test_new_keys_in_the_middle_of_an_association_disturb_nothing(
    receivers: Callable[..., TlsReceiver], authority: Authority, of_ct1: Pair
) -> None:
    """A KeyUpdate of TLS 1.3 before, inside and after the negotiation is no PDU, nor the beginning of one."""
    receiver = receivers()
    association = _recorded_echo()
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"localhost:{receiver.tls_port}",
        "-tls1_3",
        "-CAfile",
        authority.file,
    ]
    command += ["-cert", of_ct1.certificate, "-key", of_ct1.key]
    with subprocess.Popen(
        [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as client:
        assert client.stdin is not None
        # A line that begins with K makes s_client renew the keys of both directions.
        for pdu, answered in association:
            for piece in (b"K\n", pdu):
                client.stdin.write(piece)
                _until(client, b"KEYUPDATE" if piece == b"K\n" else answered)
        client.stdin.close()


def _until(client: subprocess.Popen[bytes], words: bytes) -> None:
    """Read what s_client prints until these bytes are among it."""
    assert client.stdout is not None
    told = b""
    while words not in told:
        assert select.select([client.stdout], [], [], 30)[0], told
        piece = client.stdout.read(65536)
        assert piece, told
        told += piece


def _recorded_echo() -> list[tuple[bytes, bytes]]:
    """Return the PDUs of an association that asks C-ECHO and ends, each with the beginning of its answer."""
    from pynetdicom.dimse_messages import C_ECHO_RQ  # noqa: PLC0415
    from pynetdicom.dimse_primitives import C_ECHO  # noqa: PLC0415
    from pynetdicom.pdu import A_ASSOCIATE_RQ, A_RELEASE_RQ, P_DATA_TF  # noqa: PLC0415
    from pynetdicom.pdu_primitives import A_ASSOCIATE, MaximumLengthNotification  # noqa: PLC0415

    wanted = A_ASSOCIATE()
    wanted.application_context_name = "1.2.840.10008.3.1.1.1"
    wanted.calling_ae_title, wanted.called_ae_title = "CT1", "WETREAD"
    wanted.user_information = [MaximumLengthNotification()]
    context = build_context("1.2.840.10008.1.1")
    context.context_id = 1
    wanted.presentation_context_definition_list = [context]
    request = A_ASSOCIATE_RQ()
    request.from_primitive(wanted)
    echo, message, data = C_ECHO(), C_ECHO_RQ(), P_DATA_TF()
    echo.MessageID, echo.AffectedSOPClassUID = 1, "1.2.840.10008.1.1"
    message.primitive_to_message(echo)
    data.from_primitive(next(iter(message.encode_msg(1, 16384))))
    return [(request.encode(), b"\x02\0\0\0"), (data.encode(), b"\x04\0\0\0"), (A_RELEASE_RQ().encode(), b"\x06\0\0\0")]


def test_a_witness_hears_of_everybody_who_is_turned_away(
    tmp_path: Path, own: Pair, authority: Authority, of_ct1: Pair, wait_for: Callable[..., None]
) -> None:
    """At the handshake and at the door, with what is known there."""
    receiver = TlsReceiver(tmp_path / "spool", own, authority)
    receiver.node.stop()
    heard: list[TurnedAway] = []
    node = Node(
        settings=receiver.settings,
        spool=Spool(tmp_path / "spool"),
        assembler=receiver.assembler,
        doorkeeper=Doorkeeper(receiver.settings),
        witness=heard.append,
    )
    node.start(listen(receiver.settings))
    try:
        target = ("localhost", node.ports["tls"])
        shown = _shown(of_ct1, authority)
        receiver.dcmtk_tls("echoscu", *target)
        receiver.dcmtk_tls("echoscu", *shown, "-aet", "CT1", "-aec", "OTHER", *target)
        wait_for(lambda: len(heard) == 2, what="both")
    finally:
        node.stop()
        receiver.assembler.stop()
    assert [(caller.stage, caller.calling_ae_title, caller.called_ae_title, caller.answer) for caller in heard] == [
        (Stage.HANDSHAKE, "", "", None),
        (Stage.ASSOCIATION, "CT1", "OTHER", (1, 1, 7)),
    ]


def test_the_documented_commands_make_certificates_that_work(
    receivers: Callable[..., TlsReceiver], tmp_path: Path
) -> None:
    """What docs/operate.md says, word for word: node and caller then speak, and the fingerprint pins the caller."""
    document = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
    commands = document.split("## Certificates")[1].split("```bash\n")[1].split("```")[0]
    made = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    fingerprint = made.stdout.strip().splitlines()[-1].partition("=")[2]
    tls = {name: tmp_path / file for name, file in (("certificate", "node.pem"), ("key", "node.key"), ("ca", "ca.pem"))}
    ct1 = {"ae_title": "CT1", "hosts": ["127.0.0.1"], "certificate_sha256": [fingerprint]}
    receiver = receivers(tls=tls, peers=[ct1])
    shown = TlsClientSettings(
        ca=tmp_path / "ca.pem",
        certificate=tmp_path / "ct1.pem",
        key=tmp_path / "ct1.key",
        server_name="wetread.example.org",
    )
    DicomArchive(Peer(ae_title="WETREAD", host="127.0.0.1", port=receiver.tls_port, tls=shown), "CT1").echo()


def test_orthanc_over_tls_both_ways(
    receivers: Callable[..., TlsReceiver],
    authority: Authority,
    tmp_path: Path,
    free_port: Callable[[], int],
) -> None:
    """Orthanc takes our objects and answers our queries over mutual TLS, and routes its studies to the node so."""
    pair = authority.issue("orthanc", rsa=True)
    tls = TlsClientSettings(ca=authority.file, certificate=pair.certificate, key=pair.key)
    folder = tmp_path / "orthanc"
    folder.mkdir()
    orthanc = OrthancServer(folder, dicom_port=free_port(), http_port=free_port(), tls=tls)
    orthanc.start()
    try:
        receiver, files = receivers(), _large(tmp_path / "in", 4)
        archive = DicomArchive(orthanc.peer, "WETREAD")
        assert [outcome.accepted for outcome in archive.store(files)] == [True] * 4
        assert archive.find_study("1.2.3.1") is not None
        with pytest.raises(ArchiveUnreachable):
            DicomArchive(orthanc.peer.model_copy(update={"tls": None}), "WETREAD", acse_timeout_s=5).echo()
        orthanc.route_to("WETREAD", receiver.tls_port)
        assert len(receiver.files()) == 4
    finally:
        orthanc.stop()
