"""``[interpretation]`` of a card: from the network's answer to findings."""

from typing import Literal

from pydantic import Field, model_validator

from models.card.card_parts import Concept, Factor, Range, Strict, Value, Written
from models.card.ecg_concepts import (
    BEATS_PER_MINUTE,
    HEART_RATE,
    MILLISECOND,
    PR_INTERVAL,
    QRS_DURATION,
    QT_INTERVAL,
    RR_INTERVAL,
)

#: Half: as likely as not.
_THRESHOLD = 0.5


class LabelMapInterpretation(Strict):
    """From the network's answer to labels on the source grid."""

    kind: Literal["labels", "classes", "probability", "multi-label", "regions"] = Field(
        description="labels: the network answers label numbers; classes: logits of background and labels 1, 2, ..., of "
        "which the highest counts; probability: logits of background and label 1; multi-label: a logit for each of "
        "labels 1, 2, ... by itself, and of those above the threshold the highest counts; regions: likewise, and of "
        "those above the threshold the one that is drawn last counts, such as a tumour's core over all of the tumour"
    )
    order: tuple[int, ...] = Field(
        default=(), description="with kind = regions: all labels' numbers as they are drawn; left out: 1, 2, ..."
    )
    activation: Literal["logits", "probabilities"] = Field(
        default="logits", description="what a network of kind probability, multi-label or regions answers"
    )
    value_unit: Concept = Field(
        default=Concept(value="1", scheme="UCUM", meaning="no units"),
        description="of the images' values, and of their mean and deviation; where the images state another, these are "
        "left out and the report warns; of a CT: [hnsf'U], UCUM, Hounsfield unit",
    )
    threshold: float = Field(
        default=_THRESHOLD, gt=0.0, lt=1.0, description="with kind = probability, multi-label or regions"
    )
    largest_component: Literal["none", "foreground", "each-label"] = Field(
        default="none", description="only the largest connected part is kept: of all labels together, or of each"
    )
    fill_holes: bool = Field(default=False, description="holes inside a label become part of it")
    plausible_total_ml: Range = Field(
        default=Range(), description="of all labels together; outside of it the job fails, and nothing is sent"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "LabelMapInterpretation":
        if self.order and self.kind != "regions":
            raise ValueError("order goes with kind = regions")
        if self.kind in ("labels", "classes") and self.threshold != _THRESHOLD:
            raise ValueError(
                "threshold goes with kind = probability, multi-label or regions: of others the highest counts"
            )
        return self


class BoxInterpretation(Strict):
    """From a detector's boxes, scores and classes to findings that are outlined by a rectangle."""

    kind: Literal["boxes"]
    boxes_output: str = Field(default="boxes", description="the network's output ``(n, 2 * axes)``, one box a row")
    scores_output: str = Field(default="scores", description="its output ``(n,)``, probabilities")
    classes_output: str = Field(default="classes", description="its output ``(n,)``, whole numbers")
    first_class: int = Field(default=1, ge=0, description="the network's class for label 1; label 2 is the next")
    corners: Literal["low-high", "low-size", "centre-size"] = Field(
        default="low-high",
        description="what a row holds: lowest edges, then highest; lowest edges, then the sides, as in COCO's files; "
        "or the centre, then the sides",
    )
    axes: Literal["array", "reversed"] = Field(
        default="array",
        description="array: in the order of the network's grid, as in MONAI; reversed: the last axis first, as x, y in "
        "torchvision",
    )
    coordinates: Literal["voxels", "fractions"] = Field(
        default="voxels",
        description="voxels: of the network's input, from the outer edge of the first; fractions: of the input's sides",
    )
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0, description="a box with a lower score is dropped")
    overlap: float = Field(
        default=0.5,
        gt=0.0,
        le=1.0,
        description="of two boxes of a label whose intersection over union is above, the one with the lower score is "
        "dropped",
    )
    diameter: Literal["none", "longer-side"] = Field(
        default="none", description="longer-side: the longer side of a box in the images' plane is told as its diameter"
    )
    plausible_count: Range = Field(
        default=Range(), description="how many there can be, of images in one of them; else nothing is sent"
    )


