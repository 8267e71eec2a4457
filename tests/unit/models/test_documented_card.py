"""The card in the documentation is one that wetread takes."""

import re
import tomllib
from pathlib import Path

from models.card.manifest import load_card
from worker.selecting.selection_rules import selection_mistakes

DOCUMENT = Path(__file__).parents[3] / "docs" / "writing-a-model.md"


def blocks(section: str) -> list[str]:
    """Return the examples of TOML of a section of the page."""
    text = re.split(r"^##+ ", DOCUMENT.read_text(encoding="utf-8").partition(f"# {section}\n")[2], flags=re.MULTILINE)[
        0
    ]
    return [block.split("```")[0] for block in text.split("```toml\n")[1:]]


def test_the_documented_card_is_accepted(tmp_path: Path) -> None:
    """A reader can start from the example as it stands, with the checksum of their own network."""
    (example,) = blocks("The card")
    file = tmp_path / "model.toml"
    file.write_text(example.replace("…", "0" * 64), encoding="utf-8")
    card = load_card(file)
    assert (card.id, card.research, len(card.labels)) == ("my-model", True, 1)


def test_the_documented_card_of_images_is_accepted(tmp_path: Path) -> None:
    """What is said of images, put into the example, makes a card that wetread takes."""
    (example,), (images,) = blocks("The card"), blocks("Images without a place in space")
    file = tmp_path / "model.toml"
    file.write_text(example.partition("[preparation]")[0].replace("…", "0" * 64) + images, encoding="utf-8")
    card = load_card(file)
    assert (card.preparation.kind, card.interpretation.kind) == ("image", "classification")


def test_the_documented_rules_are_accepted(tmp_path: Path) -> None:
    """Put into the example, whose labels they then name, they make a card that wetread takes."""
    (example,), (rules,) = blocks("The card"), blocks("Critical findings and deadlines")
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
    images = example.partition("[preparation]")[0] + blocks("Images without a place in space")[0]
    file.write_text(f"{images}\n[[critical]]{answered[0]}".replace("…", "0" * 64), encoding="utf-8")
    assert len(load_card(file).critical) == 1


def test_the_documented_numbers_are_accepted(tmp_path: Path) -> None:
    """Put in the place of the example's inference and what follows, they make a card that wetread takes."""
    (example,), (numbers, rule) = blocks("The card"), blocks("Numbers")
    file = tmp_path / "model.toml"
    file.write_text(example.partition("[inference]")[0].replace("…", "0" * 64) + numbers + rule, encoding="utf-8")
    card = load_card(file)
    assert (card.interpretation.kind, card.critical[0].when) == ("numbers", "number")


def test_the_documented_detector_is_accepted(tmp_path: Path) -> None:
    """What is said of detectors, put in the place of the example's interpretation, makes a card that wetread takes."""
    (example,), (boxes,) = blocks("The card"), blocks("Detectors")
    before, _, after = example.partition("[interpretation]")
    file = tmp_path / "model.toml"
    card = f"{before}{boxes}\n[[labels]]{after.partition('[[labels]]')[2]}"
    file.write_text(card.replace("…", "0" * 64), encoding="utf-8")
    assert load_card(file).interpretation.kind == "boxes"


def test_the_documented_code_models_are_accepted(tmp_path: Path) -> None:
    """Both cards of models that come as code, put into the example, are taken."""
    (example,), (code, command) = blocks("The card"), blocks("Models that come as code")
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


def test_the_documented_choices_of_images_are_accepted() -> None:
    """Each by itself: a card has one."""
    (rules,) = blocks("Some images of a series")
    assert [selection_mistakes(tomllib.loads(rule)) for rule in rules.splitlines()] == [""] * 4
