"""A report says what was read of several that fit, and how much was not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.reading_house import House
from tests.readings import (
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    classified,
    detections_reading,
    load,
    nothing_found,
)
from worker.case.case import Case
from worker.case.changed_series import ChangedSeries
from worker.case.finding_sentences import caveats_of, scope_of
from worker.case.other_series_words import description_sentences, other_series_sentences, which_sentences
from worker.case.series_names import NamedSeries
from worker.gate import output_gate
from worker.gate.bundle import content_items, parsed
from worker.instances.series_repairs import came_with_other_pixels
from worker.languages import LANGUAGES, Language
from worker.ledger.ledger import Ledger
from worker.pictures.picture import pixels_of
from worker.planar_testing import a_chest, write_planar_image
from worker.recipe import recipe_digest
from worker.results import build
from worker.selecting.other_series import OtherSeries
from worker.settings import ReportSettings
from worker.testing import write_mr_series

THREE = OtherSeries(series=3, images=3)
UNREAD = "3 other images of this study fit this model too and were not read."


def a_view(folder: Path, others: OtherSeries = THREE, language: Language = "en", **attributes: Any) -> Case:
    """Return the case of one chest radiograph beside which others fit."""
    write_planar_image(folder / "a.dcm", a_chest(), attributes={"SeriesNumber": 3} | attributes)
    series = load(folder)
    case = case_of(series, classified(series), a_card(), report=ReportSettings(language=language))
    return replace(case, others=others)


def texts_of(case: Case, kind: str) -> list[str]:
    """Return the sentences of one of its reports."""
    made = build(case)
    output_gate.check(made, case)
    report = parsed(next(one.data for one in made if one.kind == kind))
    return [str(item.TextValue) for item in content_items(report) if item.get("ValueType") == "TEXT"]


@pytest.mark.parametrize("kind", ["TEXT-SR", "SR"])
def test_reports_say_which_view_was_read_and_how_many_were_not(tmp_path: Path, kind: str) -> None:
    """The text SR and SR-B; neither says anything where nothing else fits."""
    case = a_view(tmp_path, ImageLaterality="L")
    told = texts_of(case, kind)
    assert "Only this was read: series 3, view PA, left." in told
    assert UNREAD in told
    assert not any("Only this" in text for text in texts_of(replace(case, others=OtherSeries()), kind))


def test_a_report_of_regions_says_it_too(tmp_path: Path) -> None:
    """SR-A; beside its groups, for a group without coordinates would keep viewers from showing it."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    case = replace(case_of(series, detections_reading(series), a_nodule_card()), others=THREE)
    told = texts_of(case, "REGION-SR")
    assert "3 other series of this study fit this model equally well and were not read." in told
    assert any(text.startswith("Only this was read: series") for text in told)
    assert not any("Only this" in text for text in texts_of(replace(case, others=OtherSeries()), "REGION-SR"))


def test_a_report_of_an_ecg_says_it_too() -> None:
    """The SR by TID 3700, of recordings; nothing where no other fits."""
    case = replace(case_of(an_ecg(), an_ecg_reading(), an_ecg_card()), others=THREE)
    told = texts_of(case, "ECG-SR")
    assert tuple(told[-2:]) == other_series_sentences(case)
    assert told[-1] == "3 other recordings of this study fit this model too and were not read."
    assert not set(told[-2:]) & set(texts_of(replace(case, others=OtherSeries()), "ECG-SR"))


