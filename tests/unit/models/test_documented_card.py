"""The card in the documentation is one that wetread takes."""

import re
from pathlib import Path

from models.card.manifest import load_card

DOCUMENT = Path(__file__).parents[3] / "docs" / "writing-a-model.md"


def reference() -> str:
    """Return the page from the card on: what comes before it is run by a test of its own."""
    return DOCUMENT.read_text(encoding="utf-8").partition("## The card\n")[2]


def test_the_documented_card_is_accepted(tmp_path: Path) -> None:
    """A reader can start from the example as it stands, with the checksum of their own network."""
    example = reference().split("```toml\n")[1].split("```")[0]
    file = tmp_path / "model.toml"
    file.write_text(example.replace("…", "0" * 64), encoding="utf-8")
    card = load_card(file)
    assert (card.id, card.research, len(card.labels)) == ("my-model", True, 1)


def test_the_documented_card_of_images_is_accepted(tmp_path: Path) -> None:
    """What is said of images, put into the example, makes a card that wetread takes."""
    example, images = (block.split("```")[0] for block in reference().split("```toml\n")[1:4:2])
    file = tmp_path / "model.toml"
    file.write_text(example.partition("[preparation]")[0].replace("…", "0" * 64) + images, encoding="utf-8")
    card = load_card(file)
    assert (card.preparation.kind, card.interpretation.kind) == ("image", "classification")


def test_the_documented_rules_are_accepted(tmp_path: Path) -> None:
    """Put into the example, whose labels they then name, they make a card that wetread takes."""
    text = reference()
    example, rules = (block.split("```")[0] for block in text.split("```toml\n")[1:8:6])
    deadline, *each = rules.split("[[critical]]")
    label = example[example.index("[[labels]]") : example.index("[[golden]]")]
    labels = {
        name: label.replace("number = 1", f"number = {number}").replace('"Thalamus"\nconcept', f'"{name}"\nconcept')
        for number, name in enumerate(("Haemorrhage", "Nodule", "Free air", "Microbleed"), start=2)
    }
    labels["Microbleed"] = labels["Microbleed"].replace("concept", 'measurements = ["count"]\nconcept', 1)
    labels["Nodule"] = labels["Nodule"].replace("concept", "instances = true\nconcept", 1)
    certain = [rule for rule in each if 'when = "probability"' in rule]
    answered = [rule for rule in each if 'when = "certainty"' in rule]
    file = tmp_path / "model.toml"
    others = "".join(f"[[critical]]{rule}" for rule in each if rule not in (*certain, *answered))
    written = f"{deadline}\n{example}\n{''.join(labels.values())}\n{others}".replace("…", "0" * 64)
    file.write_text(written, encoding="utf-8")
    card = load_card(file)
    assert (card.deadline_s, len(card.critical), len(certain), len(answered)) == (600, 4, 1, 1)
    # The one about a probability is of a card whose one label has one.
    kind = re.search(r'\[interpretation\]\nkind = "(\S+)"', example)
    assert kind is not None
    alone = labels["Nodule"].replace("number = 3", "number = 1")
    alone = example.replace(label, alone).replace(kind[0], kind[0].replace(kind[1], "probability"))
    file.write_text(f"{alone}\n[[critical]]{certain[0]}".replace("…", "0" * 64), encoding="utf-8")
    assert len(load_card(file).critical) == 1
    # That about an answer is of the card of images, which answers it.
    images = example.partition("[preparation]")[0] + text.split("```toml\n")[3].split("```")[0]
    file.write_text(f"{images}\n[[critical]]{answered[0]}".replace("…", "0" * 64), encoding="utf-8")
    assert len(load_card(file).critical) == 1


def test_the_documented_numbers_are_accepted(tmp_path: Path) -> None:
    """Put in the place of the example's inference and what follows, they make a card that wetread takes."""
    example, numbers, rule = (reference().split("```toml\n")[place].split("```")[0] for place in (1, 4, 5))
    file = tmp_path / "model.toml"
    file.write_text(example.partition("[inference]")[0].replace("…", "0" * 64) + numbers + rule, encoding="utf-8")
    card = load_card(file)
    assert (card.interpretation.kind, card.critical[0].when) == ("numbers", "number")


def test_the_documented_detector_is_accepted(tmp_path: Path) -> None:
    """What is said of detectors, put in the place of the example's interpretation, makes a card that wetread takes."""
    text = reference()
    example, boxes = (block.split("```")[0] for block in text.split("```toml\n")[1:7:5])
    before, _, after = example.partition("[interpretation]")
    file = tmp_path / "model.toml"
    card = f"{before}{boxes}\n[[labels]]{after.partition('[[labels]]')[2]}"
    file.write_text(card.replace("…", "0" * 64), encoding="utf-8")
    assert load_card(file).interpretation.kind == "boxes"


def test_the_documented_code_models_are_accepted(tmp_path: Path) -> None:
    """Both cards of models that come as code, put into the example, are taken."""
    section = reference().partition("## Models that come as code")[2]
    code, command = (block.split("```")[0] for block in section.split("```toml\n")[1:3])
    example = reference().split("```toml\n")[1].split("```")[0]
    head, labels = (
        example.partition("[networks.main]")[0],
        example[example.index("[[labels]]") : example.index("[[golden]]")],
    )
    file = tmp_path / "model.toml"
    file.write_text(f"{head}\n{code}\n{labels}", encoding="utf-8")
    assert load_card(file).inference.strategy == "entry-point"
    around = code.partition("[inference]")[0] + "[interpretation]" + code.partition("[interpretation]")[2]
    file.write_text(f"{head}\n{around}\n{command.replace('…', '0' * 64)}\n{labels}", encoding="utf-8")
    assert load_card(file).inference.strategy == "command"
