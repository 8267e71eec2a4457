"""A model reads a series: a network or code the source, a command the files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from models.card.card_inference import Command
from models.card.card_interpretation import LabelMapInterpretation, NumbersInterpretation
from models.card.manifest import Card
from models.errors import CardError
from models.findings import Reading
from models.interpreting.regression import measurements_by_name
from models.reading import read, read_labels
from models.runtimes.runtime import Infer
from models.volume import Source, Volume
from worker.hosting.command_model import ask_command, words_of


def read_series(card: Card, source: Source, files: Sequence[Path], infer: Infer, *, loud: bool = False) -> Reading:
    """Return what the model says; `loud` shows a person what code or a command prints.

    Raises what `models.reading.read` and `worker.hosting.command_model.ask_command` raise.
    """
    if not isinstance(card.inference, Command):
        return read(card, source, infer, loud=loud)
    if not isinstance(source, Volume):
        raise CardError(f"{card.id}: a command reads volumes; mend the card's [selection]")
    labels, measurements, findings = ask_command(card, card.inference, files, source, loud=loud)
    reading = Reading()
    if labels is not None:
        if not isinstance(card.interpretation, LabelMapInterpretation):
            raise CardError(f"{card.id}: the command left labels, and the card has none to interpret them by")
        reading = read_labels(card, card.interpretation, labels.array, source)
    if isinstance(card.interpretation, NumbersInterpretation):
        measurements = measurements_by_name(card, card.interpretation, measurements)
    return replace(reading, measurements=measurements, findings=findings, runtime=words_of(card.inference))
