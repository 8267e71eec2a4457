"""Whose earlier read is compared with: the same patient's and nobody else's, from the ledger or from an archive."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from dicom_node.archives.found import FoundStudy
from dicom_node.archives.identity import StudyIdentity
from dicom_node.testing import InMemoryArchive
from tests.reading_house import House
from worker.case.sentences import words_in
from worker.gate.bundle import content_items
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS, Kind
from worker.settings import ReportSettings
from worker.testing import write_mr_series

JANUARY, APRIL = (words_in("en").date(day) for day in (date(2024, 1, 2), date(2024, 4, 4)))
FIRST = {"StudyDate": "20240102"}
LATER = {"StudyDate": "20240404"}
REPORTS: tuple[Kind, ...] = ("SEG", "SR", "TEXT-SR")
CHANGE = [
    f"Compared with the study of {JANUARY} (93 days earlier):",
    "Bright: 6.14 ml \N{RIGHTWARDS ARROW} 7.68 ml (+25.0 %)",
]
UNCERTAIN = "identity is uncertain"


def a_house(**values: Any) -> House:
    """Return a house that makes what comparisons stand in: no pictures."""
    return House(**{"kinds": REPORTS, **values})


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger) -> House:
    """A house without archives."""
    return a_house(root=tmp_path, ledger=ledger)


def test_the_second_read_says_what_has_changed(house: House) -> None:
    """Numbers, percent and days are right, and the earlier report is evidence of the text SR."""
    first = house.read(1, slices=8, **FIRST)
    assert first.compared == []
    second = house.read(2, slices=10, **LATER)
    assert second.compared == CHANGE
    (study,) = second.text.PertinentOtherEvidenceSequence
    assert study.StudyInstanceUID == first.job.study_instance_uid
    (reference,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    (earlier,) = [item for item in first.job.deliveries if item.kind == "SR"]
    assert reference.ReferencedSOPInstanceUID == earlier.sop_instance_uid


def test_what_another_state_of_the_model_measured_is_not_compared(house: House) -> None:
    """The same version with another threshold in its network: the report says so, and lists the earlier one."""
    first = house.read(1, slices=8, **FIRST)
    second = replace(house, threshold=0.6).read(2, slices=10, **LATER)
    assert second.compared == []
    assert f"There is a read of the study of {JANUARY} (93 days earlier)." in second.sentences
    assert "This model had other weights or settings then: its numbers are not compared." in second.sentences
    (study,) = second.text.PertinentOtherEvidenceSequence
    assert study.StudyInstanceUID == first.job.study_instance_uid


def test_sizes_of_structures_depend_on_no_threshold_of_the_site(house: House) -> None:
    """A site that has changed its thresholds still reads how a structure has changed."""
    house.read(1, slices=8, **FIRST)
    assert replace(house, report=ReportSettings(min_diameter_mm=4)).read(2, slices=10, **LATER).compared == CHANGE


def test_the_latest_of_several_counts(house: House) -> None:
    """Of several earlier studies the latest; a later study is no earlier one whenever it was read."""
    house.read(1, slices=8, **FIRST)
    house.read(2, slices=10, **LATER)
    assert house.read(3, slices=5, StudyDate="20240601").compared[0].startswith(f"Compared with the study of {APRIL} (")
    assert (
        house.read(4, slices=5, StudyDate="20240301").compared[0].startswith(f"Compared with the study of {JANUARY} (")
    )
    assert house.read(5, slices=5, StudyDate="20231231").compared == []


@pytest.mark.parametrize(
    "changed",
    [
        {"PatientBirthDate": "19700102"},
        {"PatientName": "Test^Other"},
        {"PatientSex": "M"},
        {"IssuerOfPatientID": "HOSPITAL"},
    ],
)
def test_another_person_under_the_same_id_is_never_compared(house: House, changed: dict[str, str]) -> None:
    """A difference in birth date, name, sex or in whether an issuer is named: nothing is said, and the ledger knows."""
    house.read(1, slices=8, **FIRST)
    read = house.read(2, slices=10, **LATER, **changed)
    assert read.compared == []
    assert any(UNCERTAIN in note for note in read.notes)
    # From now on nobody can tell who is meant by this id.
    assert house.read(3, slices=10, StudyDate="20240505").compared == []


def test_one_id_of_two_issuers_is_two_patients(house: House) -> None:
    """Each patient is compared with their own studies only."""
    house.read(1, slices=8, IssuerOfPatientID="ONE", **FIRST)
    other = house.read(2, slices=10, IssuerOfPatientID="TWO", PatientName="Other^Head", **LATER)
    assert (other.compared, other.notes) == ([], [])
    assert house.read(3, slices=10, IssuerOfPatientID="ONE", **LATER).compared == CHANGE


@pytest.mark.parametrize("empty", ["PatientID", "PatientBirthDate", "PatientName"])
def test_who_cannot_be_told_is_not_compared(house: House, empty: str) -> None:
    """Anonymised studies share their values: without id, name or birth date there is no comparison."""
    house.read(1, slices=8, **FIRST, **{empty: ""})
    read = house.read(2, slices=10, **LATER, **{empty: ""})
    assert read.compared == []
    assert any(UNCERTAIN in note for note in read.notes)


def test_what_is_compared_with_enters_every_uid(house: House, tmp_path: Path) -> None:
    """The same input with the same earlier read gives the same bytes; without it other UIDs, of every kind."""
    house = replace(house, kinds=DEFAULT_KINDS)
    house.read(1, slices=8, **FIRST)
    second = house.read(2, slices=10, **LATER)
    kept = {kind: file.read_bytes() for kind, file in second.files.items()}
    other = House(root=tmp_path / "other", ledger=Ledger.open(f"sqlite:///{tmp_path}/other.sqlite3"))
    alone = other.read(2, slices=10, **LATER)
    assert {item.sop_instance_uid for item in alone.job.deliveries}.isdisjoint(
        item.sop_instance_uid for item in second.job.deliveries
    )
    other.ledger.close()
    assert kept.keys() == alone.files.keys()


def test_switched_off_nothing_is_kept_or_said(tmp_path: Path, ledger: Ledger) -> None:
    """Without comparison the ledger holds no patient's digest."""
    house = a_house(root=tmp_path, ledger=ledger, priors=False)
    house.read(1, slices=8, **FIRST)
    assert house.read(2, slices=10, **LATER).compared == []
    with ledger.reading() as session:
        assert session.connection().exec_driver_sql("select count(*) from job_patient").scalar() == 0


