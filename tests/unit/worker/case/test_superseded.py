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
from worker.case.case import Case
from worker.case.superseded import superseded_by
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import content_items
from worker.instances.instance_hierarchy import listed_references
from worker.instances.instance_reference import InstanceReference
from worker.jobs.superseded_read import Standing, StandingObject, SupersededRead
from worker.object_kinds import Kind
from worker.provenance import derived_uid
from worker.recipe import recipe_digest
from worker.results import build
from worker.settings import ReportSettings
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


def test_the_same_images_read_again_are_no_later_images(case: Case) -> None:
    """Where a job that was not read, or was read by an older model, is read again."""
    assert case.superseded is not None
    case = replace(case, superseded=replace(case.superseded, later_images=False))
    texts = [item.get("TextValue") for item in content_items(made_of(case, "TEXT-SR")["TEXT-SR"])]
    assert "Supersedes what was sent before: the images were read again." in texts
    assert not any("later images" in str(text) for text in texts)


def standing(*own: str, of_others: tuple[str, ...] = ()) -> Standing:
    """Return objects that a job, and those before it, have sent, by their UIDs."""
    made = {
        uid: StandingObject(
            kind="SR",
            reference=InstanceReference(
                study_instance_uid="1.2", series_instance_uid="1.3", sop_class_uid="1.4", sop_instance_uid=uid
            ),
            destinations=frozenset({"pacs"}),
        )
        for uid in (*own, *of_others)
    }
    return Standing(
        read_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        own=tuple(made[uid] for uid in own),
        of_others=tuple(made[uid] for uid in of_others),
    )


def named(superseded: SupersededRead | None, kind: str = "SR") -> str:
    """Stand for a UID: what is read, by whom, and what it supersedes."""
    return ">".join(["v1", kind, *(it.sop_instance_uid for it in (superseded.references if superseded else ()))])


def test_a_read_does_not_supersede_itself() -> None:
    """A job that is read again with the same outcome gives the same objects; an updated model's replace the old."""
    note, first = "not read", named(None)
    assert superseded_by(standing(), named) is None
    assert superseded_by(standing(first), named) is None
    again = superseded_by(standing(note, "v1>SR>not read"), named)
    assert named(again) == "v1>SR>not read"
    assert again is not None
    assert not again.later_images
    updated = superseded_by(standing(first), lambda it, kind: named(it, kind).replace("v1", "v2"))
    assert updated is not None
    assert [it.sop_instance_uid for it in updated.references] == [first]
    after = superseded_by(standing("v1>SR>old", of_others=("old",)), named)
    assert named(after) == "v1>SR>old"
    assert after is not None
    assert after.later_images


def test_without_an_earlier_read_nothing_changes() -> None:
    """The digest of the recipe, and with it every UID, is what it was."""
    report = ReportSettings()
    assert recipe_digest("r", report) == recipe_digest("r", report, superseded=None)
    assert recipe_digest("r", report) != recipe_digest("r", report, superseded=superseded("1.2"))
