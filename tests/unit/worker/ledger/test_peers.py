"""Senders as the ledger knows them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node.spooling.spool import Spool
from tests.unit.dicom_node.instances import dataset, incoming
from worker.ledger.ledger import Ledger


def test_senders_with_their_studies_the_latest_first(tmp_path: Path, ledger_url: str) -> None:
    """Two studies of one and one of another, which came first; the address is that of the latest study."""
    ledger = Ledger.open(ledger_url)
    spool, now = Spool(tmp_path / "spool"), datetime.now(UTC)
    for number, (ae_title, address) in enumerate((("MR1", "192.0.2.9"), ("CT1", "192.0.2.7"), ("CT1", "192.0.2.8"))):
        content = dataset(StudyInstanceUID=f"1.2.{number + 1}")
        stored = spool.store(*incoming(content, calling_ae_title=ae_title, sender_address=address))
        ledger.study_receiving(replace(stored, received_at=now + timedelta(minutes=number)))
    found = ledger.senders()
    assert [(row.ae_title, row.address, row.studies) for row in found] == [
        ("CT1", "192.0.2.8", 2),
        ("MR1", "192.0.2.9", 1),
    ]
    assert found[0].last_at == now + timedelta(minutes=2)
    ledger.close()
