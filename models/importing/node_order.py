"""The order of an ONNX graph's nodes: ONNX asks that each stands behind those whose answers it reads.

Some converters, ONNX Runtime's own to 16-bit floats among them, add theirs at the end. ONNX Runtime takes that, and
others do not.
"""

import onnx


def put_in_order(graph: onnx.GraphProto) -> None:
    """Move nodes behind those that they read from; what is in order stays so, and a circle is left to who checks it."""
    unmade = {name for node in graph.node for name in node.output if name}
    ordered: list[onnx.NodeProto] = []
    waiting = list(graph.node)
    while waiting:
        left = []
        for node in waiting:
            if unmade.isdisjoint(_read_by(node)):
                unmade.difference_update(node.output)
                ordered.append(node)
            else:
                left.append(node)
        if len(left) == len(waiting):
            return
        waiting = left
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Return what a node reads, in its branches and loops too."""
    inner = [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    return {*node.input, *(name for graph in inner for each in graph.node for name in _read_by(each))}