def test_the_ledger_holds_no_patient_in_clear(house: House, tmp_path: Path) -> None:
    """Neither id nor name nor birth date stands in any byte of the database."""
    house.read(1, slices=8, PatientID="Secret4711", PatientName="Geheim^Person", PatientBirthDate="19510304")
    files = [file for file in tmp_path.iterdir() if file.name.startswith("ledger.sqlite3")]
    content = b"".join(file.read_bytes() for file in files)
    assert files
    assert not any(value in content for value in (b"Secret4711", b"Geheim", b"19510304"))


def test_a_result_that_was_altered_or_removed_is_not_used(house: House) -> None:
    """What is on disk counts only if it is what was written."""
    first = house.read(1, slices=8, **FIRST)
    content = first.files["SR"].read_bytes()
    first.files["SR"].write_bytes(content.replace(b"6.144", b"9.144"))
    assert house.read(2, slices=10, **LATER).compared == []
    first.files["SR"].unlink()
    assert house.read(3, slices=10, **LATER).compared == []


def archive_of(house: House, archive: InMemoryArchive | None = None, **attributes: str) -> InMemoryArchive:
    """Return an archive with the images and results of another house's first read."""
    archive = archive or InMemoryArchive()
    read = house.read(1, slices=8, **FIRST, **attributes)
    archive.store(sorted((house.root / "spool" / "1").iterdir()))
    archive.store(list(read.files.values()))
    return archive


class Lying(InMemoryArchive):
    """Says that a study of OTHER's is of whoever was asked for."""

    def find_studies(self, patient_id: str) -> list[FoundStudy]:
        """Return OTHER's study under another name."""
        identity = StudyIdentity(patient_id=patient_id, patient_name="Test^Head", patient_birth_date="19700101")
        return [replace(study, identity=identity) for study in super().find_studies("OTHER")]


@pytest.fixture
def elsewhere(tmp_path: Path) -> House:
    """Another house, whose results are in the archive."""
    return a_house(root=tmp_path / "elsewhere", ledger=Ledger.open(f"sqlite:///{tmp_path}/elsewhere.sqlite3"))


def test_an_archive_knows_what_the_ledger_does_not(house: House, elsewhere: House) -> None:
    """An empty ledger: our own earlier report is fetched from the archive and compared with."""
    asking = a_house(root=house.root, ledger=house.ledger, archives={"pacs": archive_of(elsewhere)})
    assert asking.read(2, slices=10, **LATER).compared == CHANGE
    elsewhere.ledger.close()


def test_an_archive_that_is_away_costs_the_comparison_only(house: House) -> None:
    """The read goes on, and the ledger says why nothing is compared."""
    away = InMemoryArchive()
    away.away = True
    read = a_house(root=house.root, ledger=house.ledger, archives={"pacs": away}).read(2, slices=10, **LATER)
    assert read.compared == []
    assert any("pacs: it could not be asked" in note for note in read.notes)


