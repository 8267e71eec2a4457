"""A model directory made of a network and what somebody says of it: card, checksums, golden files.

Where something is missing that no file can say, a draft of the card is left instead, and nothing that could be run.
"""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tomli_w
from numpy.typing import NDArray
from pydantic import ValidationError

from models.asking.inference import INPUT
from models.asking.network_shapes import SIGNAL, shapes_of
from models.card.card_interpretation import BoxInterpretation
from models.card.card_preparation import ImagePreparation, VolumePreparation, WaveformPreparation
from models.card.manifest import Card, explained
from models.catalog import CARD_FILE
from models.durable_file import write_durably
from models.errors import CardError, WeightsRefused
from models.foreign import first_line, told_as
from models.importing.node_order import put_in_order
from models.proving.network_agreement import disagreement
from models.runtimes.onnx_failures import NO_NETWORK

DRAFT = f"{CARD_FILE}.draft"
#: Sides of a golden input where the network takes any: large enough for four halvings, small enough for a second.
_GOLDEN_SIDE = 64
#: An answer with more numbers is thinned in the golden file.
_MOST_NUMBERS = 200_000
_AGREES_WITHIN = 1e-3
#: Inputs that a network is given at once where each is answered as if it were alone.
_AT_ONCE = 4

Answer = Callable[[Mapping[str, NDArray[np.float32]]], Mapping[str, NDArray[Any]]]


def read_wishes(file: Path | None) -> dict[str, Any]:
    """Read what the user says of a model, a card or a part of one. Raises CardError."""
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CardError(f"{file}: cannot be read as TOML ({error})") from error


