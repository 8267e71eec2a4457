"""Whether an ONNX network is what its card says of it: known from the files, before any study is read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.asking.network_shapes import shapes_of
from models.card.card_inference import LocateThenRead, Slices, SlidingWindow
from models.card.card_interpretation import (
    BoxInterpretation,
    ClassificationInterpretation,
    LabelMapInterpretation,
    NumbersInterpretation,
)
from models.card.card_preparation import SignalsPreparation, VolumePreparation, WaveformPreparation
from models.card.manifest import Card
from models.catalog import CARD_FILE, CatalogEntry
from models.errors import CardError
from models.proving.network_answer import answer_problem

if TYPE_CHECKING:
    import onnx


def require_agreement(entry: CatalogEntry) -> None:
    """Raise CardError, naming file and key, where a network of a model that is ready is not what the card says."""
    import onnx  # noqa: PLC0415  # who only receives images does without it

    from models.runtimes.onnx_failures import NO_NETWORK  # noqa: PLC0415  # as above

    for name, network in entry.card.networks.items():
        try:
            model = onnx.load(entry.directory / network.file, format="protobuf", load_external_data=False)
        except (OSError, *NO_NETWORK):
            continue  # the runtime says what is wrong with the file
        if problem := disagreement(entry.card, name, model):
            raise CardError(f"{entry.directory / CARD_FILE}: {problem}")


def disagreement(card: Card, network: str, model: "onnx.ModelProto") -> str:
    """Return the key of the card that a network contradicts, and what it may say; empty where they agree.

    Args:
        card: The model's.
        network: Its name there.
        model: The network; what it holds outside of its file is not looked at.
    """
    outputs = [output.name for output in model.graph.output]
    return (
        _of_outputs(card, network, outputs) or _of_input(card, network, model) or answer_problem(card, network, model)
    )


def _of_outputs(card: Card, network: str, outputs: Sequence[str]) -> str:
    how, there = card.interpretation, ", ".join(outputs)
    if isinstance(how, (LabelMapInterpretation, NumbersInterpretation)) and len(outputs) != 1:
        return (
            f"networks.{network}: the network has {len(outputs)} outputs ({there}), and kind = {how.kind} reads one; "
            "export it again with the answer alone"
        )
    if isinstance(how, ClassificationInterpretation):
        if not how.answer_output and len(outputs) != 1:
            return f"interpretation.answer_output: must be set for {len(outputs)} outputs; allowed are {there}"
        wanted = {"answer_output": how.answer_output, "heat_map_output": how.heat_map_output}
    elif isinstance(how, BoxInterpretation):
        wanted = {key: getattr(how, key) for key in ("boxes_output", "scores_output", "classes_output")}
    else:
        return ""
    for key, name in wanted.items():
        if name and name not in outputs:
            return f"interpretation.{key}: network {network} has no output {name!r}; allowed are {there}"
    return ""


def _of_input(card: Card, network: str, model: "onnx.ModelProto") -> str:
    held = {each.name for each in model.graph.initializer}
    shapes = [each.type.tensor_type.shape for each in model.graph.input if each.name not in held]
    announced = next(iter(shapes_of(card, network).values()), None)
    if announced is None or len(shapes) != 1 or not shapes[0].dim:
        return ""  # the sides depend on the images, or the file does not say them
    takes = [int(side.dim_value) for side in shapes[0].dim]  # 0: any
    if len(takes) != len(announced.largest):
        plane = isinstance(card.inference, SlidingWindow) and 4 in (len(takes), len(announced.largest))  # noqa: PLR2004
        return (
            f"{'inference.slice_axis' if plane else 'preparation.kind'}: the input of network {network} has "
            f"{len(takes)} axes, and {card.preparation.kind} makes {len(announced.largest)}"
        )
    if takes[0] and announced.largest[0] > takes[0]:
        return (
            f"networks.{network}.max_batch: {announced.largest[0]} inputs at once, and the network takes {takes[0]}; "
            f"allowed is {takes[0]}"
        )
    for axis, (least, side, most) in enumerate(zip(announced.smallest, takes, announced.largest, strict=True)):
        if axis and side and not least <= side <= most:
            return (
                f"{_key(card, network, axis)}: the card makes inputs of {_sides(announced.largest[1:])} (channels "
                f"first), and network {network} takes {_sides(takes[1:])} alone; allowed is what it takes, or export "
                "it for any size"
            )
    return ""


def _key(card: Card, network: str, axis: int) -> str:
    """Return the key that says how long an axis of the network's input is; the first after the batch is 1."""
    preparation, inference = card.preparation, card.inference
    if isinstance(preparation, WaveformPreparation) or (isinstance(preparation, SignalsPreparation) and axis > 1):
        return "preparation.samples"
    if axis == 1:
        return "inference.neighbours" if isinstance(inference, Slices) else "preparation.channels"
    if isinstance(preparation, VolumePreparation) and isinstance(inference, SlidingWindow):
        return "inference.window"
    if isinstance(inference, LocateThenRead) and network == "main":
        return "inference.read_size"
    return "preparation.size"


def _sides(shape: Sequence[int]) -> str:
    return "x".join(str(side or "any") for side in shape)
