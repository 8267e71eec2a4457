"""A wrong `[selection]` is refused with the key as it stands in the card and what is allowed there."""

from pathlib import Path
from typing import Any

import pytest

from models.catalog import BUILT_IN, Catalog, read_entry
from models.errors import CardError
from models.testing import write_threshold_model
from worker.selecting.selection_rules import rules_of, selection_mistakes, tags_of

#: What somebody wrote, and what they are told.
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"modalty": ["CT"]}, "selection.modalty: unknown key, did you mean modality?"),
    ({"zzz": 1}, "selection.zzz: unknown key; allowed here are sop_classes, modality,"),
    ({"modality": "CT"}, "selection.modality: must be a list, in [ ], not 'CT'"),
    ({"channels": {"flair": {"modalty": ["MR"]}}}, "selection.channels.flair.modalty: unknown key, did you mean mod"),
    ({"channels": ["flair"]}, "selection.channels: must be a table, in { }"),
    ({"description_excludes": "("}, "selection.description_excludes: '(' is no regular expression"),
    ({"where": {"tag": "Modality", "matches": "(a"}}, "selection.where.matches: '(a' is no regular expression"),
    ({"where": {"tag": "SeriesDescripton", "present": True}}, "a person's, did you mean SeriesDescription?"),
    ({"where": {"tag": "PatientName", "present": True}}, "selection.where.tag: 'PatientName' is no DICOM keyword"),
    (
        {"where": {"any": [{"not": {"tagg": "Modality"}}]}},
        "selection.where.any.0.not.tagg: unknown key, did you mean t",
    ),
    ({"where": {}}, "selection.where: a rule is either { tag,"),
    ({"where": "Modality"}, "selection.where: must be a table, in { }, not 'Modality'"),
    ({"where": {"tag": "EchoTime", "at_least": 10, "at_most": 5}}, "no value could fit: at_least = 10 is more than at"),
    ({"where": {"tag": "EchoTime", "at_least": float("nan")}}, "selection.where.at_least: Input should be a finite"),
    ({"sop_classes": ["CT Imag Storage"]}, "nor the name of a SOP class, did you mean CT Image Storage?"),
    ({"sop_classes": ["Explicit VR Little Endian"]}, "selection.sop_classes: 'Explicit VR Little Endian' is neither"),
    (
        {"prefer": ["thinest-slices"]},
        "selection.prefer.0: 'thinest-slices' is not known, did you mean thinnest-slices?",
    ),
    ({"orientation": ["Axial"]}, "selection.orientation.0: 'Axial' is not known, did you mean axial?; allowed are"),
    ({"min_slices": 10, "max_slices": 5}, "no series could fit: max_slices = 5 is less than min_slices = 10"),
    ({"modality": ["CT", " "]}, "selection.modality: an empty text is no value that any series has; allowed are codes"),
    ({"max_slices": 0}, "selection: no series could fit: max_slices = 0"),
    ({"max_slice_spacing_mm": -1.0}, "selection.max_slice_spacing_mm: Input should be greater than 0, not -1"),
    ({"max_slice_spacing_mm": float("inf")}, "selection.max_slice_spacing_mm: Input should be a finite number"),
    ({"min_coverage_mm": -1}, "selection.min_coverage_mm: Input should be greater than or equal to 0, not -1"),
]


@pytest.mark.parametrize(("selection", "told"), MISTAKES, ids=[told[:40] for _, told in MISTAKES])
def test_a_mistake_is_named(selection: dict[str, Any], told: str) -> None:
    """The key begins with the section; what is near, or all that is allowed, is named."""
    assert selection_mistakes(selection).startswith("selection")
    assert told in selection_mistakes(selection)


def test_a_card_with_a_mistake_is_refused_by_its_id_and_asks_for_no_tags(tmp_path: Path) -> None:
    """`rules_of` names the card; `tags_of` passes it over, as one bad card must not keep studies from the others."""
    right = read_entry(write_threshold_model(tmp_path)).card
    where = {"tag": "EchoTime", "at_most": 10}
    wrong = right.model_copy(update={"selection": {"where": where, "modalty": ["CT"]}})
    with pytest.raises(CardError, match=r"card of constant-answer: selection\.modalty: unknown key"):
        rules_of(wrong)
    assert tags_of([wrong]) == frozenset()
    assert tags_of([right.model_copy(update={"selection": {"where": where}})]) == {"EchoTime"}


def test_what_ships_is_understood(tmp_path: Path) -> None:
    """No card of wetread's own has a mistake, and a SOP class's name becomes its UID."""
    catalog = Catalog.scan((BUILT_IN,), selection_mistakes)
    assert len(catalog)
    assert catalog.unreadable == ()
    card = read_entry(write_threshold_model(tmp_path, sop_classes=["CT Image Storage"])).card
    assert rules_of(card).sop_classes == ("1.2.840.10008.5.1.4.1.1.2",)
