"""The documentation of defects is what the code says."""

from pathlib import Path

from ops.reference.source_reference import replaced, tables

DOCUMENT = Path(__file__).parents[4] / "docs" / "conformance.md"


def test_the_document_has_the_tables_of_the_code() -> None:
    """docs/conformance.md is up to date; otherwise: make docs."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert replaced(document) == document


def test_every_kind_of_defect_is_there() -> None:
    """A repair of an identity, a repair of a series, and a refusal."""
    told = tables()
    for words in ("Patient's Sex (0010,0040)", "none of M, F and O", "MONOCHROME1", "gantry tilt", "refused"):
        assert words in told
