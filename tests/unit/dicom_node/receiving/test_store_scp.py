"""One C-STORE: what its sender waits for, and what is done afterwards."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dicom_node.datasets.origin import Origin
from dicom_node.messages.command_set import C_STORE_RQ, Command
from dicom_node.receiving.store_scp import StoreRequest
from dicom_node.spooling.spool import Spool
from dicom_node.study import StoredInstance
from tests.unit.dicom_node.instances import dataset, encode

CT, EXPLICIT, SOP = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.3.4"


class Hearing:
    """A reception that takes everything, and may be broken."""

    def __init__(self, error: Exception | None = None) -> None:
        self.heard: list[StoredInstance] = []
        self._error = error

    def accepting(self) -> bool:
        """Say yes."""
        return True

    def full_peers(self) -> frozenset[str]:
        """Return nobody."""
        return frozenset()

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """Remember it, or fail."""
        del association
        if self._error is not None:
            raise self._error
        self.heard.append(instance)

    def association_ended(self, association: str) -> None:
        """Do nothing."""

    def listed(self, study_instance_uid: str, sop_instance_uids: frozenset[str], source: str) -> None:
        """Do nothing."""


def requested(spool: Path, reception: Hearing) -> StoreRequest:
    """Begin to receive an instance whose bytes are all here."""
    command = Command(
        field=C_STORE_RQ, message_id=1, priority=0, has_dataset=True, sop_class_uid=CT, sop_instance_uid=SOP
    )
    origin = Origin(
        sop_class_uid=CT,
        sop_instance_uid=SOP,
        transfer_syntax_uid=EXPLICIT,
        calling_ae_title="CT1",
        called_ae_title="WETREAD",
        sender_address="127.0.0.1",
    )
    request = StoreRequest(
        command, origin, abstract_syntax=CT, spool=Spool(spool), reception=reception, association="1"
    )
    request.write(memoryview(encode(dataset(SOPInstanceUID=SOP))))
    return request


def test_it_is_in_its_place_before_the_answer_and_told_after_it(tmp_path: Path) -> None:
    """Its sender need not wait for who is told."""
    reception = Hearing()
    request = requested(tmp_path, reception)
    assert request.finish() == (0, "")
    assert len(list(tmp_path.rglob("*.dcm"))) == 1
    assert list(tmp_path.rglob("*.part")) == []
    assert reception.heard == []
    request.answered()
    request.answered()
    assert [instance.sop_instance_uid for instance in reception.heard] == [SOP]


@pytest.mark.parametrize("error", [RuntimeError("of ANON^Y"), OSError("the disk")])
def test_what_fails_after_the_answer_ends_nothing_and_is_told(tmp_path: Path, error: Exception) -> None:
    """The instance is in the spool, where it is found again."""
    request = requested(tmp_path, Hearing(error))
    assert request.finish() == (0, "")
    with capture_logs() as told:
        request.answered()
    assert [(entry["event"], entry["place"].partition(":")[0]) for entry in told] == [
        ("instance not handed over", "test_store_scp.py")
    ]
    assert "ANON" not in str(told)
    assert len(list(tmp_path.rglob("*.dcm"))) == 1
    assert list(tmp_path.rglob("*.part")) == []
