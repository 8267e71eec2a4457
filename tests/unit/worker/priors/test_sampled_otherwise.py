"""Where slices or pixels lay further apart then, or now, a difference in size may come from that: it is told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from models.card.card_interpretation import LabelMapInterpretation
from models.interpreting.interpretation import interpret
from models.volume import Volume
from tests.readings import a_nodule_card, case_of, load
from worker.case.case import Case
from worker.case.prior import EarlierRead, Method, Prior
from worker.case.prior_words import comparison_sentences
from worker.case.sentences import words_in
from worker.gate.bundle import content_items, name_of
from worker.gate.output_gate import check
from worker.instances.sampling import Sampling
from worker.languages import LANGUAGES, Language
from worker.priors.earlier_report import earlier_read
from worker.priors.prior_changes import compare
from worker.provenance import serial_number
from worker.results import build
from worker.series.series_depicted import sampling
from worker.testing import write_mr_series

SPACING_BETWEEN_SLICES = ("112226", "DCM")
METHOD = Method(model_version="1.2", serial_number=serial_number("ab" * 32))


def a_ball(
    folder: Path,
    slices_mm: float,
    diameter_mm: float = 10.0,
    seed: int = 1,
    attributes: Mapping[str, Any] | None = None,
) -> Case:
    """Return the read of a ball, of which every voxel is that it touches."""
    count = int(60 / slices_mm)
    spacing_mm = (slices_mm, 1, 1)
    write_mr_series(folder, seed=seed, slices=count, rows=60, columns=60, spacing_mm=spacing_mm, attributes=attributes)
    series, card = load(folder), a_nodule_card()
    assert isinstance(series.source, Volume)
    assert isinstance(card.interpretation, LabelMapInterpretation)
    k, row, column = np.mgrid[:count, :60, :60]
    nearest = np.maximum(np.abs((k - (count - 1) / 2) * slices_mm) - slices_mm / 2, 0)
    touched = nearest**2 + (row - 29.5) ** 2 + (column - 29.5) ** 2 < (diameter_mm / 2) ** 2
    answer = Volume(array=touched.astype(np.uint8) * 11, affine=series.source.affine)
    return case_of(series, interpret(card, card.interpretation, answer, series.source), card)


def taken(case: Case, change: Any = None) -> EarlierRead:
    """Return what the reports of a read say of it."""
    objects = build(case)
    check(objects, case)
    reports = []
    for made in objects:
        if made.kind in ("SR", "REGION-SR"):
            report = dcmread(BytesIO(made.data))
            if change is not None:
                change(report)
            stream = BytesIO()
            dcmwrite(stream, report)
            reports.append(stream.getvalue())
    study = str(case.head.StudyInstanceUID)
    found = earlier_read(reports, case.provenance.card, lambda _: True, study_instance_uid=study)
    assert found is not None
    return found


def compared(case: Case, then: EarlierRead) -> Prior:
    """Compare a read with an earlier one."""
    prior = compare(case.reading, then, studied_on=date(2025, 1, 2), method=METHOD, sampling=sampling(case.series))
    assert prior is not None
    return prior


def test_a_ball_in_thicker_slices_does_not_grow(tmp_path: Path) -> None:
    """Both distances are told before the numbers, and no doubling time."""
    then, now = taken(a_ball(tmp_path / "thin", 1.25)), a_ball(tmp_path / "thick", 5.0, seed=2)
    assert then.sampling == Sampling(slices=1.25, rows=1.0, columns=1.0)
    prior = compared(now, then)
    growth = {change.name.meaning: change.percent for change in prior.changes}
    assert growth["Volume"] is not None
    assert growth["Volume"] > 25
    assert not any(change.doubling_days for change in prior.changes)
    lines = comparison_sentences(prior, words_in("en"))
    assert lines[1] == (
        "Slices, rows and columns lay 1.25 / 1.00 / 1.00 mm apart then, 5.00 / 1.00 / 1.00 mm now: "
        "sizes may differ by that alone."
    )
    assert not any("doubling" in line for line in lines)


def test_what_is_sampled_alike_has_its_doubling_time(tmp_path: Path) -> None:
    """Half a millimetre more is alike."""
    then, now = taken(a_ball(tmp_path / "thin", 1.0)), a_ball(tmp_path / "thick", 1.5, 14.0, seed=2)
    prior = compared(now, then)
    assert prior.sampled is None
    assert any(change.doubling_days for change in prior.changes)
    assert not any("apart" in line for line in comparison_sentences(prior, words_in("en")))


def without_distances(report: Dataset) -> None:
    """Make of a report one of an earlier release."""
    report.ContentSequence = [item for item in report.ContentSequence if name_of(item) != ("111028", "DCM")]


def nonsense(report: Dataset) -> None:
    """Say that slices lie upon each other."""
    for item in content_items(report):
        if name_of(item) == SPACING_BETWEEN_SLICES:
            item.MeasuredValueSequence[0].NumericValue = 0


@pytest.mark.parametrize("change", [without_distances, nonsense])
def test_a_report_that_does_not_say_it_is_compared_as_before(tmp_path: Path, change: Any) -> None:
    """Nobody can tell whether it differs."""
    then = taken(a_ball(tmp_path / "thin", 1.25), change)
    assert then.sampling is None
    prior = compared(a_ball(tmp_path / "thick", 5.0, seed=2), then)
    assert prior.sampled is None
    assert any(one.doubling_days for one in prior.changes)


def test_reports_that_contradict_each_other_do_not_say_it(tmp_path: Path) -> None:
    """One of the two was made of other images."""
    first = []

    def another(report: Dataset) -> None:
        for item in content_items(report):
            if name_of(item) == SPACING_BETWEEN_SLICES and first:
                item.MeasuredValueSequence[0].NumericValue = 7
        first.append(report)

    assert taken(a_ball(tmp_path, 1.25), another).sampling is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_tells_both(tmp_path: Path, language: Language) -> None:
    """Then before now, as in every sentence of a comparison; nothing where no size is compared."""
    then, now = taken(a_ball(tmp_path / "thin", 1.25)), a_ball(tmp_path / "thick", 5.0, seed=2)
    prior, words = compared(now, then), words_in(language)
    line = comparison_sentences(prior, words)[1]
    assert 0 < line.index(words.number(1.25)) < line.index(words.number(5.0))
    alone = replace(prior, changes=(), cut=(now.reading.detections[0].label,))
    assert not any(words.number(1.25) in line for line in comparison_sentences(alone, words))
