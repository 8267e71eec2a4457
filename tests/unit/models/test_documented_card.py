"""The card in the documentation is one that wetread takes."""

from pathlib import Path

from models.manifest import load_card

DOCUMENT = Path(__file__).parents[3] / "docs" / "writing-a-model.md"


def test_the_documented_card_is_accepted(tmp_path: Path) -> None:
    """A reader can start from the example as it stands, with the checksum of their own network."""
    example = DOCUMENT.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    file = tmp_path / "model.toml"
    file.write_text(example.replace("…", "0" * 64), encoding="utf-8")
    card = load_card(file)
    assert (card.id, card.research, len(card.labels)) == ("my-model", True, 1)
