"""From an assembled study to jobs, and what models want to be told of a study."""

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import structlog.testing

from dicom_node.study import AssembledSeries, AssembledStudy, Requested, SeriesWish
from models.catalog import Catalog
from models.testing import write_threshold_model
from tests.unit.worker.conftest import assembled
from tests.unit.worker.reads import claim_next, record
from worker.intake.intake import Intake
from worker.jobs.job import JobState, Priority
from worker.jobs.priority import SitePriorities
from worker.jobs.priority_settings import PriorityRule
from worker.ledger.ledger import Ledger
from worker.planar_testing import a_chest, write_planar_image
from worker.selecting.other_series import OtherSeries
from worker.settings import ModelsSettings
from worker.testing import write_mr_series


@pytest.fixture
def study(tmp_path: Path) -> AssembledStudy:
    """A head MR in the spool, asked for with HIGH, whose last image came at 03:04 UTC."""
    files = write_mr_series(tmp_path / "spool" / "a" / "b", slices=3)
    names = tuple(str(file.relative_to(tmp_path / "spool")) for file in files)
    return replace(
        assembled(),
        series=(AssembledSeries(series_instance_uid="1.2.3.1", files=names),),
        requested=Requested.HIGH,
    )


def taken(
    ledger: Ledger, root: Path, study: AssembledStudy, *rules: PriorityRule, zone: str = "UTC", images: str = ""
) -> Priority:
    """Let a study in, of which a model reads these images; return how urgent its job is."""
    write_threshold_model(root / "models", images=images)
    heard: list[AssembledStudy] = []
    intake = Intake(
        ledger=ledger,
        catalog=lambda: Catalog.scan((root / "models",)),
        spool=root / "spool",
        settings=ModelsSettings(),
        priorities=SitePriorities(rules=rules, called={}, senders={}) if rules else None,
        zone=ZoneInfo(zone),
        on_complete=heard.append,
    )
    intake.close_revision(study)
    assert heard == [study]
    return ledger.jobs()[0].priority


def test_a_request_of_high_makes_an_urgent_job(ledger: Ledger, tmp_path: Path, study: AssembledStudy) -> None:
    """Where the site says nothing else; the timeline tells why."""
    assert taken(ledger, tmp_path, study) is Priority.URGENT
    (told,) = [event.detail for event in ledger.timeline("1.2.3") if event.kind == "job queued"]
    assert (told["priority"], told["because"]) == ("urgent", "the sender asked for it (0000,0700)")


def test_a_rule_reads_the_studys_description(ledger: Ledger, tmp_path: Path, study: AssembledStudy) -> None:
    """It is read from the headers for the rule, and is in no table of the ledger."""
    assert taken(ledger, tmp_path, study, PriorityRule(priority="stat", description="^head$")) is Priority.STAT
    assert "HEAD" not in str(ledger.timeline("1.2.3"))


def test_hours_are_the_sites(ledger: Ledger, tmp_path: Path, study: AssembledStudy) -> None:
    """What came at 03:04 UTC came in the evening in Chicago."""
    rule = PriorityRule(priority="backlog", hours="20:00-22:00")
    assert taken(ledger, tmp_path, study, rule, zone="America/Chicago") is Priority.BACKLOG


@pytest.mark.parametrize(
    ("triggers", "channels", "wish"),
    [
        (["study"], (), SeriesWish.NOTHING),
        (["study", "series"], (), SeriesWish.EACH),
        (["series", "series"], ("flair",), SeriesWish.TOGETHER),
        (["study"], ("flair",), SeriesWish.NOTHING),
    ],
)
def test_series_are_told_as_the_cards_need_it(
    tmp_path: Path, ledger: Ledger, triggers: list[str], channels: tuple[str, ...], wish: SeriesWish
) -> None:
    """Not at all where every model waits for the study, and together where one of the others reads several series."""
    for number, trigger in enumerate(triggers):
        write_threshold_model(tmp_path, id=f"model-{number}", trigger=trigger)
    entries = Catalog.scan([tmp_path]).entries
    first = entries["model-0"]
    preparation = first.card.preparation.model_copy(update={"channels": channels})
    entries["model-0"] = replace(first, card=first.card.model_copy(update={"preparation": preparation}))
    catalog = Catalog(entries=entries)

    def intake(*enabled: str) -> Intake:
        settings = ModelsSettings(enabled=enabled)
        return Intake(ledger=ledger, catalog=lambda: catalog, spool=tmp_path, settings=settings)

    assert intake().series_wish() is wish
    assert intake("another").series_wish() is SeriesWish.NOTHING


