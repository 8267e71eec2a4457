"""What is no ONNX file, or not all of one, is refused in words."""

from pathlib import Path

import pytest
from onnx import TensorProto, helper

from models.errors import WeightsRefused
from models.importing.import_onnx import import_onnx


def with_data_elsewhere(folder: Path) -> bytes:
    """Return a network whose weights lie beside it in `w.bin`."""
    (folder / "w.bin").write_bytes(bytes(8))
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="w.bin")
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", sides[:1], sides[1:], [weights])
    network: bytes = helper.make_model(graph).SerializeToString()
    return network


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"w.bin", b"\xff.bin"), (b"w.bin", b"/etc/"), (b"w.bin", b"x.bin"), (b"x", b"")],
)
def test_what_is_not_all_there_is_refused(tmp_path: Path, before: bytes, after: bytes) -> None:
    """Whatever onnx raises over it; an admin sees what to do, and no defect of ours."""
    file = tmp_path / "network.onnx"
    file.write_bytes(with_data_elsewhere(tmp_path).replace(before, after))
    with pytest.raises(WeightsRefused, match=r"cannot be read as ONNX \(\w+\); export it again"):
        import_onnx(file, {}, tmp_path / "models")
