"""What the spool holds of whom."""

import os
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.spooling.kept_by_sender import kept_by_sender
from dicom_node.spooling.spool import Spool
from tests.unit.dicom_node.instances import dataset, incoming


def test_two_senders_of_one_study_are_counted_each(tmp_path: Path) -> None:
    """By what each file says of where it came from; one that cannot be read is nobody's."""
    spool = Spool(tmp_path / "spool")
    sizes = {"NET": 0, "CAP": 0}
    for number, title in enumerate(("NET", "NET", "CAP", "CAP")):
        uid = f"1.2.3.{number}"
        stored = spool.store(*incoming(dataset(SOPInstanceUID=uid), sop_instance_uid=uid, calling_ae_title=title))
        os.utime(spool.root / stored.file, (1_700_000_000 + number, 1_700_000_000 + number))
        sizes[title] += stored.size_bytes
    (spool.root / stored.file).write_bytes(b"")
    kept = kept_by_sender(spool)
    assert {title: (one.instances, one.last_at) for title, one in kept.items()} == {
        "NET": (2, datetime.fromtimestamp(1_700_000_001, UTC)),
        "CAP": (1, datetime.fromtimestamp(1_700_000_002, UTC)),
    }
    assert kept["NET"].bytes_kept == sizes["NET"]
