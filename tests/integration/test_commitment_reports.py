"""Archives that report storage commitment to the node's port, which is all that they need to know of us."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.presentation import build_role
from pynetdicom.sop_class import StorageCommitmentPushModel

from dicom_node.pynetdicom_switches import set_switches
from tests.delivering import DeliveryHouse
from tests.faults.a_node import ANode
from tests.orthanc_server import OrthancServer
from worker.jobs.job import DeliveryState

WELL_KNOWN = "1.2.840.10008.1.20.1.1"
DEADLINE_S = 120.0
SETTINGS = """
[broker]
url = "redis://127.0.0.1:1/0"
[node]
port = {node}
processes = 2
min_free_bytes = 0
[[node.peers]]
ae_title = "ORTHANC"
hosts = ["127.0.0.1"]
storage_commitment = true
[node.peers.report_to]
host = "127.0.0.1"
port = {archive}
[[node.peers]]
ae_title = "OTHER"
hosts = ["127.0.0.1"]
[[node.peers]]
ae_title = "CT1"
hosts = ["127.0.0.1"]
[delivery]
first_retry_s = 0.2
longest_retry_s = 0.4
poll_s = 0.1
[[destinations]]
name = "pacs"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = {archive}
commitment = "required"
commitment_timeout_s = 2
commitment_linger_s = 0
identity_check = false
[[destinations]]
name = "other"
ae_title = "OTHER"
host = "127.0.0.1"
port = {away}
commitment = "required"
identity_check = false
"""


class Scene:
    """A node and a deliverer over one ledger."""

    def __init__(self, folder: Path, free_port: Callable[[], int], archive_port: int) -> None:
        node_port = free_port()
        self.house = DeliveryHouse(folder, SETTINGS.format(node=node_port, archive=archive_port, away=free_port()))
        self.node = ANode(folder, node_port)
        self.node.settings_file = folder / "wetread.toml"
        self.ledger_file = self.house.data / "ledger.sqlite3"

    def transactions(self) -> list[str]:
        """Return the Transaction UIDs under which was asked."""
        with closing(sqlite3.connect(self.ledger_file)) as ledger:
            return [uid for (uid,) in ledger.execute("select distinct transaction_uid from commitment_request")]


@pytest.fixture
def scene(tmp_path: Path, free_port: Callable[[], int], orthanc: OrthancServer) -> Iterator[Scene]:
    """Both processes, running; the archive does not know them yet."""
    made = Scene(tmp_path / "house", free_port, orthanc.dicom_port)
    with made.node:
        made.house.start()
        yield made
        assert "Traceback" not in made.node.log()
    made.house.close()


@contextmanager
def calling(node: ANode, ae_title: str, *, provider: bool = True) -> Iterator[Any]:
    """Hold an association as an archive does, the provider of the service by role selection unless told otherwise."""
    set_switches()
    entity = AE(ae_title=ae_title)
    entity.add_requested_context(StorageCommitmentPushModel)
    entity.add_requested_context("1.2.840.10008.1.1")
    roles = [build_role(StorageCommitmentPushModel, scp_role=True)] if provider else []
    association = entity.associate(node.peer.host, node.peer.port, ae_title=node.peer.ae_title, ext_neg=roles)
    assert association.is_established, node.log()
    try:
        yield association
    finally:
        association.release()


def report(association: Any, transaction_uid: str, committed: list[str]) -> int:
    """Report that all is committed; return the status of the response."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = []
    for uid in committed:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", uid
        information.ReferencedSOPSequence.append(item)
    status, _ = association.send_n_event_report(information, 1, StorageCommitmentPushModel, WELL_KNOWN)
    return int(status.Status)


def ask(association: Any, *, action: int) -> int:
    """Ask the node for something; return the status of the response."""
    information = Dataset()
    information.TransactionUID = "1.2.3.5"
    status, _ = association.send_n_action(information, action, StorageCommitmentPushModel, WELL_KNOWN)
    return int(status.Status)


def test_orthanc_reports_to_the_node(
    scene: Scene, orthanc: OrthancServer, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """One entry with the node's port is enough: what is delivered is committed. Nobody else's word counts before that.

    Nor that of another archive, nor on what it was not asked; while the ledger is locked the answer is 0110, and others
    are served. Orthanc may ask the node too: as whom an archive calls its roles say, and without one it may be both.
    """
    house, node = scene.house, scene.node
    orthanc.know("wetread", "WETREAD", free_port())  # it is asked, and its reports reach nobody
    job = house.read(["pacs"])
    wait_for(scene.transactions, what="the archive is asked", deadline_s=DEADLINE_S)
    uids = [item.sop_instance_uid for item in house.deliveries(job)]
    transaction = scene.transactions()[0]

    with calling(node, "CT1") as listed:
        accepted = {str(context.abstract_syntax) for context in listed.accepted_contexts}
        assert StorageCommitmentPushModel not in accepted
    with calling(node, "OTHER") as other:
        assert report(other, transaction, uids) == 0x0115
    with calling(node, "OTHER", provider=False) as other:
        assert report(other, transaction, uids) == 0x0115
        assert ask(other, action=2) == 0x0211
    with calling(node, "ORTHANC", provider=False) as archive:
        assert report(archive, "1.2.3.4", uids) == 0x0115
        assert ask(archive, action=2) == 0x0123
    with closing(sqlite3.connect(scene.ledger_file, isolation_level=None)) as locking, calling(node, "ORTHANC") as held:
        locking.execute("begin immediate")
        assert report(held, transaction, uids) == 0x0110
        assert node.answers()
        assert held.is_established
        locking.execute("rollback")
    assert house.states(job) == {DeliveryState.UNCOMMITTED}

    orthanc.know("wetread", "WETREAD", node.peer.port)
    wait_for(
        lambda: house.states(job) == {DeliveryState.COMMITTED},
        what="the archive, asked again, reports to the node",
        deadline_s=DEADLINE_S,
    )
    assert "commitment reported" in node.log()
    # Of the other destination neither: its archive is listed too.
    assert "on the association of the request only" not in house.log()
