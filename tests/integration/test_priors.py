"""An earlier read of the same patient is found and compared with, and nobody else's ever is."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.query import Limits
from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.reading_house import House
from tests.stack import Stack
from worker.case.sentences import words_in
from worker.gate.bundle import content_items
from worker.jobs.admin_rows import JobRow
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series

JANUARY = words_in("en").date(date(2024, 1, 2))
CHANGE = [
    f"Compared with the study of {JANUARY} (93 days earlier):",
    "Bright: 6.14 ml \N{RIGHTWARDS ARROW} 7.68 ml (+25.0 %)",
]
GERMAN = {"PatientName": "Müßig^Jörg", "PatientID": "47-Ä"}


def a_study(folder: Path, seed: int, *, date: str, slices: int, **attributes: str) -> list[Path]:
    """Write a study whose bright box is so many slices high, on a grid that the network takes as it is.

    A slice of it is 64 voxels of 12 mm3.
    """
    box = np.zeros((16, 16, 16), np.uint16)
    box[2 : 2 + slices, 4:12, 4:12] = 1000
    return write_mr_series(folder / str(seed), seed=seed, array=box, attributes={"StudyDate": date} | attributes)


@pytest.fixture
def read(
    stack: Stack, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> Iterator[Callable[..., tuple[list[str], JobRow]]]:
    """A running house; the function sends a study and gives the sentences of its text SR and its job."""
    write_threshold_model(stack.models)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    seeds = iter(range(1, 99))

    def send(**study: str | int) -> tuple[list[str], JobRow]:
        files = a_study(tmp_path / "studies", next(seeds), **study)  # type: ignore[arg-type]
        orthanc.take(files)
        stack.send(files)
        uid = str(dcmread(files[0]).StudyInstanceUID)

        def done() -> list[JobRow]:
            return [job for job in stack.jobs() if job.study_instance_uid == uid and job.delivered]

        wait_for(done, what="the study is read and delivered", deadline_s=90)
        (job,) = done()
        (text,) = [item.file for item in job.deliveries if item.kind == "TEXT-SR"]
        report = dcmread(stack.data / "results" / text)
        return [str(item.TextValue) for item in content_items(report) if item.get("ValueType") == "TEXT"], job

    yield send
    stack.end()


def compared(sentences: list[str]) -> list[str]:
    """Return what is said of an earlier read."""
    return [line for line in sentences if "Compared with" in line or "\N{RIGHTWARDS ARROW}" in line]


def test_the_second_read_says_what_has_changed(read: Callable[..., tuple[list[str], JobRow]]) -> None:
    """The latest earlier study of the patient counts, whatever the order of arrival; numbers and days are right."""
    first, _ = read(date="20240102", slices=8)
    assert compared(first) == []
    second, _ = read(date="20240404", slices=10)
    assert compared(second) == CHANGE
    between, _ = read(date="20240202", slices=4)
    assert compared(between) == [
        f"Compared with the study of {JANUARY} (31 days earlier):",
        "Bright: 6.14 ml \N{RIGHTWARDS ARROW} 3.07 ml (-50.0 %)",
    ]


def test_a_house_that_lost_its_ledger_asks_the_archive(
    read: Callable[..., tuple[list[str], JobRow]], stack: Stack, orthanc: OrthancServer, wait_for: Callable[..., None]
) -> None:
    """With `prior = true` real workers get our own report back from Orthanc, and no log names the patient."""
    read(date="20240102", slices=8, PatientID="Secret4711", PatientName="Geheim^Person")
    stack.stop()
    for file in stack.data.glob("ledger.sqlite3*"):
        file.unlink()
    stack.settings_file.write_text(stack.settings_file.read_text() + "prior = true\n")
    orthanc.know("wetread", "WETREAD", stack.port)
    stack.start()
    wait_for(stack.listening, what="the node listens again", deadline_s=60)
    again, _ = read(date="20240404", slices=10, PatientID="Secret4711", PatientName="Geheim^Person")
    assert compared(again) == CHANGE
    logs = "".join(stack.log(part) for part in ("node", "deliver", "worker"))
    assert "Secret4711" not in logs
    assert "Geheim" not in logs


@pytest.fixture
def house(tmp_path: Path, orthanc: OrthancServer) -> Iterator[House]:
    """A house with an empty ledger, which may search an Orthanc."""
    orthanc.know("us", "WETREAD", 1)  # it answers C-GET to those that it knows
    archive = DicomArchive(orthanc.peer, "WETREAD", connect_timeout_s=2, limits=Limits(seconds=4.0))
    ledger = Ledger.open(f"sqlite:///{tmp_path}/here.sqlite3")
    yield House(root=tmp_path / "here", ledger=ledger, archives={"orthanc": archive})
    ledger.close()


@pytest.fixture
def elsewhere(tmp_path: Path, orthanc: OrthancServer) -> Iterator[Callable[..., None]]:
    """Reads a study in another house and puts images and results into the Orthanc."""
    ledger = Ledger.open(f"sqlite:///{tmp_path}/elsewhere.sqlite3")
    house = House(root=tmp_path / "elsewhere", ledger=ledger)

    def read(seed: int, *, slices: int, **attributes: str) -> None:
        results = house.read(seed, slices=slices, **attributes)
        orthanc.take([*sorted((house.root / "spool" / str(seed)).iterdir()), *results.files.values()])

    yield read
    ledger.close()


def test_an_earlier_read_comes_back_from_the_archive(house: House, elsewhere: Callable[..., None]) -> None:
    """An empty ledger: of the patient's studies in Orthanc the latest earlier one that we have read counts."""
    elsewhere(1, slices=6, StudyDate="20230101", **GERMAN)
    elsewhere(2, slices=8, StudyDate="20240102", **GERMAN)
    elsewhere(3, slices=2, StudyDate="20250102", **GERMAN)
    elsewhere(4, slices=3, StudyDate="20240303", PatientID="OTHER", PatientName="Other^One")
    read = house.read(9, slices=10, StudyDate="20240404", **GERMAN)
    assert (read.compared, read.notes) == (CHANGE, [])
    # The images of today's study are in the archive by then, and they are no earlier study.
    assert house.read(8, slices=10, StudyDate="20221231", **GERMAN).compared == []


