"""Which destinations a real read goes to, and what it says to them of the read before it."""

from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select

from tests.reading_house import House
from tests.unit.worker.reads import job_of, next_batch
from worker.gate.bundle import content_items
from worker.instances.instance_hierarchy import listed_references
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import Claim
from worker.jobs.routing import Conditions
from worker.jobs.superseded_read import Standing
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Delivery, Withdrawal
from worker.object_kinds import REJECTION
from worker.pipeline import Pipeline
from worker.settings import ReportSettings
from worker.testing import write_mr_series


@dataclass(frozen=True)
class RoutedHouse(House):
    """A house with destinations for some reads; its studies come from PACS, MR images."""

    only_others: bool = False

    def pipeline(self) -> Pipeline:
        """Return what works its jobs."""
        others = {
            "back:CT1": Conditions(senders=("CT1",)),
            "lungs": Conditions(models=("lung-nodules",)),
            "ct": Conditions(modalities=("CT",)),
        }
        ours = {
            "back:PACS": Conditions(senders=("PACS",), modalities=("MR", "CT")),
            "everything": Conditions(),
        }
        conditions = others if self.only_others else others | ours
        return replace(
            super().pipeline(),
            destinations=dict.fromkeys(conditions, ("TEXT-SR",)),
            conditions=conditions,
            superseded={"everything": "reject", "back:PACS": "reject"},
        )


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger) -> RoutedHouse:
    """The house."""
    return RoutedHouse(root=tmp_path, ledger=ledger, priors=False)


def destinations(job: JobRow) -> set[str]:
    """Return where its results go."""
    return {item.destination for item in job.deliveries}


def test_a_read_goes_where_its_sender_model_and_modality_lead(house: RoutedHouse) -> None:
    """Back to the one that sent it, and to whoever takes everything; to nobody else."""
    assert destinations(house.read(1, slices=5).job) == {"back:PACS", "everything"}


def test_a_read_that_nobody_gets_is_a_read(tmp_path: Path, ledger: Ledger) -> None:
    """It is kept, with nothing to deliver."""
    house = RoutedHouse(root=tmp_path, ledger=ledger, priors=False, only_others=True)
    with pytest.raises(KeyError):
        house.read(1, slices=5)  # it looks for a text SR among the deliveries
    (job,) = ledger.jobs()
    assert (job.state, job.deliveries) == (JobState.READ, ())


def test_only_who_has_the_earlier_read_is_told_to_reject_it(house: RoutedHouse, ledger: Ledger) -> None:
    """One of two destinations took it; that one alone gets the note, and both are told in words."""
    files = write_mr_series(house.root / "spool" / "7", seed=7, slices=12)
    first = house.read_files(files[:10])
    batch = next_batch(ledger, "everything")
    for item in batch.objects:
        ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
    second = house.read_files(files[::-1])  # the house knows a revision by its first file
    assert {(item.kind, item.destination) for item in second.job.deliveries} == {
        ("TEXT-SR", "everything"),
        ("TEXT-SR", "back:PACS"),
        (REJECTION, "everything"),
    }
    assert any("Supersedes the read of" in sentence for sentence in second.sentences)
    note = pydicom.dcmread(second.files[REJECTION])
    (rejected,) = listed_references(note, "CurrentRequestedProcedureEvidenceSequence")
    assert rejected.sop_instance_uid == first.text.SOPInstanceUID


@pytest.mark.parametrize("differs", ["not", "since settings changed"])
def test_a_job_that_is_read_again_rejects_what_it_had_sent_where_it_differs(
    house: RoutedHouse, ledger: Ledger, differs: str
) -> None:
    """One archive's check held what another had; the same read again is the same objects, and rejects nothing."""
    first = house.read(1, slices=5)
    taken, held = (ledger.claim_deliveries(name, lease_s=60) for name in ("everything", "back:PACS"))
    assert taken is not None
    assert held is not None
    for item in taken.objects:
        ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
    ledger.hold(held, reason="PatientID differs")
    ledger.retry(first.job.id)
    report = ReportSettings() if differs == "not" else ReportSettings(time_zone="Asia/Tokyo")
    assert replace(house.pipeline(), report=report).work_one(["cpu"], "w")
    job = job_of(ledger, first.job.id)
    assert job.state is JobState.READ
    newest = {item.sop_instance_uid: item for item in job.deliveries if item.state is DeliveryState.PENDING}
    if differs == "not":
        assert [item.destination for item in newest.values()] == ["back:PACS"]
        assert set(newest) == {first.text.SOPInstanceUID}
        return
    assert first.text.SOPInstanceUID not in newest
    (note,) = [item for item in newest.values() if item.kind == REJECTION]
    assert note.destination == "everything"
    listed = listed_references(
        pydicom.dcmread(house.root / "results" / note.file), "CurrentRequestedProcedureEvidenceSequence"
    )
    assert [item.sop_instance_uid for item in listed] == [first.text.SOPInstanceUID]
    (report_file,) = {item.file for item in newest.values() if item.kind == "TEXT-SR"}
    text = pydicom.dcmread(house.root / "results" / report_file)
    (before,) = listed_references(text, "PredecessorDocumentsSequence")
    assert before.sop_instance_uid == first.text.SOPInstanceUID
    told = [item.get("TextValue") for item in content_items(text)]
    assert "Supersedes what was sent before: the images were read again." in told


def test_a_read_names_what_went_out_while_it_was_written(
    house: RoutedHouse, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier one reaches its archive in the last moment: the note of rejection is there all the same."""
    files = write_mr_series(house.root / "spool" / "7", seed=7, slices=12)
    first = house.read_files(files[:10])
    asked = ledger.standing_before

    def standing_before(claim: Claim) -> Standing:
        standing = asked(claim)
        batch = ledger.claim_deliveries("everything", lease_s=60)
        for item in batch.objects if batch is not None else ():
            ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
        return standing

    monkeypatch.setattr(ledger, "standing_before", standing_before)
    second = house.read_files(files[::-1])
    note = pydicom.dcmread(second.files[REJECTION])
    (rejected,) = listed_references(note, "CurrentRequestedProcedureEvidenceSequence")
    assert rejected.sop_instance_uid == first.text.SOPInstanceUID
    assert any("Supersedes the read of" in sentence for sentence in second.sentences)


def test_nothing_is_deleted_where_the_read_does_not_go(house: RoutedHouse, ledger: Ledger) -> None:
    """One of two destinations that delete gets reads of this model no more: it keeps what it has."""
    first = house.read(1, slices=5)
    for name in ("everything", "back:PACS"):
        batch = next_batch(ledger, name)
        for item in batch.objects:
            ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
    ledger.hold_job(first.job.id)
    ledger.retry(first.job.id)
    pipeline = replace(
        house.pipeline(),
        report=ReportSettings(time_zone="Asia/Tokyo"),
        conditions={"everything": Conditions(), "back:PACS": Conditions(models=("lung-nodules",))},
        superseded={"everything": "delete", "back:PACS": "delete"},
        destinations=dict.fromkeys(("everything", "back:PACS"), ("TEXT-SR",)),
    )
    assert pipeline.work_one(["cpu"], "w")
    with ledger.reading() as session:
        to_delete = select(Delivery.destination).join(Withdrawal, Withdrawal.delivery_id == Delivery.id)
        assert set(session.scalars(to_delete)) == {"everything"}
