"""TorchScript archives are read without torch, and what is no plain tensor is refused."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import WeightsRefused
from models.importing.torchscript_tensors import read_tensors


class _Named:
    """Is written into a pickle as a global name, such as ``torch FloatStorage``."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Storage:
    def __init__(self, key: str, values: int, kind: str = "FloatStorage") -> None:
        self.pid = ("storage", _Named("torch", kind), key, "cpu", values)


class _Call:
    """Is written as a call of a named function."""

    def __init__(self, function: _Named, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


class _Module:
    """Is written as an object of a class of the archive with this state."""

    def __init__(self, **state: Any) -> None:
        self.state = state


class _Writer(pickle._Pickler):  # type: ignore[name-defined]  # the Python one: its methods can be replaced
    """Writes what torch.jit.save writes, protocol 2, without torch."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, _Storage) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT001, FBT002 (pickle's signature)
        if isinstance(obj, _Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, _Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(obj, _Module):
            self.save(_Named("__torch__.torch.nn", "Conv3d"))
            self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
            self.save(obj.state)
            self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)


def described(tree: Any) -> bytes:
    """Return the pickle of a tree."""
    stream = io.BytesIO()
    _Writer(stream, 2).dump(tree)
    return stream.getvalue()


def tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> _Call:
    """Return a tensor as torch describes it."""
    return _Call(_Named("torch._utils", "_rebuild_tensor_v2"), storage, offset, shape, strides, None, OrderedDict())


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an archive from a description and its storages."""

    def write(
        description: bytes, storages: dict[str, bytes] | None = None, extra: dict[str, bytes] | None = None
    ) -> Path:
        file = tmp_path / "weights.pt"
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("net/data.pkl", description)
            for key, content in (storages or {}).items():
                packed.writestr(f"net/data/{key}", content)
            for name, content in (extra or {}).items():
                packed.writestr(name, content)
        return file

    return write


SIX = np.arange(6, dtype="<f4")


def test_tensors_are_named_by_their_place(archive: Callable[..., Path]) -> None:
    """A tensor's name is the path of modules to it; what is no tensor is left out; one storage may serve several."""
    storage = _Storage("0", 6)
    inner = _Module(training=False, hook=None, weight=tensor(storage, 0, (2, 3), (3, 1)))
    tree = _Module(conv=inner, bias=tensor(storage, 4, (2,), (1,)))
    tensors = read_tensors(archive(described(tree), {"0": SIX.tobytes()}))
    assert set(tensors) == {"conv.weight", "bias"}
    np.testing.assert_array_equal(tensors["conv.weight"], SIX.reshape(2, 3))
    np.testing.assert_array_equal(tensors["bias"], SIX[4:])


def test_strides_are_followed(archive: Callable[..., Path]) -> None:
    """A tensor that lies transposed in its storage comes out in its own order."""
    tree = _Module(weight=tensor(_Storage("0", 6), 0, (3, 2), (1, 3)))
    (found,) = read_tensors(archive(described(tree), {"0": SIX.tobytes()})).values()
    np.testing.assert_array_equal(found, SIX.reshape(2, 3).T)
    assert found.flags.c_contiguous


def test_a_scalar_and_an_empty_tensor_are_read(archive: Callable[..., Path]) -> None:
    """Shapes () and (0,) are shapes too."""
    tree = _Module(scale=tensor(_Storage("0", 6), 5, (), ()), none=tensor(_Storage("0", 6), 0, (0,), (1,)))
    tensors = read_tensors(archive(described(tree), {"0": SIX.tobytes()}))
    assert tensors["scale"] == 5.0
    assert tensors["scale"].shape == ()
    assert tensors["none"].shape == (0,)


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        ("os system", "touch PWNED"),
        ("builtins eval", "1"),
        ("torch._utils _rebuild_parameter", "1"),
        ("torch load", "x"),
    ],
)
def test_a_foreign_name_is_refused(archive: Callable[..., Path], function: str, argument: str) -> None:
    """Nothing that a description names is called unless it rebuilds a tensor; the refusal names it."""
    tree = _Module(weight=_Call(_Named(*function.split()), argument))
    with pytest.raises(WeightsRefused, match=function.replace(" ", r"\.")):
        read_tensors(archive(described(tree)))