def merged(known: Mapping[str, Any], wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables as one; where both say something the user's word counts."""
    result = dict(known)
    for key, value in wishes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def with_labels(known: Mapping[str, Any], wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables as one; what the user says of a label is found by its number or its name. Raises CardError."""
    listed = wishes.get("labels", [])
    keys = [wish.get("number", wish.get("name")) for wish in listed] if _are_tables(listed) else [None]
    if not all(isinstance(key, int | str) for key in keys):
        raise CardError("labels: must be tables, [[labels]], each with the number or the name that the origin gives it")
    said = dict(zip(keys, listed, strict=True))
    labels = [merged(label, said.get(label["number"], said.get(label["name"], {}))) for label in known["labels"]]
    return merged(known, {key: value for key, value in wishes.items() if key != "labels"}) | {"labels": labels}


def _are_tables(listed: object) -> bool:
    return isinstance(listed, list) and all(isinstance(each, dict) for each in listed)


def write_model(
    target_dir: Path, table: Mapping[str, Any], network: bytes, answer: Answer, *, program: bytes | None = None
) -> Path:
    """Write ``target_dir/<id>`` and return it.

    Args:
        target_dir: Directory of this machine's models.
        table: The card, but for what is found here: checksums, golden files, how many inputs at once.
        network: The ONNX file; its one input is renamed to what wetread calls it.
        answer: What the origin answers to a golden input, by the names of the ONNX file's outputs.
        program: An exported program of the same network, for the runtime torch.

    Raises CardError, after having written a draft, where the table lacks what no file can say, or without one where the
    network contradicts it; WeightsRefused where the network is none, or does not answer what its origin does; OSError.
    """
    model = _checked(network)
    table = merged({"schema": 1}, table)
    main, proof = _said_of_what_is_made_here(table)
    table["networks"], table["golden"] = {"main": main | {"file": "model.onnx"}}, [proof | {"file": "golden.npz"}]
    # A card whose golden file is not there yet is checked first: whoever must add something should not wait for a
    # network.
    card = _card_or_draft(table, target_dir)
    target = target_dir / card.id
    if problem := disagreement(card, "main", model):
        raise CardError(problem)
    renamed = _with_input(model, SIGNAL if isinstance(card.preparation, WaveformPreparation) else INPUT)
    content = renamed.SerializeToString(deterministic=True)
    golden = _golden(card, renamed, content, answer)
    boxes = isinstance(card.interpretation, BoxInterpretation)
    if not boxes and _dynamic_batch(model) and _answers_each_alone(content, golden):
        table["networks"]["main"].setdefault("max_batch", _AT_ONCE)
    main = table["networks"]["main"] | {"sha256": hashlib.sha256(content).hexdigest()}
    if program is not None:
        main["pt2_sha256"] = hashlib.sha256(program).hexdigest()
    stride = golden.pop("stride")
    table["networks"] = {"main": main}
    table["golden"] = [proof | {"file": "golden.npz", "stride": stride}]
    Card.model_validate(table)
    target.mkdir(parents=True, exist_ok=True)
    write_durably(target / "model.onnx", content)
    if program is not None:
        write_durably(target / "model.pt2", program)
    with (target / "golden.npz").open("wb") as stream:
        np.savez_compressed(stream, **golden)
    # Last: a directory with a card is complete.
    write_durably(target / CARD_FILE, tomli_w.dumps(table).encode())
    (target / DRAFT).unlink(missing_ok=True)
    return target


def _said_of_what_is_made_here(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the user says of the network and of its golden answer, such as what that may differ by."""
    networks, golden = table.get("networks", {}), table.get("golden") or [{}]
    main = networks.get("main", {}) if isinstance(networks, dict) else None
    if not isinstance(main, dict) or set(networks) - {"main"}:
        raise CardError("networks: an imported model has one, [networks.main]; leave out what else is said there")
    if not (_are_tables(golden) and len(golden) == 1):
        raise CardError("golden: an imported model has one, [[golden]], whose file is made here; leave out the others")
    return main, golden[0]


def onnx_answer(network: bytes) -> Answer:
    """Return what ONNX Runtime answers, for a network whose only origin is its ONNX file."""
    import onnxruntime  # noqa: PLC0415  # not everything that is imported needs it

    def answer(inputs: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[Any]]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        (own,), (value,) = session.get_inputs(), inputs.values()
        return dict(zip(names, session.run(names, {own.name: value}), strict=True))

    return answer


def _checked(network: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(network)
        put_in_order(model.graph)
        _require_axes(model)
        onnx.checker.check_model(model)
    except NO_NETWORK as error:
        told = f"this is no ONNX network that can be used: {first_line(error)}; export it again"
        raise WeightsRefused(told) from error
    initializers = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in initializers]
    if len(inputs) != 1:
        raise WeightsRefused(f"the network has {len(inputs)} inputs, and one is read; export it with its input alone")
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise WeightsRefused("the network's input is not float32; export it with a cast at its beginning")
    return model


def _require_axes(model: onnx.ModelProto) -> None:
    for given in model.graph.input:
        if not given.type.tensor_type.shape.dim and given.name not in {each.name for each in model.graph.initializer}:
            raise WeightsRefused(
                f"the file does not say which axes the network's input {given.name} has; export it again with them, "
                "such as (n, 1, d, h, w), free where any size is taken"
            )


def _input_of(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    initializers = {each.name for each in model.graph.initializer}
    return next(each for each in model.graph.input if each.name not in initializers)


def _dims(model: onnx.ModelProto) -> list[int]:
    """Return the input's sides, 0 where they are free."""
    return [int(side.dim_value) for side in _input_of(model).type.tensor_type.shape.dim]


def _dynamic_batch(model: onnx.ModelProto) -> bool:
    outputs = [output.type.tensor_type.shape.dim for output in model.graph.output]
    return _dims(model)[:1] == [0] and all(sides and not sides[0].dim_value for sides in outputs)


def _with_input(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return the network with its input under our name."""
    renamed = onnx.ModelProto()
    renamed.CopyFrom(model)
    own = _input_of(renamed)
    if own.name == name:
        return renamed
    _rename_in(renamed.graph, own.name, name)
    own.name = name
    return renamed


def _rename_in(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename what a graph is given, also where its branches and loops read it from outside of themselves."""
    taken = {value for node in graph.node for value in node.output}
    taken |= {held.name for held in (*graph.initializer, *graph.input)}
    if new in taken:
        raise WeightsRefused(f"the network calls something inside it {new}, as wetread calls the input; export it anew")
    for node in graph.node:
        for place, value in enumerate(node.input):
            if value == old:
                node.input[place] = new
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                _rename_in(inner, old, new)


def _card_or_draft(table: dict[str, Any], target_dir: Path) -> Card:
    try:
        return Card.model_validate(table)
    except ValidationError as error:
        # An id that is none, such as ../elsewhere, names no folder either.
        named = "id" in table and not any(problem["loc"][:1] == ("id",) for problem in error.errors())
        draft = target_dir / (table["id"] if named else "imported-model") / DRAFT
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(tomli_w.dumps(table).encode())
        raise CardError(
            f"what is known of the model is no card yet: {explained(error)}. It is in {draft}: complete or mend it "
            "(docs/card.md has every key), and import again with --card"
        ) from error


def _golden(card: Card, model: onnx.ModelProto, content: bytes, answer: Answer) -> dict[str, Any]:
    """Return arrays of a golden file, from the origin's answer, which the ONNX file must give too."""
    inputs = {_input_of(model).name: _golden_input(card, _dims(model))}
    sides = "x".join(map(str, next(iter(inputs.values())).shape))
    with told_as(
        lambda error: WeightsRefused(
            f"the network cannot be asked with an input of {sides}: {first_line(error)}; look at the card"
        )
    ):
        expected = answer(inputs)
        found = onnx_answer(content)(inputs)
    arrays: dict[str, Any] = {f"input.{name}": value for name, value in inputs.items()}
    stride = _stride(expected)
    for name, wanted in expected.items():
        own = found[name]
        if own.shape != wanted.shape:
            raise WeightsRefused(
                f"the ONNX file answers {name} in the shape {own.shape}, its origin in {wanted.shape}; export it again"
            )
        differs = _relative_error(own, wanted)
        if not differs <= _AGREES_WITHIN:
            raise WeightsRefused(
                f"the ONNX file answers {name} otherwise than its origin (relative error {differs:.1e})"
            )
        arrays[f"expected.{name}"] = wanted[tuple(slice(None, None, step) for step in stride[: wanted.ndim])]
    return arrays | {"stride": stride}


def _answers_each_alone(network: bytes, golden: Mapping[str, Any]) -> bool:
    """Say whether an input's answer does not depend on what else is in its batch, which may be another patient's."""
    ((name, one),) = ((key.removeprefix("input."), value) for key, value in golden.items() if key.startswith("input."))
    other = np.ascontiguousarray(3.0 * np.flip(one, -1) + 1.0, np.float32)
    from models.runtimes.onnx_runtime import ONNX_RUNTIME_ERRORS  # noqa: PLC0415  # not everything that is imported needs it

    ask = onnx_answer(network)
    try:
        together = ask({name: np.concatenate([one, other])})
        alone = [ask({name: value}) for value in (one, other)]
    except ONNX_RUNTIME_ERRORS:  # such as over a batch that the network cannot take
        return False
    return all(
        len(answer) == len(alone)
        and all(_relative_error(answer[place], each[key][0]) <= _AGREES_WITHIN for place, each in enumerate(alone))
        for key, answer in together.items()
    )


def _relative_error(own: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Return the largest difference of two answers of one shape, of the largest number; 0 of detectors' empty ones."""
    if not wanted.size:
        return 0.0
    largest = max(float(np.abs(np.asarray(wanted, np.float64)).max()), 1e-12)
    return float(np.abs(np.asarray(own, np.float64) - np.asarray(wanted, np.float64)).max()) / largest


def _golden_input(card: Card, dims: list[int]) -> NDArray[np.float32]:
    """Return blocks of noise, as the card prepares images, of the network's own shape or a small one of any."""
    announced = next(iter(shapes_of(card, "main").values()), None)
    least = announced.smallest[1:] if announced is not None else ()
    sides = [1, dims[1] or 1] if len(dims) > 1 else [1]
    for axis in range(len(sides), len(dims)):
        fixed = least[axis - 1] if announced is not None and announced.smallest[1:] == announced.largest[1:] else 0
        sides.append(dims[axis] or fixed or _GOLDEN_SIDE)
    random = np.random.default_rng(20)
    blocks = [sides[0], *sides[1:2], *(-(-side // 4) for side in sides[2:])]
    ends = _ends(card.preparation)
    value = (
        (random.normal(size=blocks) if ends is None else random.random(blocks)).astype(np.float16).astype(np.float32)
    )
    if ends is not None:
        value = np.float32(ends[0]) + np.float32(ends[1] - ends[0]) * value
    for axis in range(2, len(sides)):
        value = np.repeat(value, 4, axis=axis)
    return np.ascontiguousarray(value[tuple(slice(0, side) for side in sides)])


def _ends(preparation: object) -> tuple[float, float] | None:
    """Return between what the card's preparation brings every value; None where nothing bounds them.

    What lies beyond is clipped in int8, whose ranges are made from inputs like those that will come.
    """
    if not isinstance(preparation, (VolumePreparation, ImagePreparation)):
        return None
    stretched = preparation.stretched if isinstance(preparation, VolumePreparation) else None
    if stretched is None and preparation.normalisation != "min-max":
        return None
    low, high = stretched or (0.0, 1.0)
    return low * preparation.scale + preparation.offset, high * preparation.scale + preparation.offset


def _stride(expected: Mapping[str, NDArray[Any]]) -> list[int]:
    """Return steps along the axes, the same for all answers, that leave a golden file small; empty where it is."""
    largest = max(expected.values(), key=lambda array: array.size)
    if largest.size <= _MOST_NUMBERS or any(array.ndim != largest.ndim for array in expected.values()):
        return []
    spatial = max(1, largest.ndim - 2)
    step = int(np.ceil((largest.size / _MOST_NUMBERS) ** (1 / spatial)))
    return [1] * (largest.ndim - spatial) + [step] * spatial
