"""Reads the tensors of a TorchScript archive without torch.

A ``.pt`` is a zip: ``NAME/data.pkl`` describes a tree of modules, ``NAME/data/0``, ``1``, … are the raw storages. The
description is a pickle, so it comes from outside as a program. It is run by an interpreter that has only the few
instructions a tree of tensors needs and that knows no function but "rebuild a tensor"; all else is refused.
"""

import io
import pickle  # (only through _Tensors, which resolves no name outside its table)
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import WeightsRefused

_DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "BoolStorage": np.dtype("?"),
}
# fmt: off
_INSTRUCTIONS = frozenset((
    "PROTO", "GLOBAL", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "MARK", "NEWOBJ", "REDUCE", "BUILD", "BINPERSID", "BINPUT", "LONG_BINPUT",
    "BINGET", "LONG_BINGET", "BINUNICODE", "BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1", "NONE", "NEWTRUE",
    "NEWFALSE", "STOP",
))
# fmt: on
_LARGEST_DESCRIPTION = 16 * 2**20
_LARGEST_TENSORS = 8 * 2**30
_DEEPEST = 64


def read_tensors(file: Path) -> dict[str, NDArray[np.generic]]:
    """Return every tensor of the archive by its name in the module tree, such as ``down0.conv.weight``.

    Raises WeightsRefused when the file is no such archive, is damaged, or describes anything but modules and tensors.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            tree = _describe(archive)
            return dict(_tensors(tree, "", 0))
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError, KeyError, NotImplementedError) as error:
        raise WeightsRefused(f"{file.name}: no TorchScript archive of plain tensors ({error})") from error
    except (ValueError, TypeError, AttributeError, IndexError, UnicodeDecodeError) as error:
        # What the pickle machine raises on a malformed program is not limited to UnpicklingError (its documentation).
        raise WeightsRefused(f"{file.name}: its description is malformed ({error})") from error


def _describe(archive: zipfile.ZipFile) -> Any:
    descriptions = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(descriptions) != 1:
        raise pickle.UnpicklingError(f"it has {len(descriptions)} entries called data.pkl, not one")
    folder = descriptions[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in archive.namelist() and _read(archive, f"{folder}byteorder", 16) != b"little":
        raise pickle.UnpicklingError("its storages are not little-endian")
    description = _read(archive, descriptions[0], _LARGEST_DESCRIPTION)
    for instruction, argument, _ in pickletools.genops(description):
        if instruction.name not in _INSTRUCTIONS:
            raise pickle.UnpicklingError(f"instruction {instruction.name} is not needed for tensors")
        if "PUT" in instruction.name and int(argument or 0) > len(description):
            raise pickle.UnpicklingError("it asks for more memory than it can use")
    return _Tensors(description, archive, folder).load()


def _read(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    if archive.getinfo(name).file_size > largest:
        raise pickle.UnpicklingError(f"{name} is larger than the {largest} bytes that it can need")
    return archive.read(name)


class _Module:
    """Stands for every module class of the archive; it has a state and nothing else."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Tensors(pickle.Unpickler):
    """Knows modules, ordered dictionaries, storages and how a tensor lies in one."""

    def __init__(self, description: bytes, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(description))
        self._archive = archive
        self._folder = folder
        self._storages: dict[str, NDArray[np.generic]] = {}
        self._budget = _LARGEST_TENSORS

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no tensor needs")

    def persistent_load(self, pid: Any) -> NDArray[np.generic]:
        kind, dtype, key, _location, count = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not str(key).isdecimal():
            raise pickle.UnpicklingError("it names a storage that is none")
        if key not in self._storages:
            size = int(count) * dtype.itemsize
            self._budget -= size
            if size < 0 or self._budget < 0:
                raise pickle.UnpicklingError("its storages are too large")
            raw = _read(self._archive, f"{self._folder}data/{key}", size)
            if len(raw) != size:
                raise pickle.UnpicklingError(f"storage {key} has {len(raw)} bytes instead of {size}")
            self._storages[key] = np.frombuffer(raw, dtype)
        return self._storages[key]

    def _rebuild(self, storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any) -> NDArray[np.generic]:
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, np.ndarray) or len(shape) != len(strides):
            raise pickle.UnpicklingError("it describes a tensor without a storage")
        if not all(isinstance(number, int) and number >= 0 for number in numbers):
            raise pickle.UnpicklingError("it describes a tensor with a negative or fractional size")
        elements = int(np.prod([int(side) for side in shape], dtype=object))
        last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
        if elements > storage.size or (elements and last >= storage.size):
            raise pickle.UnpicklingError("it describes a tensor that reaches beyond its storage")
        view = np.lib.stride_tricks.as_strided(
            storage[offset:], tuple(shape), tuple(step * storage.itemsize for step in strides), writeable=False
        )
        return np.ascontiguousarray(view).reshape(tuple(shape))


def _tensors(node: Any, name: str, depth: int) -> Iterator[tuple[str, NDArray[np.generic]]]:
    if depth > _DEEPEST:
        raise pickle.UnpicklingError("its modules lie too deep in each other")
    if isinstance(node, np.ndarray):
        yield name, node
    elif isinstance(node, _Module) and isinstance(node.state, dict):
        for key, child in node.state.items():
            yield from _tensors(child, f"{name}.{key}" if name else str(key), depth + 1)
