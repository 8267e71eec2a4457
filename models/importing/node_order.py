"""The order of an ONNX graph's nodes: ONNX asks that each stands behind those whose answers it reads.

Some converters, ONNX Runtime's own to 16-bit floats among them, add theirs at the end. ONNX Runtime takes that, and
others do not.
"""

import heapq
from collections import defaultdict

import onnx


def put_in_order(graph: onnx.GraphProto) -> None:
    """Move nodes behind those that they read from; what is in order stays so, and a circle is left to who checks it."""
    made_by = {name: place for place, node in enumerate(graph.node) for name in node.output if name}
    waits_for = [{made_by[name] for name in _read_by(node) if name in made_by} for node in graph.node]
    read_by: dict[int, list[int]] = defaultdict(list)
    for place, others in enumerate(waits_for):
        for other in others:
            read_by[other].append(place)
    # Of those that wait for nothing the first: so nothing moves that need not.
    ready, ordered = [place for place, others in enumerate(waits_for) if not others], []
    while ready:
        ordered.append(heapq.heappop(ready))
        for place in read_by[ordered[-1]]:
            waits_for[place].discard(ordered[-1])
            if not waits_for[place]:
                heapq.heappush(ready, place)
    if len(ordered) < len(graph.node) or ordered == sorted(ordered):
        return
    nodes = [onnx.NodeProto.FromString(graph.node[place].SerializeToString()) for place in ordered]
    del graph.node[:]
    graph.node.extend(nodes)


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Return what a node reads, in its branches and loops too."""
    inner = [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    return {*node.input, *(name for graph in inner for each in graph.node for name in _read_by(each))}