@pytest.mark.parametrize("changed", [{"PatientBirthDate": "19700102"}, {"PatientName": "Test^Other"}])
def test_an_archive_with_somebody_else_under_the_id_is_uncertain(
    house: House, elsewhere: House, changed: dict[str, str]
) -> None:
    """Nothing is compared although the report itself would say the right patient."""
    asking = a_house(root=house.root, ledger=house.ledger, archives={"pacs": archive_of(elsewhere, **changed)})
    read = asking.read(2, slices=10, **LATER)
    assert read.compared == []
    assert any(UNCERTAIN in note for note in read.notes)
    elsewhere.ledger.close()


def test_an_archive_that_lies_about_the_patient_is_not_believed(house: House, elsewhere: House) -> None:
    """It answers with today's patient for a study of somebody else: the report's own patient counts."""
    archive = archive_of(elsewhere, Lying(), PatientID="OTHER")
    assert len(archive.find_studies("TEST-1")) == 1
    read = a_house(root=house.root, ledger=house.ledger, archives={"pacs": archive}).read(2, slices=10, **LATER)
    assert (read.compared, read.notes) == ([], [])
    elsewhere.ledger.close()


def test_only_text_speaks_of_it_so_far(house: House) -> None:
    """The measurement report holds today's numbers alone; an earlier one among them could be taken for today's."""
    house.read(1, slices=8, **FIRST)
    second = house.read(2, slices=10, **LATER)
    numbers = [
        float(item.MeasuredValueSequence[0].NumericValue)
        for item in content_items(dcmread(second.files["SR"]))
        if item.get("ValueType") == "NUM"
    ]
    # Before it the library's distances of columns, rows and slices, in mm.
    assert numbers == [2.0, 2.0, 3.0, 3.0, 7.68]


ELSEWHERE = "No comparison with an earlier read: it is of another side, view or part, or does not say."
LEFT = {"BodyPartExamined": "KNEE", "Laterality": "L"}
RIGHT = {"BodyPartExamined": "KNEE", "Laterality": "R"}


@pytest.mark.parametrize(("then", "now"), [(LEFT, RIGHT), (LEFT, {"BodyPartExamined": "HEAD"})])
def test_another_side_or_part_of_the_body_is_not_compared(
    house: House, then: dict[str, str], now: dict[str, str]
) -> None:
    """A left knee beside a right one, or a knee beside a head: nothing is said, and the ledger knows why."""
    house.read(1, slices=8, **FIRST, **then)
    read = house.read(2, slices=10, **LATER, **now)
    assert (read.compared, read.notes) == ([], [ELSEWHERE])


def test_the_latest_of_the_same_side_counts(house: House) -> None:
    """The right knee in between is passed over; where one of two names no side, nothing contradicts."""
    house.read(1, slices=8, **FIRST, **LEFT)
    house.read(2, slices=5, StudyDate="20240303", **RIGHT)
    assert house.read(3, slices=10, **LATER, **LEFT).compared == CHANGE
    silent = house.read(4, slices=5, StudyDate="20240601", BodyPartExamined="KNEE")
    assert silent.compared[0].startswith(f"Compared with the study of {APRIL} (")


def test_the_side_survives_in_an_archive(house: House, elsewhere: House) -> None:
    """What an archive gives back still says which side it is of."""
    asking = a_house(root=house.root, ledger=house.ledger, archives={"pacs": archive_of(elsewhere, **LEFT)})
    other = asking.read(2, slices=10, **LATER, **RIGHT)
    assert (other.compared, other.notes) == ([], [ELSEWHERE])
    assert asking.read(3, slices=10, **LATER, **LEFT).compared == CHANGE
    elsewhere.ledger.close()


def test_a_job_that_is_read_again_is_compared_with_by_its_last_read(house: House) -> None:
    """What it had found before in other images was withdrawn, and stands in no comparison."""
    first = house.read(1, slices=8, **FIRST)
    smaller = np.zeros((16, 16, 16), np.uint16)
    smaller[2:6, 4:12, 4:12] = 1000
    write_mr_series(house.root / "spool" / "1", seed=1, array=smaller, attributes=FIRST)
    house.ledger.hold_job(first.job.id)
    house.ledger.retry(first.job.id)
    assert house.pipeline().work_one(["cpu"], "test")
    assert house.read(2, slices=10, **LATER).compared == [
        CHANGE[0],
        CHANGE[1].replace("6.14", "3.07").replace("25", "150"),
    ]