class ClassCard(Strict):
    """A class of a network that answers about the whole input."""

    name: Written = Field(min_length=1, max_length=64)
    concept: Concept | None = Field(default=None, description="left out: nothing is said of it, such as no finding")
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0, description="from here on it is present")


class ClassificationInterpretation(Strict):
    """From the network's answer about the whole input, ``(1, classes)``, to findings."""

    kind: Literal["classification"]
    activation: Literal["sigmoid", "softmax", "none"] = Field(
        description="what makes probabilities of the network's answer; none: it answers probabilities"
    )
    classes: tuple[ClassCard, ...] = Field(min_length=1, description="in the network's order")
    question: Concept | None = Field(
        default=None,
        description="left out: each class is present or absent; else the likeliest class is the answer to it",
    )
    frames: Literal["highest", "mean"] | None = Field(
        default=None,
        description="of several images or frames: which probability of a class counts; left out: the mean where "
        "`question` is set, which allows nothing else, else the highest",
    )
    answer_output: str = Field(default="", description="the network's output that answers; needed where it has two")
    heat_map_output: str = Field(
        default="", description="its output ``(1, classes, rows, columns)``, how much each place spoke for each class"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "ClassificationInterpretation":
        concepts = [each.concept for each in self.classes if each.concept is not None]
        if not concepts:
            raise ValueError("classes needs at least one with a concept")
        if len({concept.code for concept in concepts}) < len(concepts):
            raise ValueError("two classes have the same concept")
        if self.question is not None and (self.activation == "sigmoid" or len(concepts) < len(self.classes)):
            raise ValueError("a question has one answer: softmax or none, and a concept for each of classes")
        if self.question is not None and self.frames == "highest":
            # The highest of each class are no probabilities of one question: the surest image alone would answer it.
            raise ValueError("frames: 'highest' does not go with question; allowed are mean, or nothing")
        if self.heat_map_output and not self.answer_output:
            raise ValueError("with heat_map_output, answer_output says which of the two outputs answers")
        return self


class NumberCard(Strict):
    """A number that a network answers about the whole input, such as a bone age or an ejection fraction."""

    name: Concept = Field(description="what is told, such as 10230-1, LN, Left Ventricular Ejection Fraction")
    unit: Concept = Field(description="in UCUM, such as %, Percent")
    plausible: Range = Field(description="outside: nothing is sent")
    scale: Factor = Field(default=1.0, description="what the network answers times this, plus offset, is told")
    offset: Value = 0.0


class NumbersInterpretation(Strict):
    """From the network's numbers about the whole input, ``(1, numbers)``, to measurements."""

    kind: Literal["numbers"]
    numbers: tuple[NumberCard, ...] = Field(
        min_length=1, description="in the network's order; of several images or frames the mean is told"
    )

    @model_validator(mode="after")
    def _told_apart(self) -> "NumbersInterpretation":
        if len({each.name.code for each in self.numbers}) < len(self.numbers):
            raise ValueError("two numbers have the same name")
        return self


class EcgInterpretation(Strict):
    """From per-sample logits to rhythm, intervals and marks (classes in the network's order)."""

    kind: Literal["ecg"]
    frame_classes: tuple[str, ...]
    beat_classes: tuple[str, ...]
    rhythm_classes: tuple[str, ...]
    rhythm_concepts: dict[str, Concept]
    plausible_heart_rate_bpm: Range = Range(min=20, max=300)

    @model_validator(mode="after")
    def _classes_have_meaning(self) -> "EcgInterpretation":
        if not {"P", "QRS", "T"} <= set(self.frame_classes):
            raise ValueError("frame_classes needs P, QRS and T")
        if set(self.rhythm_concepts) != set(self.rhythm_classes):
            raise ValueError("rhythm_concepts needs exactly one concept for each of rhythm_classes")
        return self

    @property
    def numbers(self) -> tuple[NumberCard, ...]:
        """What is told of a recording, as far as its waves allow."""
        rate = NumberCard(name=HEART_RATE, unit=BEATS_PER_MINUTE, plausible=self.plausible_heart_rate_bpm)
        intervals = (RR_INTERVAL, PR_INTERVAL, QRS_DURATION, QT_INTERVAL)
        return rate, *(NumberCard(name=name, unit=MILLISECOND, plausible=Range()) for name in intervals)