def test_what_is_left_of_a_study_is_not_read_as_if_it_were_all(
    ledger: Ledger, tmp_path: Path, study: AssembledStudy
) -> None:
    """A late image of a study whose other images are gone is held; what another node still lists is not gone."""
    taken(ledger, tmp_path, study)
    (series,) = study.series
    first, _, last = series.files
    taken(ledger, tmp_path, replace(study, series=(replace(series, files=series.files[1:]),)))
    assert ledger.jobs()[0].state is JobState.QUEUED
    (tmp_path / "spool" / first).unlink()
    taken(ledger, tmp_path, replace(study, series=(replace(series, files=(last,)),)))
    assert ledger.jobs()[0].state is JobState.HELD
    assert "1 images that were here before are gone" in ledger.jobs()[0].reason


def test_a_job_is_queued_with_what_fits_as_well(ledger: Ledger, tmp_path: Path, study: AssembledStudy) -> None:
    """Two series that only their UIDs tell apart: one is read, and its worker knows of the other."""
    files = write_mr_series(tmp_path / "spool" / "a" / "c", slices=3, seed=1)
    names = tuple(str(file.relative_to(tmp_path / "spool")) for file in files)
    other = AssembledSeries(series_instance_uid="1.2.3.2", files=names)
    taken(ledger, tmp_path, replace(study, series=(*study.series, other)))
    claim = claim_next(ledger)
    assert (claim.series_instance_uid, claim.others) == ("1.2.3.1", OtherSeries(series=1, images=3))


def test_an_image_that_the_card_leaves_out_is_counted_and_not_read(ledger: Ledger, tmp_path: Path) -> None:
    """The lateral view comes after the read, and is none of its images: no other read."""
    images = '{ tag = "ViewPosition", equals = "PA" }'
    frontal = write_planar_image(tmp_path / "spool" / "a" / "b" / "1.dcm", a_chest())
    lateral = write_planar_image(
        tmp_path / "spool" / "a" / "b" / "2.dcm", a_chest(50, 40), number=2, attributes={"ViewPosition": "LL"}
    )
    names = [str(file.relative_to(tmp_path / "spool")) for file in (frontal, lateral)]
    one, both = (
        replace(assembled(), series=(AssembledSeries(series_instance_uid="1.2.3.1", files=tuple(some)),))
        for some in (names[:1], names)
    )
    taken(ledger, tmp_path, both, images=images)
    claim = claim_next(ledger)
    assert (claim.files, claim.others) == ((names[0],), OtherSeries(left_out=1))
    taken(ledger, tmp_path, one, images=images)
    taken(ledger, tmp_path, both, images=images)
    assert [job.state for job in ledger.jobs()] == [JobState.CLAIMED]


def test_a_tie_does_not_change_the_series_that_was_read(ledger: Ledger, tmp_path: Path, study: AssembledStudy) -> None:
    """Late images make a series of a lower UID as good as the one that is read: no other read; a better one is read."""
    files = write_mr_series(tmp_path / "spool" / "a" / "c", slices=4, seed=1)
    names = tuple(str(file.relative_to(tmp_path / "spool")) for file in files)
    for state, images in ((JobState.QUEUED, 2), (JobState.CLAIMED, 3)):
        other = AssembledSeries(series_instance_uid="1.2.3.0", files=names[:images])
        taken(ledger, tmp_path, replace(study, series=(other, *study.series)))
        (job,) = ledger.jobs()
        assert (job.state, job.series_instance_uid) == (state, "1.2.3.1"), images
        ledger.claim(["cpu"], worker="w", lease_s=60)
    other = AssembledSeries(series_instance_uid="1.2.3.0", files=names)
    taken(ledger, tmp_path, replace(study, series=(other, *study.series)))
    assert [job.series_instance_uid for job in ledger.jobs()] == ["1.2.3.0", "1.2.3.1"]


def test_a_read_that_was_held_since_is_still_the_one_before(
    ledger: Ledger, tmp_path: Path, study: AssembledStudy
) -> None:
    """What it has sent stands, whatever becomes of the job; one that waits counts where nothing was read."""
    taken(ledger, tmp_path, study)
    assert list(ledger.read_before("1.2.3").values()) == [study.series[0].files]
    claim = claim_next(ledger)
    record(ledger, claim)
    ledger.hold_job(claim.job_id)
    assert ledger.read_before("1.2.3") == {claim.model_id: claim.files}
    assert ledger.read_before("1.2.4") == {}


def test_a_model_that_does_not_run_is_told_once(tmp_path: Path, ledger: Ledger) -> None:
    """One that the settings name in vain, and one whose card was spoilt meanwhile: nothing else would speak of them."""
    card = write_threshold_model(tmp_path, id="heads") / "model.toml"
    intake = Intake(
        ledger=ledger,
        catalog=lambda: Catalog.scan([tmp_path]),
        spool=tmp_path,
        settings=ModelsSettings(),
        named=("heads", "chest"),
    )
    with structlog.testing.capture_logs() as told:
        intake.tell_models()
        intake.tell_models()
        card.write_text("licens = 1\n" + card.read_text())
        intake.tell_models()
    assert [line["event"] for line in told] == ["model does not run"] * 3
    assert "no model has the id chest" in told[0]["cause"]
    assert any("did you mean licence" in line["cause"] for line in told[1:])