def test_an_ordinary_hostile_pickle_is_refused(archive: Callable[..., Path], tmp_path: Path) -> None:
    """The classic: an object whose reduction runs a command; the command does not run."""
    trace = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(trace),)

    for protocol in range(6):
        with pytest.raises(WeightsRefused):
            read_tensors(archive(pickle.dumps(Hostile(), protocol)))
    assert not trace.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        tensor(_Storage("0", 6), 0, (7,), (1,)),
        tensor(_Storage("0", 6), 3, (2, 2), (2, 1)),
        tensor(_Storage("0", 6), -1, (2,), (1,)),
        tensor(_Storage("0", 6), 0, (2,), (-1,)),
        tensor(_Storage("0", 6), 0, (2.0,), (1,)),
        tensor(_Storage("0", 6), 0, (2, 3), (1,)),
        tensor(_Storage("0", 6), 0, (2**40, 2**40), (0, 0)),
        tensor(_Storage("0", 6), 0, 5, 5),
        tensor("no storage", 0, (1,), (1,)),
        tensor(_Storage("0", 5), 0, (1,), (1,)),
        tensor(_Storage("0", 7), 0, (1,), (1,)),
        tensor(_Storage("0", -6), 0, (1,), (1,)),
        tensor(_Storage("0", 2**60), 0, (1,), (1,)),
        tensor(_Storage("../0", 6), 0, (1,), (1,)),
        tensor(_Storage("1", 6), 0, (1,), (1,)),
        tensor(_Storage("0", 6, "QInt8Storage"), 0, (1,), (1,)),
    ],
)
def test_a_tensor_that_its_storage_cannot_hold_is_refused(archive: Callable[..., Path], wrong: _Call) -> None:
    """No offset, shape or stride reads beyond the storage; no storage is read that is not as announced."""
    with pytest.raises(WeightsRefused, match=r"weights\.pt"):
        read_tensors(archive(described(_Module(weight=wrong)), {"0": SIX.tobytes()}))


@pytest.mark.parametrize(
    "description",
    [
        b"",
        b"\x80\x02",
        b"no pickle at all",
        b"\x80\x02r\xff\xff\xff\x7f.",  # puts into a memo slot that needs gigabytes
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # announces exabytes
        b"\x80\x02}.trailing",
        b"\x80\x02Nb.",
        b"\x80\x02h\x05.",
    ],
    ids=repr,
)
def test_a_malformed_description_is_refused(archive: Callable[..., Path], description: bytes) -> None:
    """Whatever stands in data.pkl ends in one named error, or in no tensor; nothing else gets out."""
    try:
        assert read_tensors(archive(description)) == {}
    except WeightsRefused as refused:
        assert "weights.pt" in str(refused)  # noqa: PT017 (either outcome is right)


def test_modules_in_a_circle_are_refused(archive: Callable[..., Path]) -> None:
    """A module that contains itself does not end the process."""
    # NEWOBJ of a module kept in memo 1, whose state {"x": itself} is built.
    circle = b"\x80\x02c__torch__\nM\n)\x81q\x01}X\x01\x00\x00\x00xh\x01sb."
    with pytest.raises(WeightsRefused, match="too deep"):
        read_tensors(archive(circle))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, archive: Callable[..., Path]) -> None:
    """Not a zip, no description, two descriptions, another byte order: refused by the file's name."""
    other = tmp_path / "other.pt"
    other.write_bytes(b"not a zip")
    with pytest.raises(WeightsRefused, match=r"other\.pt"):
        read_tensors(other)
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr("net/readme", "")
    with pytest.raises(WeightsRefused, match="0 entries"):
        read_tensors(other)
    with pytest.raises(WeightsRefused, match="2 entries"):
        read_tensors(archive(described(_Module()), extra={"second/data.pkl": described(_Module())}))
    with pytest.raises(WeightsRefused, match="little-endian"):
        read_tensors(archive(described(_Module()), extra={"net/byteorder": b"big"}))


def test_a_damaged_storage_is_refused(archive: Callable[..., Path]) -> None:
    """A flipped bit is found by the archive's own checksum."""
    tree = _Module(weight=tensor(_Storage("0", 6), 0, (6,), (1,)))
    file = archive(described(tree), {"0": SIX.tobytes()})
    content = file.read_bytes()
    at = content.index(SIX.tobytes())
    file.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    with pytest.raises(WeightsRefused, match="CRC"):
        read_tensors(file)
