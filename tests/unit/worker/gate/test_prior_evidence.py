"""What a result was compared with is listed, and the gate sees where it is not."""

from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.readings import a_card, a_reading, case_of, load
from worker.case.case import Case
from worker.case.prior import Change, Prior
from worker.errors import OutputRefused
from worker.gate.output_gate import check, check_files
from worker.instances.instance_hierarchy import hierarchy_of
from worker.instances.instance_reference import InstanceReference
from worker.objects.object_encoding import ResultObject, encoded
from worker.results import build
from worker.testing import write_mr_series


def reference(study: str, series: str, instance: str) -> InstanceReference:
    """Return a reference to an SR."""
    return InstanceReference(
        study_instance_uid=study,
        series_instance_uid=series,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
        sop_instance_uid=instance,
    )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A case that was compared with two reports of one study."""
    write_mr_series(tmp_path / "series")
    series = load(tmp_path / "series")
    made = case_of(series, a_reading(series), a_card())
    volume = made.reading.structures[0].measurements[0]
    change = Change(
        label=made.reading.structures[0].label,
        number=None,
        name=volume.name,
        unit=volume.unit,
        method=None,
        earlier=1.0,
        now=volume.value,
    )
    prior = Prior(
        studied_on=date(2023, 1, 2),
        days=365,
        model_version="1",
        changes=(change,),
        unpaired=(),
        references=(reference("1.1", "1.1.1", "1.1.1.1"), reference("1.1", "1.1.2", "1.1.2.1")),
    )
    return replace(made, prior=prior)


def text_in(objects: tuple[ResultObject, ...]) -> Dataset:
    """Return the text SR."""
    return dcmread(BytesIO(next(made.data for made in objects if made.kind == "TEXT-SR")))


def with_references(objects: tuple[ResultObject, ...], *references: InstanceReference) -> list[ResultObject]:
    """Return the objects with other pertinent evidence in the text SR."""
    text = text_in(objects)
    text.PertinentOtherEvidenceSequence = hierarchy_of(references)
    return [encoded(text, "TEXT-SR") if made.kind == "TEXT-SR" else made for made in objects]


def test_one_item_a_study(case: Case) -> None:
    """Series and instances lie below their study, and the gate finds them."""
    objects = build(case)
    check(objects, case)
    (study,) = text_in(objects).PertinentOtherEvidenceSequence
    assert [series.SeriesInstanceUID for series in study.ReferencedSeriesSequence] == ["1.1.1", "1.1.2"]


def test_what_is_missing_or_too_much_is_refused(case: Case) -> None:
    """Every report that was compared with and no other, none of them of today's study."""
    objects, known = build(case), case.prior.references if case.prior else ()
    with pytest.raises(OutputRefused, match="does not list every report"):
        check(with_references(objects, known[0]), case)
    with pytest.raises(OutputRefused, match="was not compared with"):
        check(with_references(objects, *known, reference("1.3", "1.3.1", "1.3.1.1")), case)
    today = str(case.head.StudyInstanceUID)
    with pytest.raises(OutputRefused, match="of the same study"):
        check(with_references(objects, reference(today, "1.1.1", "1.1.1.1")), case)


def test_files_that_came_back_pass(case: Case, tmp_path: Path) -> None:
    """Nobody knows then what was compared; only today's study is still no earlier one."""
    paths = []
    for made in build(case):
        paths.append(tmp_path / f"{made.kind}.dcm")
        paths[-1].write_bytes(made.data)
    check_files(paths, sorted((tmp_path / "series").iterdir()))
