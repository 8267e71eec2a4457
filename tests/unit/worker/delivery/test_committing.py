"""From where, and how, reports of storage commitment are taken."""

from typing import Any, cast

import pytest

from dicom_node.archives.requestor import Requestor
from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from worker.delivery.committing import CommitmentPlan, Committer
from worker.settings import DeliverySettings


def committer(tls_port: int | None) -> Committer:
    """Return one whose destination at .7 is called over TLS, and the one at .8 is not."""
    peers = {
        "secured": Peer(ae_title="A", host="192.0.2.7", port=104, tls=TlsClientSettings()),
        "plain": Peer(ae_title="B", host="192.0.2.8", port=104),
    }
    plans = {
        name: CommitmentPlan(requestor=Requestor(peer=peer, calling_ae_title="TEST"), timeout_s=1, linger_s=0)
        for name, peer in peers.items()
    }
    return Committer(cast("Any", None), plans, DeliverySettings(commitment_tls_port=tls_port))


@pytest.mark.parametrize(
    ("address", "tls_port", "over_tls", "admitted"),
    [
        ("192.0.2.7", 11114, True, True),
        ("192.0.2.7", 11114, False, False),  # else anybody on the way could say what it has
        ("192.0.2.7", None, False, True),
        ("192.0.2.8", 11114, False, True),
        ("192.0.2.8", 11114, True, True),
        ("192.0.2.9", 11114, True, False),
    ],
)
def test_who_is_called_over_tls_reports_over_tls(
    *, address: str, tls_port: int | None, over_tls: bool, admitted: bool
) -> None:
    """Where there is a port for that; others may report at either, and hosts of no destination at none."""
    assert committer(tls_port).admits(address, over_tls=over_tls) is admitted