def test_how_images_were_taken_comes_back_from_the_archive(house: House, elsewhere: Callable[..., None]) -> None:
    """An enhanced scan of thick slices is not compared with a native one of thin slices as if both were alike."""
    elsewhere(1, slices=8, StudyDate="20240102", ContrastBolusAgent="IOMERON 350", SliceThickness="5")
    read = house.read(9, slices=10, StudyDate="20240404")
    told = " ".join(read.sentences)
    assert "A contrast agent was named by the images then and is not now: sizes may differ by that alone." in told
    assert "Slices were 5.00 mm thick then, 3.00 mm now: sizes may differ by that alone." in told
    assert read.compared == CHANGE


@pytest.mark.parametrize(
    "changed", [{"PatientBirthDate": "19700102"}, {"PatientName": "Test^Other"}, {"IssuerOfPatientID": "ELSEWHERE"}]
)
def test_nobody_else_of_the_archive_is_compared_with(
    house: House, elsewhere: Callable[..., None], changed: dict[str, str]
) -> None:
    """The same id with another birth date, name or issuer."""
    elsewhere(1, slices=8, StudyDate="20240102", **changed)
    assert house.read(9, slices=10, StudyDate="20240404", IssuerOfPatientID="HERE").compared == []


def test_an_archive_that_is_down_delays_nobody(
    house: House, elsewhere: Callable[..., None], orthanc: OrthancServer
) -> None:
    """The read goes on without a comparison, and the ledger knows why; with the archive back, the next one compares."""
    elsewhere(1, slices=8, StudyDate="20240102")
    orthanc.stop()
    read = house.read(9, slices=10, StudyDate="20240404")
    assert read.compared == []
    assert any("it could not be asked" in note for note in read.notes)
    orthanc.start()
    orthanc.know("us", "WETREAD", 1)
    assert house.read(10, slices=10, StudyDate="20240403").compared[1:] == CHANGE[1:]
