"""The trail of one process: at least once, in the order of time, and never in the way of receiving."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.study import AssembledSeries, AssembledStudy, Completion, StoredInstance
from dicom_node.testing import ListStudyStore
from ops.audit.outgoing import Outgoing
from ops.audit.overhearing import AuditedStore, Overhearing
from ops.audit.settings import AuditSettings
from ops.audit.trail import Trail
from tests.audit_schema import Told
from tests.unit.dicom_node.instances import dataset, write_file
from tests.unit.dicom_node.processes.test_receiver_desk import Hearing
from tests.unit.ops.audit.test_received import INSTANCE
from tests.unit.ops.audit.test_turned_away_counts import CALLER


class House:
    """A trail over a folder, with a file in its spool."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder / "audit"
        write_file(folder / "spool" / INSTANCE.file, dataset(PatientID="P1", PatientName="Known^One"))
        self.trail = Trail(
            AuditSettings.model_validate(settings),
            process="node",
            ae_title="WETREAD",
            folder=self.folder,
            spool=folder / "spool",
        )

    def told(self) -> list[Told]:
        """Return what the file has."""
        file = self.folder / "trail.log"
        return [Told(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    def events(self) -> list[str]:
        """Return the events in the file."""
        return [one.event for one in self.told()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A trail to a file, that runs."""
    made = House(tmp_path, every_s=0.2)
    made.trail.start()
    yield made
    made.trail.stop()


def assembled() -> AssembledStudy:
    """Return the study of the instance."""
    return AssembledStudy(
        study_instance_uid=INSTANCE.study_instance_uid,
        folder="a",
        series=(AssembledSeries(series_instance_uid="1", files=(INSTANCE.file,)),),
        completion=Completion.QUIET,
        calling_ae_title="CT1",
        first_received_at=INSTANCE.received_at,
        last_received_at=INSTANCE.received_at,
    )


def test_what_is_heard_reaches_the_file(house: House, wait_for: Callable[..., None]) -> None:
    """A transfer when its association ends or goes on for long, a caller at once, start first and stop last."""
    desk = Hearing()
    heard = Overhearing(desk, house.trail)
    heard.instance_stored(INSTANCE, "a")
    heard.association_ended("a")
    wait_for(lambda: house.events() == ["110100", "110104"], what="the transfer")
    assert house.told()[1].patient == ("P1", "Known^One")
    assert (desk.stored, desk.ended) == ([(INSTANCE, "a")], ["a"])
    heard.instance_stored(INSTANCE, "b")
    wait_for(lambda: house.events()[2:] == ["110104"], what="what an open association has brought")
    house.trail.turned_away(CALLER)
    wait_for(lambda: house.events()[3:] == ["110113"], what="the alert")
    house.trail.turned_away(CALLER)
    house.trail.stop()
    assert house.events()[4:] == ["110113", "110100"]
    assert house.told()[-1].kind == "110121"


def test_the_ledger_has_a_study_only_when_the_trail_has_it(tmp_path: Path) -> None:
    """So that whatever a crash takes from the trail is adopted, and told, at the next start."""
    house = House(tmp_path)

    class Watching(ListStudyStore):
        """A store that looks at the trail."""

        def close_revision(self, study: AssembledStudy) -> None:
            """Look, then record."""
            (waiting,) = Outgoing(house.folder / "outgoing", max_bytes=1 << 20).waiting()
            assert Told(waiting.file.read_bytes()).study == study.study_instance_uid
            super().close_revision(study)

    store = Watching()
    house.trail.instance_stored(INSTANCE, "a")
    AuditedStore(store, house.trail).close_revision(assembled())
    assert store.revisions == [assembled()]


def test_a_study_does_not_wait_for_what_others_bring(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While associations end faster than their messages are written, what a study waits for are those before it."""
    over, put = threading.Event(), Outgoing.put

    def slow(outgoing: Outgoing, message: bytes, *, severity: int) -> None:
        time.sleep(0.005)  # a disk that has much to do
        put(outgoing, message, severity=severity)

    monkeypatch.setattr(Outgoing, "put", slow)

    def busy() -> None:
        for number in itertools.count():
            if over.wait(0.001):
                return
            house.trail.instance_stored(INSTANCE, f"{number}")
            house.trail.association_ended(f"{number}")

    others = threading.Thread(target=busy)
    others.start()
    time.sleep(0.2)  # until they wait
    settled = threading.Thread(target=house.trail.settle, args=("9.9",), daemon=True)
    settled.start()
    settled.join(5.0)
    late = settled.is_alive()
    over.set()
    others.join()
    assert not late


def test_a_disk_that_takes_nothing_stops_nobody_and_is_told(
    tmp_path: Path, wait_for: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every message is lost with an alarm, nothing is raised, and the trail tells the gap when there is room again."""
    house = House(tmp_path)
    house.folder.mkdir()
    (house.folder / "outgoing").write_text("not a folder")
    house.trail.start()
    house.trail.instance_stored(INSTANCE, "a")
    house.trail.association_ended("a")
    house.trail.settle(INSTANCE.study_instance_uid)
    (house.folder / "outgoing").unlink()
    house.trail.instance_stored(replace(INSTANCE, study_instance_uid="2.2"), "b")
    house.trail.association_ended("b")
    wait_for(lambda: house.events() == ["110104", "110113"], what="what came afterwards, and the gap")
    assert "2 audit messages" in house.told()[1].detail("110182", "Alert Description")
    assert Outgoing(house.folder / "outgoing", max_bytes=1).figures().lost == 2
    assert "audit messages lost" in capsys.readouterr().out
    house.trail.stop()


def test_a_trail_that_is_off_does_nothing(tmp_path: Path) -> None:
    """No thread, no folder."""
    house = House(tmp_path, to="off")
    house.trail.start()
    house.trail.instance_stored(INSTANCE, "a")
    house.trail.turned_away(CALLER)
    house.trail.settle(INSTANCE.study_instance_uid)
    house.trail.stop()
    assert not house.folder.exists()


def test_settings_that_cannot_be_meant_are_refused() -> None:
    """Syslog without a host, and certificates over UDP."""
    with pytest.raises(ValueError, match=r"needs \[audit.syslog\]"):
        AuditSettings.model_validate({"to": "syslog"})
    with pytest.raises(ValueError, match="certificates are for"):
        AuditSettings.model_validate({"syslog": {"host": "h", "transport": "udp", "tls": {}}})


def test_an_adopted_instance_is_counted_without_an_association(tmp_path: Path) -> None:
    """It is told at the latest when its study goes to the ledger."""
    house = House(tmp_path)
    adopted: StoredInstance = replace(INSTANCE, sender_address="")
    house.trail.instance_stored(adopted, "")
    house.trail.association_ended("a")
    house.trail.settle(INSTANCE.study_instance_uid)
    assert len(Outgoing(house.folder / "outgoing", max_bytes=1).waiting()) == 1
