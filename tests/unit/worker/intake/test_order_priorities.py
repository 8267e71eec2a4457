"""A worklist is asked beside everything else, and what it says acts on what waits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dicom_node.errors import ArchiveUnreachable
from dicom_node.study import AssembledSeries, AssembledStudy
from tests.unit.worker.conftest import assembled
from worker.intake.order_priorities import OrderPriorities
from worker.jobs.job import Priority
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series


class Orders:
    """Knows one order, or is away."""

    def __init__(self, *said: str) -> None:
        self.said = list(said)
        self.asked: list[tuple[str, str]] = []
        self.away = False

    def priorities(self, accession_number: str, patient_id: str) -> list[str]:
        """Answer, or say that nobody does."""
        self.asked.append((accession_number, patient_id))
        if self.away:
            raise ArchiveUnreachable("RIS@ris:104 takes no association; is it up?")
        return self.said


@pytest.fixture
def study(tmp_path: Path) -> AssembledStudy:
    """A study in a spool."""
    files = write_mr_series(tmp_path / "a" / "b", seed=5, slices=2)
    names = tuple(str(file.relative_to(tmp_path)) for file in files)
    return replace(assembled(), series=(AssembledSeries(series_instance_uid="1.2.3.1", files=names),))


def asking(ledger: Ledger, spool: Path, orders: Orders, most_waiting: int = 10) -> OrderPriorities:
    """Return who asks."""
    return OrderPriorities(ledger=ledger, spool=spool, worklist=orders, most_waiting=most_waiting)


def test_an_orders_stat_raises_its_jobs(
    ledger: Ledger, queue_job: Callable[..., int], study: AssembledStudy, tmp_path: Path
) -> None:
    """Asked by the accession number and the patient of its images."""
    queue_job()
    orders = Orders("STAT")
    asks = asking(ledger, tmp_path, orders)
    asks.study_complete(study)
    assert ledger.jobs()[0].priority is Priority.ROUTINE, "nobody waits for the answer"
    asks.ask_one()
    assert orders.asked == [("ACC5", "TEST-1")]
    assert ledger.jobs()[0].priority is Priority.STAT
    (told,) = [event.detail for event in ledger.timeline("1.2.3") if event.kind == "priority raised"]
    assert told == {"priority": "stat", "because": "the worklist says so (0040,1003)"}


def test_a_worklist_that_is_away_costs_nothing_but_its_answer(
    ledger: Ledger, queue_job: Callable[..., int], study: AssembledStudy, tmp_path: Path
) -> None:
    """The study waits as it did, the log says why, and no patient is in it; so it is with a file that is gone."""
    queue_job()
    orders = Orders()
    orders.away = True
    asks = asking(ledger, tmp_path, orders)
    with capture_logs() as logs:
        asks.study_complete(study)
        asks.ask_one()
        (tmp_path / study.series[0].files[0]).write_bytes(b"not DICOM")
        asks.study_complete(study)
        asks.ask_one()
        (tmp_path / study.series[0].files[0]).unlink()
        asks.study_complete(study)
        asks.ask_one()
    assert [entry["event"] for entry in logs] == ["worklist not heard", "worklist not heard", "order not known"]
    assert "TEST-1" not in str(logs)
    assert ledger.jobs()[0].priority is Priority.ROUTINE


def test_the_line_of_questions_is_bounded(ledger: Ledger, study: AssembledStudy, tmp_path: Path) -> None:
    """A worklist that takes its time costs no memory: beyond the bound the oldest study is not asked about."""
    asks = asking(ledger, tmp_path, Orders(), most_waiting=2)
    with capture_logs() as logs:
        for _ in range(3):
            asks.study_complete(study)
    assert [entry["event"] for entry in logs] == ["worklist not asked"]
    assert len(asks._waiting) == 2
