"""The schema and the documentation of cards are what the code says."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from models.catalog import BUILT_IN
from models.testing import write_threshold_model
from models.testing_classifier import write_image_classifier
from ops.reference.card_reference import replaced, schema, tables

ROOT = Path(__file__).parents[4]


def test_the_schema_is_up_to_date() -> None:
    """models/card_schema.json is what the card says; otherwise: make docs."""
    assert (ROOT / "models" / "card_schema.json").read_text(encoding="utf-8") == schema()


def test_the_document_is_up_to_date() -> None:
    """docs/card.md has the tables of the code; otherwise: make docs."""
    document = (ROOT / "docs" / "card.md").read_text(encoding="utf-8")
    assert replaced(document) == document


def test_our_own_cards_are_valid(tmp_path: Path) -> None:
    """Every card that ships, and those of the test models, are valid by the schema."""
    cards = [*BUILT_IN.glob("*/model.toml")]
    cards += [folder / "model.toml" for folder in (write_threshold_model(tmp_path), write_image_classifier(tmp_path))]
    validator = jsonschema.Draft202012Validator(json.loads(schema()))
    validator.check_schema(json.loads(schema()))
    assert len(cards) == 4
    for card in cards:
        validator.validate(tomllib.loads(card.read_text(encoding="utf-8")))


def test_a_wrong_card_is_not() -> None:
    """A key that does not exist is an error for an editor too."""
    with pytest.raises(jsonschema.ValidationError, match="schem"):
        jsonschema.Draft202012Validator(json.loads(schema())).validate({"schem": 1})


@pytest.mark.parametrize("key", ["max_batch", "smallest_ml", "where", "not", "min_dice", "pad_multiple", "neighbours"])
def test_every_key_is_told(key: str) -> None:
    """No key of any record is left out."""
    assert f"| `{key}` |" in tables()
