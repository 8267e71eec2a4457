"""What TensorRT does not take in an ONNX graph and can be said otherwise: uint8 between nodes becomes int32."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from models.errors import RuntimeFailed


def graph_for_tensorrt(file: Path) -> bytes:
    """Return the network of an ONNX file with label numbers as int32 inside and uint8 only as its answer.

    TensorRT takes uint8 as the type of an answer, never between nodes. Raises RuntimeFailed for what is no ONNX file.
    """
    try:
        model = onnx.load(file)
    except (DecodeError, OSError) as error:
        raise RuntimeFailed(
            f"{file} cannot be read as ONNX ({type(error).__name__}); import or fetch it again"
        ) from error
    graph = model.graph
    answers = {output.name for output in graph.output}
    casts = [node for node in graph.node if node.op_type == "Cast" and _to(node) == TensorProto.UINT8]
    inside = [node for node in casts if node.output[0] not in answers]
    if not inside:
        return file.read_bytes()
    for node in inside:
        node.attribute[0].i = TensorProto.INT32
    cast_last = {node.output[0] for node in casts}
    for output in graph.output:
        if output.type.tensor_type.elem_type == TensorProto.UINT8 and output.name not in cast_last:
            (maker,) = (node for node in graph.node if output.name in node.output)
            maker.output[list(maker.output).index(output.name)] = f"{output.name}.int32"
            graph.node.append(helper.make_node("Cast", [f"{output.name}.int32"], [output.name], to=TensorProto.UINT8))
    del graph.value_info[:]  # their types are no longer right, and every reader infers them
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _to(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "to"), 0)
