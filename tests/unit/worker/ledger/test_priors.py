"""The ledger's memory of patients."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.worker.conftest import assembled, planned
from tests.unit.worker.reads import claim_next, record, result_file
from worker.jobs.job_records import Claim, ResultFile
from worker.jobs.patient_key import PatientKey
from worker.ledger.ledger import Ledger

ANNA = PatientKey(id_key="a" * 64, issuer_key="", person_key="b" * 64)
OTHER = PatientKey(id_key="a" * 64, issuer_key="", person_key="c" * 64)
KINDS = ("SR", "REGION-SR")

Queue = Callable[..., int]


@pytest.fixture
def read(ledger: Ledger, queue_job: Queue) -> Callable[..., Claim]:
    """Return a function that notes whose study a job reads, and reads it."""

    def work(study: str, studied_at: str, *, patient: PatientKey = ANNA, finish: bool = True, **plan: object) -> Claim:
        queue_job(study, **plan)
        claim = claim_next(ledger)
        ledger.note_patient(claim, patient, studied_at)
        if finish:
            record(
                ledger,
                claim,
                [a_file(study, kind) for kind in ("SEG", "SR", "TEXT-SR")],
                runtime="none",
                inputs_digest="",
                recipe_digest="",
            )
        return claim

    return work


def a_file(study: str, kind: str) -> ResultFile:
    """Return a result's record."""
    return result_file(
        kind, f"{study}.{len(kind)}", series_instance_uid=f"{study}.{len(kind)}.1", file=f"{study}/{kind}", sha256=study
    )


def test_the_latest_earlier_study_comes_first(ledger: Ledger, read: Callable[..., Claim]) -> None:
    """Only reports, only of earlier studies, the latest first."""
    read("1.1", "20240101")
    read("1.3", "20240301101112")
    read("1.2", "20240201")
    read("1.9", "20250101")
    claim = read("1.5", "20240301101113", finish=False)
    found = ledger.earlier_jobs(claim, ANNA, "20240301101113", KINDS)
    assert [job.study_instance_uid for job in found] == ["1.3", "1.2", "1.1"]
    assert found[0].files == (("1.3/SR", "1.3"),)


def test_only_reads_of_this_model_and_this_patient_count(ledger: Ledger, read: Callable[..., Claim]) -> None:
    """A job that is not read, another model, another patient: none of them; another version of the model does."""
    read("1.1", "20240101", model_id="other-model", model_digest="b" * 64)
    read("1.2", "20240102", finish=False)
    read("1.3", "20240103", patient=PatientKey(id_key="d" * 64, issuer_key="", person_key="b" * 64))
    claim = read("1.5", "20240301", finish=False)
    assert ledger.earlier_jobs(claim, ANNA, "20240301", KINDS) == []
    read("1.4", "20240104", version="2", model_digest="c" * 64)
    assert [job.study_instance_uid for job in ledger.earlier_jobs(claim, ANNA, "20240301", KINDS)] == ["1.4"]


def test_a_superseded_read_does_not_count(ledger: Ledger, read: Callable[..., Claim], queue_job: Queue) -> None:
    """A study whose images came late is compared with by its last read only."""
    first = read("1.1", "20240101")
    ledger.close_revision(assembled("1.1", ("s/a/1.dcm", "s/a/3.dcm")), {}, [planned(input_key="key-2")])
    second = claim_next(ledger)
    ledger.note_patient(second, ANNA, "20240101")
    record(ledger, second, [a_file("1.1", "SR")], runtime="none", inputs_digest="", recipe_digest="")
    claim = read("1.5", "20240301", finish=False)
    (found,) = ledger.earlier_jobs(claim, ANNA, "20240301", KINDS)
    assert (found.job_id, first.job_id) == (second.job_id, first.job_id)


def test_somebody_else_under_the_id_makes_it_uncertain(ledger: Ledger, read: Callable[..., Claim]) -> None:
    """Whoever came first; a job that is read again as the right person takes its word back."""
    first = read("1.1", "20240101", finish=False)
    assert ledger.note_patient(first, ANNA, "20240101")
    second = read("1.2", "20240201", patient=OTHER, finish=False)
    assert not ledger.note_patient(second, OTHER, "20240201")
    assert not ledger.note_patient(first, ANNA, "20240101")
    assert ledger.note_patient(second, ANNA, "20240201")
    assert ledger.note_patient(first, ANNA, "20240101")


def test_a_read_that_was_withdrawn_makes_nothing_uncertain(ledger: Ledger, read: Callable[..., Claim]) -> None:
    """Once the job of the wrong patient is cancelled, the id stands for one person again."""
    wrong = read("1.1", "20240101", patient=OTHER, finish=False)
    right = read("1.2", "20240201", finish=False)
    assert not ledger.note_patient(right, ANNA, "20240201")
    ledger.cancel(wrong.job_id)
    assert ledger.note_patient(right, ANNA, "20240201")


def test_an_id_of_another_issuer_is_another_patient(ledger: Ledger, read: Callable[..., Claim]) -> None:
    """It makes nothing uncertain."""
    ones = PatientKey(id_key=ANNA.id_key, issuer_key="1" * 64, person_key="b" * 64)
    twos = PatientKey(id_key=ANNA.id_key, issuer_key="2" * 64, person_key="c" * 64)
    read("1.1", "20240101", patient=ones)
    claim = read("1.2", "20240201", patient=twos, finish=False)
    assert ledger.note_patient(claim, twos, "20240201")
    assert ledger.earlier_jobs(claim, twos, "20240201", KINDS) == []


def test_of_a_job_that_was_read_twice_only_the_last_read_counts(ledger: Ledger, read: Callable[..., Claim]) -> None:
    """Also where that has made fewer kinds, and where it has made the same object again."""
    first = read("1.1", "20240101")
    for made in (["SR-2"], ["SR", "TEXT-SR"], ["TEXT-SR"]):
        ledger.hold_job(first.job_id)
        ledger.retry(first.job_id)
        again = claim_next(ledger)
        ledger.note_patient(again, ANNA, "20240101")
        results = [replace(a_file("1.1", name), kind=name.removesuffix("-2")) for name in made]
        record(ledger, again, results, runtime="none", inputs_digest="", recipe_digest="")
        claim = read(f"1.5.{len(made)}{len(made[0])}", "20240301", finish=False)
        found = [job.files for job in ledger.earlier_jobs(claim, ANNA, "20240301", KINDS)]
        assert found == ([((f"1.1/{made[0]}", "1.1"),)] if made[0] != "TEXT-SR" else [])
        ledger.cancel(claim.job_id)