def test_reports_of_numbers_say_on_what_these_were_measured(tmp_path: Path) -> None:
    """Another series than before, and images that came twice: who compares two numbers may see no other report."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    change = ChangedSeries(now=NamedSeries(uid="1.2.4", number="4"), before=NamedSeries(uid="1.2.3", number="3"))
    known = {"changed": (change,), "repeated": (came_with_other_pixels([7]),)}
    sentences = (
        "Another series was read than before: series 4, not series 3.",
        "Image 7 came more than once with different pixels: the newest was read.",
    )
    cases = {
        "SR": case_of(series, a_reading(series), a_card()),
        "REGION-SR": case_of(series, detections_reading(series), a_nodule_card()),
        "ECG-SR": case_of(an_ecg(), an_ecg_reading(), an_ecg_card()),
    }
    for kind, case in cases.items():
        assert set(sentences) <= set(texts_of(replace(case, **known), kind)), kind
        assert not set(sentences) & set(texts_of(case, kind))


def test_the_picture_says_it_too(tmp_path: Path) -> None:
    """It is among what to beware of, which is drawn."""
    case = a_view(tmp_path)
    assert caveats_of(case)[1:3] == other_series_sentences(case)
    assert (pixels_of(case) != pixels_of(replace(case, others=OtherSeries()))).any()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_it(tmp_path: Path, language: Language) -> None:
    """With the number of the series, the view and how many were not read."""
    which, unread = other_series_sentences(a_view(tmp_path, language=language))
    assert "3" in which
    assert "PA" in which
    assert "3" in unread
    assert ((which, unread) == ("Only this was read: series 3, view PA.", UNREAD)) == (language == "en")


def test_one_other_is_told_as_one(tmp_path: Path) -> None:
    """Of images, of volumes, of recordings."""
    write_mr_series(tmp_path / "mr")
    series = load(tmp_path / "mr")
    one = OtherSeries(series=1, images=1)
    volume = replace(case_of(series, nothing_found(series), a_card()), others=one)
    ecg = replace(case_of(an_ecg(), an_ecg_reading(), an_ecg_card()), others=one)
    assert [other_series_sentences(case)[1] for case in (a_view(tmp_path / "dx", one), volume, ecg)] == [
        "1 other image of this study fits this model too and was not read.",
        "1 other series of this study fits this model equally well and was not read.",
        "1 other recording of this study fits this model too and was not read.",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_images_of_the_series_that_the_card_leaves_out_are_told(tmp_path: Path, language: Language) -> None:
    """A lateral view beside the frontal one that was read; before everything else, with which one was read."""
    two = a_view(tmp_path, OtherSeries(left_out=2), language)
    which, unread = other_series_sentences(two)
    assert "PA" in which
    assert "2" in unread
    assert which_sentences(two) == ()
    (_, one) = other_series_sentences(replace(two, others=OtherSeries(left_out=1)))
    if language == "en":
        assert unread == "2 other images of this series are not of the kind that this model reads, and were not read."
        assert one == "1 other image of this series is not of the kind that this model reads, and was not read."
    assert {which, unread} <= set(texts_of(two, "SR"))
    told = "".join(texts_of(two, "TEXT-SR")).replace(" ", "")  # a long one stands in several lines
    assert all(each.replace(" ", "") in told for each in (which, unread))
    recording = replace(case_of(an_ecg(), an_ecg_reading(), an_ecg_card()), others=OtherSeries(left_out=1))
    assert "recording of this series" in other_series_sentences(recording)[1]
    digests = {recipe_digest("r", ReportSettings(), others=others) for others in (None, OtherSeries(left_out=1), THREE)}
    assert len(digests) == 3


def test_a_view_by_code_and_a_series_without_a_number(tmp_path: Path) -> None:
    """A mammogram's view may be a code alone; where a header has neither, the UID tells which series it was."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "399162004", "SCT", "cranio-caudal"
    coded = a_view(tmp_path / "coded", ViewPosition="", ViewCodeSequence=[code])
    assert other_series_sentences(coded)[0] == "Only this was read: series 3, view cranio-caudal."
    bare = a_view(tmp_path / "bare", ViewPosition="", SeriesNumber=None)
    assert str(bare.head.SeriesInstanceUID) in other_series_sentences(bare)[0]


def test_which_series_was_read_is_told_where_only_it_fits(tmp_path: Path) -> None:
    """A study has other series, and each of them has an image 30; of a header without a number nothing is said."""
    alone = replace(a_view(tmp_path / "a"), others=OtherSeries())
    assert which_sentences(alone) == ("This was read: series 3, view PA.",)
    assert which_sentences(alone)[0] in scope_of(alone)
    assert which_sentences(a_view(tmp_path / "b")) == ()
    assert which_sentences(replace(a_view(tmp_path / "c", SeriesNumber=None), others=OtherSeries())) == ()


@pytest.mark.parametrize("text", ["Chest of test", "TEST-2 pa", "born 19700101"])
def test_free_text_that_names_the_patient_is_not_repeated(tmp_path: Path, text: str) -> None:
    """People write names into descriptions; one that names nobody is told, in the text SR alone."""
    told = a_view(tmp_path / "a", SeriesDescription="PA erect")
    assert description_sentences(told) == ("Description of the series that was read: PA erect",)
    assert not any("erect" in caveat for caveat in caveats_of(told))
    assert description_sentences(a_view(tmp_path / "b", SeriesDescription=text)) == ()


def test_a_read_says_what_its_job_knows(tmp_path: Path, ledger: Ledger) -> None:
    """From the ledger into the text SR; another number is another result."""
    house = House(root=tmp_path, ledger=ledger, priors=False, kinds=("TEXT-SR",))
    alone = house.read(1, slices=3)
    files = write_mr_series(tmp_path / "spool" / "2", seed=2)
    house.queue_files(files, OtherSeries(series=2, images=24))
    assert house.pipeline().work_one(["cpu"], "test")
    (text,) = (tmp_path / "results" / item.file for item in ledger.jobs(limit=1)[0].deliveries)
    told = [str(item.get("TextValue")) for item in content_items(parsed(text.read_bytes()))]
    assert "2 other series of this study fit this model equally well and were not read." in told
    assert not any("equally well" in sentence for sentence in alone.sentences)
    digests = {recipe_digest("r", ReportSettings(), others=others) for others in (None, OtherSeries(), THREE)}
    assert len(digests) == 2
