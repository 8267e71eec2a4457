"""The audit trail of a real node: DCMTK sends, strangers call, repositories go and come back, the node is killed."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.presentation import build_context

from tests.audit_schema import Told
from tests.certificates import Authority, Pair
from tests.node_process import NodeProcess, tls_table
from tests.syslog_receivers import TlsReceiver, UdpReceiver
from tests.unit.dicom_node.instances import CT, dataset, write_file

START, STOP = ("110100", "110120"), ("110100", "110121")
TRANSFERRED, ALERT = "110104", "110113"


def write_study(folder: Path, number: int, *, images: int) -> list[Path]:
    """Write a small study of a patient of its own."""
    return [
        write_file(
            folder / f"{number}-{image}.dcm",
            dataset(
                StudyInstanceUID=f"1.2.{number}",
                SeriesInstanceUID=f"1.2.{number}.1",
                SOPInstanceUID=f"1.2.{number}.1.{image}",
                PatientID=f"P{number}",
                PatientName=f"Patient^{number}",
            ),
        )
        for image in range(images)
    ]


def tls_audit(own: Pair, authority: Authority, port: int) -> str:
    """Return the settings of a repository with TLS."""
    return f"""
[audit]
to = "syslog"
[audit.syslog]
host = "localhost"
port = {port}
[audit.syslog.tls]
ca = "{authority.file}"
certificate = "{own.certificate}"
key = "{own.key}"
"""


def udp_audit(port: int) -> str:
    """Return the settings of a repository without."""
    return f'\n[audit]\nto = "syslog"\n[audit.syslog]\nhost = "127.0.0.1"\ntransport = "udp"\nport = {port}\n'


@contextmanager
def held_association(node: NodeProcess) -> Iterator[Any]:
    """Hold an association that nobody releases before the block ends."""
    entity = AE(ae_title="CT1")
    entity.requested_contexts = [build_context(CT, "1.2.840.10008.1.2.1")]
    association = entity.associate("127.0.0.1", node.port, ae_title="WETREAD")
    assert association.is_established, node.log()
    try:
        yield association
    finally:
        association.abort()


def of_study(told: list[Told], number: int) -> list[Told]:
    """Return what was told of a study."""
    return [one for one in told if one.event == TRANSFERRED and one.study == f"1.2.{number}"]


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    """One certificate for node and repository."""
    return authority.issue("node")


def test_rows_11_and_15_what_the_node_does_reaches_a_repository_whatever_happens(
    node: NodeProcess,
    authority: Authority,
    own: Pair,
    tmp_path: Path,
    free_port: Callable[[], int],
    wait_for: Callable[..., None],
) -> None:
    """Transfers with the patient, rejections, failed handshakes, start and stop; away, back, and through kill -9."""
    port = free_port()
    quick = "quiet_time_s = 0.5\nassociation_hold_s = 0.5\nprocesses = 1\n"
    node_table = quick + tls_table(own, authority)
    with TlsReceiver(own, authority, port=port) as repository:
        node.start(node_table + tls_audit(own, authority, port))
        assert node.dcmtk("storescu", *write_study(tmp_path, 1, images=3)).returncode == 0
        assert node.dcmtk("storescu", *write_study(tmp_path, 1, images=2)).returncode == 0
        for _ in range(5):
            assert node.dcmtk("echoscu", called="OTHER", calling="STRANGER").returncode != 0
        with socket.create_connection(("127.0.0.1", node.tls_port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        wait_for(lambda: len(repository.told(ALERT)) == 2, what="both alerts")
        wait_for(lambda: len(of_study(repository.told(), 1)) == 2, what="both transfers")
        first, again = of_study(repository.told(), 1)
        assert (first.event, first.patient, first.sop_classes) == (TRANSFERRED, ("P1", "Patient^1"), {CT: 3})
        assert first.sides[0] == ("110153", "CT1", "127.0.0.1")
        assert [one.of_event("EventActionCode") for one in (first, again)] == ["C", "R"]
        told = {one.detail("110182", "Alert Description").partition(":")[0]: one for one in repository.told(ALERT)}
        assert told["association rejected"].sides[1] == ("", "STRANGER", "127.0.0.1")
        assert "HTTP" in told["TLS handshake failed"].detail("110182", "Alert Description")
        assert (repository.told()[0].event, repository.told()[0].kind) == START
    # It is away: receiving goes on, and what there is to tell waits.
    assert node.dcmtk("storescu", *write_study(tmp_path, 2, images=1)).returncode == 0
    wait_for(lambda: node.events("audit messages not taken"), what="the alarm")
    assert node.dcmtk("storescu", *write_study(tmp_path, 3, images=1)).returncode == 0
    with TlsReceiver(own, authority, port=port) as repository:
        wait_for(lambda: of_study(repository.told(), 3), what="what had waited", deadline_s=60)
        assert [one.patient[0] for one in repository.told(TRANSFERRED)] == ["P2", "P3"]
    assert node.dcmtk("storescu", *write_study(tmp_path, 4, images=1)).returncode == 0
    # Killed in the middle of an association: nobody has made a message of it.
    (held,) = write_study(tmp_path, 5, images=1)
    waiting = node.spool.parent / "audit" / "outgoing"
    wait_for(lambda: b"P4" in b"".join(file.read_bytes() for file in waiting.glob("*.xml")), what="the message")
    with held_association(node) as association:
        assert association.send_c_store(held).Status == 0
        os.kill(node.pid, signal.SIGKILL)
        wait_for(lambda: not node.lives(), what="its end")
    with UdpReceiver() as other:
        node.start(node_table + udp_audit(other.port))
        wait_for(lambda: of_study(other.told(), 4) and of_study(other.told(), 5), what="both studies", deadline_s=60)
        assert of_study(other.told(), 5)[0].patient == ("P5", "Patient^5")
        assert of_study(other.told(), 5)[0].sides[0] == ("110153", "CT1", "")
        assert node.stop() == 0
        wait_for(lambda: (other.told()[-1].event, other.told()[-1].kind) == STOP, what="that it stopped")
    assert "Patient^" not in node.log()
    assert not list(waiting.glob("*.xml"))
