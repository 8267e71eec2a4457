"""What the output gate asks of pictures, presentation states, documents and key objects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.readings import a_nodule_card, case_of, detections_reading, load
from worker.case.case import Case
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import parsed
from worker.object_kinds import KINDS
from worker.objects.object_encoding import encoded
from worker.results import build
from worker.testing import write_mr_series


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A reading with structures and nodules."""
    write_mr_series(tmp_path, slices=12)
    series = load(tmp_path)
    return case_of(series, detections_reading(series), a_nodule_card())


def test_all_kinds_pass_together(case: Case) -> None:
    """What is built of a reading is what the gate expects of it."""
    output_gate.check(build(case, tuple(KINDS)), case)


def _elsewhere(made: Any) -> None:
    made.GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def _unlisted(made: Any) -> None:
    made.ReferencedSeriesSequence[0].ReferencedImageSequence = made.ReferencedSeriesSequence[0].ReferencedImageSequence[
        :1
    ]


def _outside(made: Any) -> None:
    graphic = made.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    graphic.GraphicData = [9999.0, *list(graphic.GraphicData)[1:]]


def _no_layer(made: Any) -> None:
    made.GraphicLayerSequence = made.GraphicLayerSequence[1:]


def _named(made: Any) -> None:
    item = next(item for item in made.ContentSequence if item.ValueType == "IMAGE")
    item.ConceptNameCodeSequence = made.ConceptNameCodeSequence


def _no_evidence(made: Any) -> None:
    made.CurrentRequestedProcedureEvidenceSequence[
        0
    ].ReferencedSeriesSequence = made.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[:1]


def _cut(made: Any) -> None:
    made.PixelData = made.PixelData[:-2]


def _no_pdf(made: Any) -> None:
    made.EncapsulatedDocument = b"<html></html>\0"


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("SC", _cut, "pictures: a picture has other pixels"),
        (
            "SC",
            lambda made: setattr(made, "BurnedInAnnotation", "YES"),
            "burnt in: OT does not say of BurnedInAnnotation",
        ),
        ("PDF", _no_pdf, "documents: a document is no whole PDF"),
        ("GSPS", _elsewhere, "references of pictures: PR refers to an instance that was neither read nor made"),
        ("GSPS", _unlisted, "presentation state: it draws on an image that it does not list"),
        ("GSPS", _outside, "presentation state: a line leaves its image"),
        ("GSPS", _no_layer, "presentation state: a graphic stands in no layer"),
        ("KO", _named, "key objects: an item has a concept name"),
        ("KO", _no_evidence, "key objects: the evidence is not what is selected"),
    ],
)
def test_what_is_wrong_is_refused(case: Case, kind: str, change: Callable[[Any], None], told: str) -> None:
    """A picture without its pixels, a reference into nowhere, a line outside its image: none of them leaves."""
    objects = []
    for made in build(case, tuple(KINDS)):
        if made.kind == kind:
            dataset = parsed(made.data)
            change(dataset)
            objects.append(encoded(dataset, made.kind))
        else:
            objects.append(made)
    with pytest.raises(OutputRefused, match=told):
        output_gate.check(objects, case)
