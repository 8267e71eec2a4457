"""What a read of later images says of the read that it supersedes."""

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, EnhancedSRStorage, SegmentationStorage

from tests.readings import a_card, a_reading, case_of, load
from worker import output_gate
from worker.case import Case
from worker.errors import OutputRefused
from worker.gate_bundle import content_items
from worker.instance_hierarchy import listed_references
from worker.instance_reference import InstanceReference
from worker.object_kinds import Kind
from worker.pipeline import recipe_digest
from worker.provenance import derived_uid
from worker.results import build
from worker.settings import ReportSettings
from worker.superseded_read import SupersededRead
from worker.testing import write_mr_series

_CLASSES = {"SEG": SegmentationStorage, "SR": Comprehensive3DSRStorage, "TEXT-SR": EnhancedSRStorage}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A reading that supersedes one of a SEG and two reports."""
    write_mr_series(tmp_path, slices=20)
    series = load(tmp_path)
    made = case_of(series, a_reading(series), a_card())
    return replace(made, superseded=superseded(str(made.head.StudyInstanceUID)))


def superseded(study: str) -> SupersededRead:
    """Return an earlier read of a study."""
    return SupersededRead(
        read_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        objects=tuple(
            (
                kind,
                InstanceReference(
                    study_instance_uid=study,
                    series_instance_uid=derived_uid("earlier series", kind),
                    sop_class_uid=uid,
                    sop_instance_uid=derived_uid("earlier", kind),
                ),
            )
            for kind, uid in _CLASSES.items()
        ),
        destinations=frozenset({"pacs"}),
    )


def made_of(case: Case, *kinds: Kind) -> dict[str, Dataset]:
    """Return the objects of a case by kind, read from their bytes; they pass the gate."""
    objects = build(case, kinds)
    output_gate.check(objects, case)
    return {made.kind: dcmread(BytesIO(made.data)) for made in objects}


def test_reports_name_their_predecessors_and_say_so(case: Case) -> None:
    """Each the earlier one of its kind; the text in words, every object in its series' description."""
    case = replace(case, report=ReportSettings(time_zone="UTC"))
    made = made_of(case, "SR", "TEXT-SR", "SEG")
    for kind in ("SR", "TEXT-SR"):
        (earlier,) = listed_references(made[kind], "PredecessorDocumentsSequence")
        assert earlier.sop_instance_uid == derived_uid("earlier", kind)
    assert "PredecessorDocumentsSequence" not in made["SEG"]
    texts = [item.get("TextValue") for item in content_items(made["TEXT-SR"])]
    assert "Supersedes the read of 2 Jan 2026 03:04: later images came." in texts
    assert {str(item.SeriesDescription).startswith("RESEARCH SUPERSEDES EARLIER AI") for item in made.values()} == {
        True
    }


def test_a_rejection_note_rejects_every_object_of_the_earlier_read(case: Case) -> None:
    """IOCM: titled "Rejected for Quality Reasons", with all of them in its evidence; only where something is."""
    note = made_of(case, "SR", "TEXT-SR", "REJECTION")["REJECTION"]
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    listed = {item.sop_instance_uid for item in listed_references(note, "CurrentRequestedProcedureEvidenceSequence")}
    assert listed == {derived_uid("earlier", kind) for kind in _CLASSES}
    assert "REJECTION" not in made_of(replace(case, superseded=None), "TEXT-SR", "REJECTION")


def test_another_read_is_no_predecessor(case: Case) -> None:
    """The gate refuses a report that names what it does not supersede, or what is of another study."""
    objects = build(case, ("TEXT-SR",))
    with pytest.raises(OutputRefused, match="predecessor that it does not supersede"):
        output_gate.check(objects, replace(case, superseded=None))
    other = replace(case, superseded=superseded("1.2.3"))
    with pytest.raises(OutputRefused, match="predecessor of another study"):
        output_gate.check(build(other, ("TEXT-SR",)), other)


def test_without_an_earlier_read_nothing_changes() -> None:
    """The digest of the recipe, and with it every UID, is what it was."""
    report = ReportSettings()
    assert recipe_digest("r", report) == recipe_digest("r", report, superseded=None)
    assert recipe_digest("r", report) != recipe_digest("r", report, superseded=superseded("1.2"))
