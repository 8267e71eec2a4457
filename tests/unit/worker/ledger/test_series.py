"""Series that are read before their study is complete."""

from dataclasses import replace

import pytest

from dicom_node.study import AssembledSeries, Completion
from tests.unit.worker.conftest import assembled, planned
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger

STUDY = "1.2.3"
EARLY = replace(assembled(STUDY), completion=Completion.SERIES)
WHOLE = replace(
    EARLY,
    completion=Completion.COUNTED,
    series=(*EARLY.series, AssembledSeries(series_instance_uid=f"{STUDY}.2", files=("s/b/1.dcm",))),
)
OTHER = planned(model_id="other", model_digest="b" * 64, input_key="key-b", files=("s/b/1.dcm",))


def jobs(ledger: Ledger) -> list[tuple[str, int, JobState]]:
    """Return the jobs, oldest first."""
    return [(job.model_id, job.revision, job.state) for job in reversed(ledger.jobs())]


def test_a_series_is_read_early_and_once(ledger: Ledger) -> None:
    """Its model's job is queued while the study arrives; the whole study brings the other models' jobs, and not it."""
    assert ledger.series_complete(EARLY, {}, [planned()]) == 1
    row = ledger.study(STUDY)
    assert row is not None
    assert (row.receiving, row.revisions) == (True, 0)
    ledger.close_revision(WHOLE, {}, [planned(), OTHER])
    assert jobs(ledger) == [("constant-answer", 1, JobState.QUEUED), ("other", 2, JobState.QUEUED)]
    row = ledger.study(STUDY)
    assert row is not None
    assert (row.receiving, row.revisions) == (False, 1)
    kinds = [event.kind for event in ledger.timeline(STUDY)]
    assert [kind for kind in kinds if kind.endswith("complete")] == ["series complete", "study complete"]


def test_versions_of_an_image_are_one_instance(ledger: Ledger) -> None:
    """The timeline tells how many images there are, and how many files where some came again with other bytes."""
    (series, *others) = WHOLE.series
    varied = replace(series, files=(*series.files, series.files[0].replace(".dcm", "~0123456789abcdef.dcm")))
    ledger.close_revision(replace(WHOLE, series=(varied, *others)), {}, [])
    (told,) = [event.detail for event in ledger.timeline(STUDY) if event.kind == "study complete"]
    assert (told["instances"], told["versions"], told["series"]) == (3, 4, len(WHOLE.series))


def test_a_study_of_that_series_alone_is_still_closed(ledger: Ledger) -> None:
    """The same files again, as the whole study, are another revision: the other models have not seen them."""
    ledger.series_complete(EARLY, {}, [planned()])
    whole = replace(EARLY, completion=Completion.QUIET)
    assert [ledger.close_revision(whole, {}, [planned(), OTHER]) for _ in range(2)] == [2, 2]
    assert jobs(ledger) == [("constant-answer", 1, JobState.QUEUED), ("other", 2, JobState.QUEUED)]


def test_what_was_read_early_is_adopted_after_a_crash(ledger: Ledger) -> None:
    """Its files are in no revision of the whole study yet: a node that starts again must assemble them again."""
    ledger.series_complete(EARLY, {}, [planned()])
    assert ledger.recorded_files(EARLY.folder) == frozenset()
    assert ledger.series_complete(EARLY, {}, [planned()]) is None
    ledger.close_revision(WHOLE, {}, [planned()])
    assert ledger.recorded_files(EARLY.folder) == {"s/a/1.dcm", "s/a/2.dcm", "s/b/1.dcm"}


@pytest.mark.parametrize(
    "change", [{"runs": False, "reason": "no series"}, {"input_key": "key-2"}, {"input_key": "key-2", "runs": False}]
)
def test_nothing_is_recorded_early_that_brings_no_first_read(ledger: Ledger, change: dict[str, object]) -> None:
    """What cannot be read yet is not skipped yet, and another series, or more images, wait for the whole study."""
    if "input_key" in change:
        ledger.series_complete(EARLY, {}, [planned()])
    before = ledger.timeline(STUDY)
    assert ledger.series_complete(WHOLE, {}, [planned(**change)]) is None
    assert ledger.timeline(STUDY) == before


def test_more_images_are_a_revision_as_ever(ledger: Ledger) -> None:
    """A series that was read early and has grown by the end of the study is read again instead."""
    ledger.series_complete(EARLY, {}, [planned()])
    ledger.close_revision(WHOLE, {}, [planned(input_key="key-2")])
    assert jobs(ledger) == [("constant-answer", 1, JobState.SUPERSEDED), ("constant-answer", 2, JobState.QUEUED)]


def test_a_series_that_comes_later_may_be_read_early(ledger: Ledger) -> None:
    """A model that found nothing in an earlier revision need not wait for the end of the next one."""
    ledger.close_revision(assembled(STUDY), {}, [planned(runs=False, reason="no series", input_key="nothing")])
    assert ledger.series_complete(replace(WHOLE, completion=Completion.SERIES), {}, [planned()]) == 2
    assert jobs(ledger)[-1] == ("constant-answer", 2, JobState.QUEUED)


def test_thousands_of_uids_are_looked_up(ledger: Ledger) -> None:
    """More than a statement takes parameters; none of these is ours."""
    assert ledger.made_here([f"1.2.{number}" for number in range(40_000)]) == frozenset()
