"""The card of a model: everything it says of itself in ``model.toml``, without code.

`models` reads all of it but ``[selection]``, which is DICOM's business and checked by
`worker.selecting.selection_rules`.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from models.card.card_critical import CriticalRule
from models.card.card_inference import Command, Inference, LocateThenRead, SlidingWindow
from models.card.card_interpretation import (
    BoxInterpretation,
    ClassificationInterpretation,
    EcgInterpretation,
    LabelMapInterpretation,
    NumbersInterpretation,
)
from models.card.card_kinds import kinds_problem
from models.card.card_mistakes import mistakes
from models.card.card_network import Golden, Network
from models.card.card_parts import Concept, Identifier, Label, Range, Strict, Text, Written, alike
from models.card.card_preparation import (
    ImagePreparation,
    NoPreparation,
    SignalsPreparation,
    VolumePreparation,
    WaveformPreparation,
)
from models.card.card_rules import rule_problem
from models.errors import CardError


class Regulatory(Strict):
    """What the law says of the model; a research read says so in every object."""

    status: Literal["research", "cleared"] = Field(description="research: every object says RESEARCH")
    udi: str = Field(default="", description="Unique Device Identifier, of a cleared model")
    regions: tuple[str, ...] = Field(default=(), description="where a cleared model is cleared")

    @model_validator(mode="after")
    def _cleared_needs_udi(self) -> "Regulatory":
        if self.status == "cleared" and not (self.udi and self.regions):
            raise ValueError("a cleared model names its udi and its regions")
        return self


class Patient(Strict):
    """Whom the model may read."""

    age_years: Range = Field(default=Range(), description="at the time of the study")
    sex: tuple[Literal["M", "F", "O"], ...] = Field(default=(), description="Patient's Sex (0010,0040); empty: any")
    missing_age: Literal["refuse", "allow"] = Field(
        default="refuse", description="what becomes of a patient of unknown age, where age_years has a limit"
    )


class Card(Strict):
    """A model's card; one ``model.toml``."""

    schema_: Literal[1] = Field(alias="schema")
    id: Identifier = Field(description="what commands, settings and the ledger call it")
    name: Written = Field(min_length=1, max_length=40, description="on every result")
    version: Written = Field(min_length=1, max_length=16, description="on every result")
    manufacturer: Written = Field(min_length=1, max_length=64, description="who has made the model; on every result")
    licence: str = Field(description="of the network and its weights")
    intended_use: str = Field(description="for who looks into the card")
    limits: Text = Field(default="", description="what a radiologist must know of it; each text SR says it")
    contact: str = Field(default="", description="whom to ask; for who looks into the card")
    device_uid: str = Field(
        default="",
        pattern="^((0|[1-9][0-9]*)([.](0|[1-9][0-9]*))+)?$",
        max_length=64,
        description="left out, it is derived from id and version",
    )
    family: Concept = Field(
        default=Concept(value="123110", scheme="DCM", meaning="Artificial Intelligence"),
        description="kind of algorithm, as SR and SEG tell it (CID 7162)",
    )
    trigger: Literal["study", "series"] = Field(
        default="study",
        description="when it runs: once the study is complete, or as soon as what it reads is, for what cannot wait",
    )
    late_images: Literal["rerun", "addendum", "ignore"] = Field(
        default="rerun",
        description="when images come after the read: read again; tell it in a text SR; or do nothing",
    )
    deadline_s: float | None = Field(default=None, gt=0, description="from queueing to the read; then it is late")
    queue: Identifier = Field(
        default="cpu", description='who reads: workers that list it in worker.queues, such as "gpu" or a pool\'s name'
    )
    regulatory: Regulatory = Field(description="what the law says of it")
    patient: Patient = Field(default=Patient(), description="whom it may read")
    selection: dict[str, Any] = Field(description="which series it reads: SelectionRules, below")
    networks: dict[Identifier, Network] = Field(default={}, description="empty for a model that comes as code")
    preparation: VolumePreparation | ImagePreparation | WaveformPreparation | SignalsPreparation | NoPreparation = (
        Field(discriminator="kind")
    )
    inference: Inference
    interpretation: (
        LabelMapInterpretation
        | BoxInterpretation
        | ClassificationInterpretation
        | NumbersInterpretation
        | EcgInterpretation
    ) = Field(discriminator="kind")
    labels: tuple[Label, ...] = Field(default=(), description="what the numbers of its answer stand for")
    critical: tuple[CriticalRule, ...] = Field(default=(), description="when somebody must be told at once")
    golden: tuple[Golden, ...] = Field(
        default=(), description="inputs and expected answers, for `wetread models check`"
    )

    @model_validator(mode="after")
    def _labels_are_told_apart(self) -> "Card":
        numbers = [label.number for label in self.labels]
        for place, number in enumerate(numbers):
            if number in numbers[:place]:
                first = numbers.index(number)
                raise ValueError(f"labels.{place}.number: {number} is that of labels.{first} too; allowed is another")
        if problem := alike(self.labels):
            raise ValueError(problem)
        if self.networks and self.interpretation.kind == "probability" and numbers not in ([], [1]):
            raise ValueError(
                f"kind = probability finds label 1 alone, and [[labels]] has {sorted(numbers)}: others would be told "
                "as not found; allowed is the number 1, or another kind, such as multi-label"
            )
        by_itself = self.interpretation.kind in ("multi-label", "regions")
        if not by_itself and any(label.threshold is not None for label in self.labels):
            raise ValueError(
                "a threshold of [[labels]] goes with kind = multi-label or regions; else [interpretation] has the one"
            )
        order = self.interpretation.order if isinstance(self.interpretation, LabelMapInterpretation) else ()
        if order and sorted(order) != sorted(numbers):
            raise ValueError(
                f"interpretation.order needs each label's number once: {sorted(numbers)}, not {list(order)}"
            )
        return self

    @model_validator(mode="after")
    def _channels_are_chosen(self) -> "Card":
        if isinstance(self.preparation, VolumePreparation) and isinstance(self.selection.get("channels", {}), dict):
            named, chosen = self.preparation.channels, tuple(self.selection.get("channels", {}))
            if sorted(named) != sorted(chosen):
                raise ValueError(
                    f"preparation.channels names {', '.join(named) or 'none'}, selection.channels "
                    f"{', '.join(chosen) or 'none'}: they must be the same series"
                )
            if isinstance(self.inference, LocateThenRead):
                if named:
                    raise ValueError("locate-then-read goes with one series")
                if self.preparation.crop_centre is not None:
                    raise ValueError("locate-then-read looks at all of the images: leave out crop_centre")
                if self.preparation.normalised == "source-grid":
                    raise ValueError("locate-then-read normalises what it resampled: leave out normalised")
                if self.preparation.fit != "resize" or self.preparation.crop_above is not None:
                    raise ValueError("locate-then-read looks at all of the images: fit = resize, without crop_above")
                if self.preparation.crop_non_zero:
                    raise ValueError("locate-then-read looks at all of the images: leave out crop_non_zero")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "Card":
        if problem := kinds_problem(self.preparation.kind, self.inference.strategy, self.interpretation.kind):
            raise ValueError(problem)
        if isinstance(self.interpretation, LabelMapInterpretation) and not self.labels:
            raise ValueError("a label map needs at least one [[labels]]")
        if isinstance(self.interpretation, NumbersInterpretation):
            self._check_numbers(self.interpretation)
        if isinstance(self.interpretation, BoxInterpretation):
            self._check_boxes()
        elif not isinstance(self.preparation, ImagePreparation):
            self._check_smallest()
        if isinstance(self.preparation, NoPreparation) == bool(self.networks):
            raise ValueError("the strategies entry-point and command, and only they, go without [networks]")
        if isinstance(self.inference, LocateThenRead) and set(self.networks) != {"locator", "main"}:
            raise ValueError("locate-then-read needs the networks locator and main")
        if isinstance(self.preparation, ImagePreparation):
            self._check_images()
        return self

    def _check_smallest(self) -> None:
        for place, label in enumerate(self.labels):
            if label.smallest_mm and not label.instances:
                raise ValueError(
                    f"labels.{place}.smallest_mm: only things that are counted are measured across; allowed are "
                    "instances = true beside it, or smallest_ml instead"
                )

    def _check_numbers(self, interpretation: NumbersInterpretation) -> None:
        if self.labels:
            raise ValueError("numbers have no label: leave out [[labels]]")
        scaled = any((each.scale, each.offset) != (1, 0) for each in interpretation.numbers)
        if scaled and isinstance(self.inference, Command):
            raise ValueError("a program tells numbers with their units: leave out scale and offset")

    def _check_images(self) -> None:
        if any(label.instances for label in self.labels):
            raise ValueError("instances are counted in volumes only, not on images")
        if isinstance(self.interpretation, LabelMapInterpretation) and any(label.counted for label in self.labels):
            raise ValueError("connected parts are counted in volumes only, not on images: leave out count")
        if isinstance(self.interpretation, LabelMapInterpretation) and any(label.measurements for label in self.labels):
            raise ValueError("what is outlined on images has an area alone: leave out the measurements of [[labels]]")
        if any(label.smallest_ml or label.smallest_mm for label in self.labels):
            raise ValueError(
                "small parts are dropped in volumes only, not on images: leave out smallest_ml, smallest_mm"
            )
        ranges = [label.plausible_volume_ml for label in self.labels]
        if isinstance(self.interpretation, LabelMapInterpretation):
            ranges.append(self.interpretation.plausible_total_ml)
        if any(one != Range() for one in ranges):
            raise ValueError("what is outlined on images has an area and no volume: leave out the plausible ml")

    def _check_boxes(self) -> None:
        if not self.labels:
            raise ValueError("boxes need at least one [[labels]]")
        for name, network in self.networks.items():
            if network.max_batch > 1:
                # Of two patients' images that are asked together nobody knows whose the third box is.
                raise ValueError(f"networks.{name}.max_batch: boxes are a list without an axis of inputs; allowed is 1")
        if isinstance(self.inference, SlidingWindow) and self.inference.mirror_axes:
            raise ValueError("boxes of mirrored copies have no mean: leave out mirror_axes")
        if isinstance(self.inference, SlidingWindow) and self.inference.slice_axis is not None:
            raise ValueError("boxes of slices are not joined to boxes of a volume: leave out slice_axis")
        if any(label.instances or set(label.measurements) - {"count"} for label in self.labels):
            raise ValueError("boxes have no mask: leave out instances, and all measurements of [[labels]] but count")
        if any(label.smallest_ml or label.smallest_mm or label.plausible_volume_ml != Range() for label in self.labels):
            raise ValueError(
                "boxes have no volume, and small ones are not dropped: leave out plausible_volume_ml, smallest_ml and "
                "smallest_mm of [[labels]]"
            )

    @model_validator(mode="after")
    def _rules_may_fire(self) -> "Card":
        for number, rule in enumerate(self.critical):
            if problem := rule_problem(self, rule):
                raise ValueError(f"critical.{number}{problem}")
        return self

    @property
    def research(self) -> bool:
        """Whether every object must say RESEARCH."""
        return self.regulatory.status == "research"


def load_card(file: Path) -> Card:
    """Read a card.

    Raises CardError with file, key and what is allowed when anything in it is wrong.
    """
    if file.exists() and not file.is_file():
        # A pipe would be waited for without end.
        raise CardError(f"{file}: is no file; mend it or remove the directory")
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # also over a number of thousands of digits
        raise CardError(f"{file}: cannot be read as TOML ({error}); mend the file or remove the directory") from error
    try:
        return Card.model_validate(table)
    except ValidationError as error:
        raise CardError(f"{file}: {explained(error)}") from error


def explained(error: ValidationError) -> str:
    """Return what is wrong with a card: each key, and what is allowed."""
    return mistakes(Card, error)
